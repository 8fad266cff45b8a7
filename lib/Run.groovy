import java.nio.charset.CharacterCodingException
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.Path
import org.yaml.snakeyaml.Yaml
import org.yaml.snakeyaml.constructor.SafeConstructor
import org.yaml.snakeyaml.error.MarkedYAMLException
import org.yaml.snakeyaml.error.YAMLException
import org.yaml.snakeyaml.LoaderOptions

/** What main.nf needs around its samples: checked parameters, options, and what is told to the user. */
class Run {

    /** Return the parameters of nextflow_schema.json: name to its definition. */
    static Map schema(Path projectDir) {
        def schema = new groovy.json.JsonSlurper().parse(projectDir.resolve('nextflow_schema.json'))
        schema['$defs'].values().collectEntries { group -> group.properties }
    }

    static String help(Path projectDir) {
        def schema = new groovy.json.JsonSlurper().parse(projectDir.resolve('nextflow_schema.json'))
        def groups = schema['$defs'].values().collect { group ->
            "${group.title}\n" + group.properties.collect { name, what ->
                def known = what.default == null ? '' : " [${what.default}]"
                "  --${name.padRight(16)} ${what.description}${known}"
            }.join('\n')
        }
        "${schema.description}\n\nUsage: nextflow run . --in PROJECT [-profile docker] [-resume]\n" +
            "       nextflow run . --input samplesheet.csv --outdir thumbnails\n\n" + groups.join('\n\n') +
            "\n\nProfiles: standard (no container), docker, singularity, apptainer, slurm, awsbatch, prov, test; several by commas\n"
    }

    /** Stop at parameters that do not exist, and at a missing or doubled source of samples. */
    static void check(Map params, Path projectDir) {
        def known = schema(projectDir).keySet()
        // Of --window-size Nextflow makes window-size and windowSize
        def unknown = params.findAll { name, value -> !(name in known) }
            .collectEntries { name, value -> [name.replaceAll(/([a-z])([A-Z])/) { all, a, b -> "${a}-${b}" }.toLowerCase(), value] }
        unknown.each { name, value ->
            def meant = nearest(name, known)
            if( meant )
                throw new IllegalArgumentException("--${name}: unknown parameter; did you mean --${meant}?")
        }
        if( unknown ) {
            def flags = unknown.collect { name, value -> value.toString() == 'true' ? "--${name}" : "--${name} ${value}" }.join(' ')
            throw new IllegalArgumentException("--${unknown.keySet().join(', --')}: unknown parameter (--help shows the known ones); " +
                "options of cut_cells are given as --options='${flags}'")
        }
        schema(projectDir).findAll { name, what -> what.type == 'boolean' && !(params[name].toString() in ['true', 'false']) }.each { name, what ->
            throw new IllegalArgumentException("--${name}: '${params[name]}' found, true or false expected")
        }
        if( !(params.gallery_cells.toString() ==~ /[1-9][0-9]{0,5}/) )
            throw new IllegalArgumentException("--gallery_cells: ${params.gallery_cells} found, a whole number from 1 to 999999 expected")
        if( !params.in == !params.input )
            throw new IllegalArgumentException("${params.in ? 'both' : 'neither'} of --in PROJECT and --input SAMPLESHEET found, one of them expected (--help shows more)")
    }

    /** Return the known name that a mistyped one is most like, or null. */
    static String nearest(String name, Collection<String> known) {
        def plain = { text -> text.replaceAll('[-_]', '').toLowerCase() }
        def best = known.min { candidate -> distance(plain(name), plain(candidate)) }
        distance(plain(name), plain(best)) <= Math.min(2, name.size().intdiv(3)) ? best : null
    }

    /** Return how many letters have to be put in, taken out or changed to make one word of another. */
    static int distance(String one, String other) {
        def row = (0..other.size()).toList()
        one.eachWithIndex { letter, i ->
            def next = [i + 1]
            other.eachWithIndex { letter2, j -> next << [next[j] + 1, row[j + 1] + 1, row[j] + (letter == letter2 ? 0 : 1)].min() }
            row = next
        }
        row.last()
    }

