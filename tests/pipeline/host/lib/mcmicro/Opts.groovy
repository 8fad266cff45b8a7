package mcmicro

import org.yaml.snakeyaml.Yaml

/** Lay new values over a tree; members of lists are known by their names. */
static def lay(tree, values) {
    values.each { key, value ->
        if( tree[key] instanceof Map && value instanceof Map ) lay(tree[key], value)
        else if( tree[key] instanceof List && value instanceof List ) {
            def names = value.collect { member -> member.name }
            tree[key] = tree[key].findAll { member -> !(member.name in names) } + value
        }
        else tree[key] = value
    }
}

static def parseParams(given, schema, defaults) {
    Map mcp = new Yaml().load(new File(defaults).text)
    def own = new File("${given.in}/params.yml")
    if( own.exists() ) lay(mcp, new Yaml().load(own.text))
    ['workflow', 'options', 'modules'].each { part -> if( given.containsKey(part) ) lay(mcp[part], given[part]) }

    // What the command line names: --<module>-opts, else a parameter of the workflow
    def modules = mcp.modules.values().flatten()*.name
    given.each { key, value ->
        def name = key.replaceAll(/([A-Z])/, '-$1').toLowerCase()
        def module = name.replaceFirst(/-opts$/, '')
        if( key in ['in', 'contPfx', 'cont-pfx', 'publish_dir_mode', 'workflow', 'options', 'modules'] ) return
        if( module in modules ) mcp.options[module] = value
        else mcp.workflow[name] = value
    }
    validateWFParams(mcp.workflow, schema)
    mcp.modules.segmentation = mcp.modules.segmentation.findAll { member -> member.name in mcp.workflow.segmentation.tokenize(',') }
    mcp
}

static def validateWFParams(wfp, schema) {
    def known = new Yaml().load(new File(schema).text).workflow
    wfp.keySet().each { name -> if( !(name in known) ) throw new Exception("Unrecognized parameter ${name}") }

    // Additional custom validation(s)
    Flow.flowSegment(wfp)
}

