// Read each of the samplesheets that a file lists, and print what became of it as JSON.
workflow {
    file(params.sheets).readLines().each { name ->
        def result = [:]
        try {
            result = [samples: Samplesheet.read(file(name)) { path -> file(path, glob: false) }.collect { sample -> sample.collectEntries { key, value -> [key, value?.toString()] } }]
        }
        catch( IllegalArgumentException problem ) {
            result = [error: problem.message]
        }
        println("RESULT " + groovy.json.JsonOutput.toJson(result))
    }
}
