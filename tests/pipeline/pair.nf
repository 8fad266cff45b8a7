// Pair each of the projects that a file lists, and print what became of it as JSON.
workflow {
    file(params.projects).readLines().each { name ->
        def result = [:]
        try {
            def found = Run.samples([in: name]) { path -> file(path, glob: false) }
            def plain = { sample -> sample.subMap(['id', 'image', 'mask', 'table', 'markers']).collectEntries { key, value -> [key, value?.toString()] } }
            result = [samples: found.samples.collect(plain), empty: found.empty*.id, leftOut: found.leftOut]
        }
        catch( IllegalArgumentException problem ) {
            result = [error: problem.message]
        }
        println("RESULT " + groovy.json.JsonOutput.toJson(result))
    }
}