    /** Stop at a folder for results that cannot be written to, where that can be told. */
    static void checkWritable(Path folder, String parameter) {
        if( folder.fileSystem != FileSystems.default )
            return
        def there = folder.toAbsolutePath()
        there = ([there] + ancestors(there)).find { path -> Files.exists(path) }
        if( !Files.isDirectory(there) )
            throw new IllegalArgumentException("${there}: a file found, a folder expected; name another folder by ${parameter}")
        if( !Files.isWritable(there) )
            throw new IllegalArgumentException("${there}: this folder cannot be written to; name another one by ${parameter}")
    }

    static List ancestors(Path path) {
        path.parent ? [path.parent] + ancestors(path.parent) : []
    }

    /** Stop where results would replace a sample's own input. */
    static void checkInputs(List samples, Path outdir) {
        def inputs = samples.collectMany { sample -> [sample.image, sample.mask, sample.table, sample.markers] }.findAll { file -> file }
            .collect { file -> real(file) }
        (samples.collectMany { sample -> Published.names(sample.id) } + Cohort.NAME).each { name ->
            def store = real(outdir.resolve(name))
            def hit = inputs.find { file -> file.fileSystem == store.fileSystem && file.startsWith(store) }
            if( hit )
                throw new IllegalArgumentException("${hit.toUriString()}: an input found where ${name} is to be made; name another folder by --outdir")
        }
    }

    /** Stop where something that cellcutter did not write has the name of a result. */
    static void checkTaken(Path outdir, Collection<String> ids, boolean looks) {
        Cohort.check(outdir)
        ids.each { id -> RunPage.check(outdir, id, looks) }
    }

    static Path real(Path file) {
        file.fileSystem == FileSystems.default && Files.exists(file) ? file.toRealPath() : file.toAbsolutePath().normalize()
    }

    /** Return the samples of a project or samplesheet, each checked for names that no task can be given. */
    static Map samples(Map params, Closure resolve) {
        def source = resolve((params.in ?: params.input).toString())
        if( params.in && !Files.isDirectory(source) )
            throw new IllegalArgumentException("${source.toUriString()}: no such folder; a MCMICRO project expected")
        def found = params.in ? Project.pair(source) : [samples: Samplesheet.read(source, resolve), leftOut: []]
        if( !found.samples ) {
            def why = found.leftOut.collect { reason -> "\n  left out: ${reason}" }.join('')
            throw new IllegalArgumentException("${source.toUriString()}: nothing to cut found; an image, a mask and a table of the same name expected${why}")
        }
        def odd = found.samples*.id.findAll { id -> Published.locale([id]) }
        if( odd )
            throw new IllegalArgumentException("sample ${odd.join(', ')}")
        found.samples.each { sample -> [sample.image, sample.mask, sample.table, sample.markers].each { file -> checkName(file) } }
        def empty = found.samples.findAll { sample -> CellTable.isEmpty(sample.table) }
        def sources = options(params, resolve)
        def samples = (found.samples - empty).collect { sample ->
            def own = sample.options ? ['the column options': sample.options] : [:]
            sample + [options: sources.values() + own.values(), sources: sources.keySet() + own.keySet()]
        }
        found + [samples: samples, empty: empty]
    }

    /** Stop at a work folder in which no task can run. */
    static void checkWork(Path folder) {
        def odd = folder.toUriString().findAll(Samplesheet.UNFIT).unique()
        if( odd )
            throw new IllegalArgumentException("${Samplesheet.shown("${folder.toUriString()}: ${odd.join(' ')}")} found in the name of the work folder, which Nextflow cannot use; name another by -work-dir")
    }

