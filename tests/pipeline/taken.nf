// Look into each of the folders that a file lists for what results of the sample s would replace, and print what is said of it as JSON.
workflow {
    file(params.folders).readLines().each { name ->
        def said = ''
        try {
            Run.checkTaken(file(name), ['s'], true)
        }
        catch( IllegalArgumentException problem ) {
            said = problem.message
        }
        println("RESULT " + groovy.json.JsonOutput.toJson(said))
    }
}