    /** Nextflow hands these characters to the shell as they are. */
    static void checkName(Path file) {
        def odd = file ? file.toUriString().findAll(/[$*?\[\]{}#`"\\\p{Cntrl}]/).collect { letter -> letter < ' ' ? 'a control character' : letter }.unique() : []
        if( odd )
            throw new IllegalArgumentException("${Samplesheet.shown(file.toUriString())}: ${odd.join(' ')} found in the name, which Nextflow cannot stage; rename it, or make a link")
    }

    /** Return options for every sample by where they are from, the weakest first: the project's params.yml, then --options. */
    static Map options(Map params, Closure resolve) {
        def project = params.in ? resolve(params.in.toString()).resolve('params.yml') : null
        def sources = [:]
        if( project && Files.exists(project) )
            sources[project.toUriString()] = ofProject(project)
        sources['--options'] = unwrap(params.options)
        sources.findAll { name, option -> option }
    }

    /** Return what a project's params.yml has below `options: cellcutter:`. */
    static Object ofProject(Path file) {
        def whole = null
        try {
            whole = new Yaml(new SafeConstructor(new LoaderOptions())).load(file.getText('UTF-8').replaceFirst('^\uFEFF', ''))
        }
        catch( CharacterCodingException problem ) {
            throw new IllegalArgumentException("${file.toUriString()}: bytes that are no UTF-8 found, YAML in UTF-8 expected")
        }
        catch( YAMLException problem ) {
            def marked = problem instanceof MarkedYAMLException && problem.problemMark
            def reason = marked ? "line ${problem.problemMark.line + 1}: ${problem.problem}" : problem.message
            throw new IllegalArgumentException("${file.toUriString()}: ${reason.readLines()*.trim().join(' ')}; YAML expected")
        }
        def options = whole instanceof Map ? whole.options : null
        if( options && !(options instanceof Map) )
            throw new IllegalArgumentException("${file.toUriString()}: options: '${options}' found, options: cellcutter: '${options}' expected " +
                "(cellcutter: on a line of its own, below options:)")
        options?.cellcutter
    }

    /** Return what is below `cellcutter:`; without it options are cellcutter's own. */
    static Object unwrap(Object options) {
        options instanceof Map && options.containsKey('cellcutter') ? options.cellcutter : options
    }

    /** Return what was found, for the log. */
    static String pairing(Map found) {
        def lines = found.samples.collect { sample -> "${sample.id}\n    ${[sample.image, sample.mask, sample.table].collect { file -> plain(file) }.join(' + ')}" }
        lines += found.leftOut.collect { reason -> "left out: ${reason}" }
        lines += found.empty.collect { sample -> "no cells: ${plain(sample.table)}" }
        "${found.samples.size()} to cut:\n  " + lines.join('\n  ')
    }

    static String plain(Path file) {
        "${file.parent.fileName}/${file.fileName}"
    }

    /** Check what was published, and return what became of the samples; what is not as it should be ends the run with status 1. */
    static String finish(Map found, Map made, Map cells, Map told, Map places, String when, String error, boolean hashes) {
        Published.await()
        def ids = found.samples*.id
        def failed = found.samples.findAll { sample -> !(sample.id in made) }.collectEntries { sample -> [sample.id, reason(sample, places.trace)] }
        def said = []
        made.each { id, stores ->
            def problems = Published.incomplete(places.outdir, stores, when, hashes)
            if( problems )
                failed[id] = "${problems.join('; ')}; mend the reason ('Failed to publish' above), then use -resume"
            else
                said += Published.companions(places.outdir, id, stores.keySet(), ids, when)
        }
        // Singularity and Apptainer pull before there is a task
        if( error =~ /(?i)failed to pull/ )
            said << IMAGE
        def whole = ids.findAll { id -> id in cells && !(id in failed) }
        def listed = whole ? list(places.outdir, whole.collect { id -> cells[id] }, when) : [:]
        if( listed.said )
            said << listed.said + (failed ? ", without the ${failed.size()} that failed" : '')
        if( failed || listed.problem )
            Published.fail()
        if( listed.problem )
            said << "failed: ${listed.problem}"
        if( told != null ) {
            def lost = failed + found.empty.collectEntries { sample -> [sample.id, 'no cells in its table'] }
            def seen = [seconds: { id -> seconds(id, places.trace) }, reason: { id -> reason([id: id, sources: []], places.trace, 'GALLERY') }]
            said += RunPage.publish(whole, told + seen, lost, places, when)
        }
        summary(found, failed, said, places)
    }

    /** Write the list of all cells; return what is said of it, or the problem. */
    static Map list(Path outdir, List<Path> parts, String when) {
        try {
            return [said: Cohort.publish(outdir, parts, when)]
        }
        catch( IOException | UncheckedIOException | IllegalArgumentException problem ) {
            def why = problem instanceof IllegalArgumentException ? problem.message : "${problem.class.simpleName}: ${problem.message}"
            return [problem: "${Cohort.NAME} was not written to ${outdir.toUriString()} (${why}); mend the reason, then use -resume"]
        }
    }

    /** Return the lines that end a run: the failed samples with the reason, and where the results are. */
    static String summary(Map found, Map failed, List said, Map places) {
        def wanted = found.samples*.id
        def lines = wanted.findAll { id -> id in failed }.collect { id -> "failed: ${id}: ${failed[id]}" }
        lines += found.empty.collect { sample -> "no cells: ${sample.id}" }
        lines += said
        if( failed.size() < wanted.size() )
            lines << "thumbnails are in ${places.outdir.toUriString()}"
        (["${wanted.size() - failed.size()} of ${wanted.size()} cut"] + lines).join('\n  ')
    }

    /** Return why a sample failed: the last line that its task wrote, or what Nextflow knows. */
    static String reason(Map sample, Path trace, String process = 'CUT_CELLS') {
        if( !Files.exists(trace) )
            return 'see .nextflow.log'
        def row = rows(trace).findAll { row -> row.tag == sample.id && row.name.contains(process) && row.status in ['FAILED', 'ABORTED'] }
        if( !row )
            return 'not run'
        if( row.last().exit == '137' )
            return "killed, most often for want of memory: it had ${row.last().memory}; to allow for more use --max_memory, or see docs/how-to/hpc.md"
        def error = row.last().workdir ? Run.error(row.last().workdir) : null
        error = error?.replace(' options.yml: ', " ${sample.sources.join(' or ')}: ")
        if( error =~ /^(docker|podman): / )
            error += "; ${IMAGE}"
        error ?: "exit status ${row.last().exit} in ${row.last().workdir}"
    }

    /** Return how long the cut of a sample took, by the trace. */
    static Double seconds(String id, Path trace) {
        def row = rows(trace).findAll { row -> row.tag == id && row.name.contains('CUT_CELLS') && row.status in ['COMPLETED', 'CACHED'] }
        row && row.last().realtime != '-' ? nextflow.util.Duration.of(row.last().realtime).millis / 1000d : null
    }

    /** Return the tasks that a trace tells of: name of a column to its value. */
    static List<Map> rows(Path trace) {
        def lines = Files.exists(trace) ? trace.readLines()*.split('\t', -1) : []
        lines.drop(1).collect { line -> [lines[0] as List, line as List].transpose().collectEntries { name, value -> [name, value] } }
    }

    static final String IMAGE = 'where the image cannot be pulled, make it as docs/how-to/pipeline.md or docs/how-to/hpc.md says, and name it by --container'

    static String error(String folder) {
        def file = Path.of(folder, '.command.err')
        // The last line of a failed `docker run` only names its help
        def lines = Files.exists(file) ? Published.lenient(file).readLines().findAll { line -> line.trim() && !line.contains('docker run --help') } : []
        lines ? lines.last() : null
    }
}
