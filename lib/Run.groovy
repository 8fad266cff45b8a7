import java.nio.file.Files
import java.nio.file.Path
import org.yaml.snakeyaml.Yaml
import org.yaml.snakeyaml.constructor.SafeConstructor
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
            "\n\nProfiles: standard (no container), docker, singularity, apptainer, slurm, awsbatch, test; several by commas\n"
    }

    /** Stop at parameters that do not exist, and at a missing or doubled source of samples. */
    static void check(Map params, Path projectDir) {
        def known = schema(projectDir).keySet()
        params.keySet().each { name ->
            def plain = name.replaceAll(/([a-z])([A-Z])/) { all, a, b -> "${a}_${b}" }.replace('-', '_').toLowerCase()
            if( !(name in known) && !(plain in known) )
                throw new IllegalArgumentException("--${name}: unknown parameter; --help shows the known ones")
        }
        if( !params.in == !params.input )
            throw new IllegalArgumentException("${params.in ? 'both' : 'neither'} of --in PROJECT and --input SAMPLESHEET found, one of them expected (--help shows more)")
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
        found.samples.each { sample -> [sample.image, sample.mask, sample.table, sample.markers].each { file -> checkName(file) } }
        def empty = found.samples.findAll { sample -> isEmpty(sample.table) }
        def common = options(params, resolve)
        def samples = (found.samples - empty).collect { sample -> sample + [options: common + (sample.options ? [sample.options] : [])] }
        found + [samples: samples, empty: empty]
    }

    /** Nextflow hands these characters to the shell as they are. */
    static void checkName(Path file) {
        def odd = file ? file.toUriString().findAll(/[$*?\[\]{}#`"\\\n]/).unique() : []
        if( odd )
            throw new IllegalArgumentException("${file.toUriString()}: ${odd.join(' ')} found in the name, which Nextflow cannot stage; rename it, or make a link")
    }

    /** Tell whether a table has no row below its header. */
    static boolean isEmpty(Path table) {
        table.withReader('UTF-8') { reader -> reader.readLine() != null && !reader.lines().anyMatch { line -> !line.trim().isEmpty() } }
    }

    /** Return options for every sample, the weakest first: the project's params.yml, then --options. */
    static List options(Map params, Closure resolve) {
        def project = params.in ? resolve(params.in.toString()).resolve('params.yml') : null
        def ofProject = project && Files.exists(project) ? new Yaml(new SafeConstructor(new LoaderOptions())).load(project.text) : null
        [unwrap(ofProject instanceof Map ? ofProject.options : null, false), unwrap(params.options, true)].findAll { option -> option }
    }

    /** Return what is below `cellcutter:`; without it options may be cellcutter's own. */
    static Object unwrap(Object options, boolean own) {
        options instanceof Map && options.containsKey('cellcutter') ? options.cellcutter : (own ? options : null)
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

    /** Return what became of the samples: the failed ones with the last line that they wrote. */
    static String summary(Map found, Collection done, Path trace) {
        def wanted = found.samples*.id
        def failed = wanted - done
        def lines = failed.collect { id -> "failed: ${id}: ${reason(id, trace)}" }
        lines += found.empty.collect { sample -> "no cells: ${sample.id}" }
        (["${done.size()} of ${wanted.size()} cut"] + lines).join('\n  ')
    }

    static String reason(String id, Path trace) {
        if( !Files.exists(trace) )
            return 'see .nextflow.log'
        def rows = trace.readLines()*.split('\t', -1)
        def row = rows.drop(1).collect { row -> [rows[0] as List, row as List].transpose().collectEntries { name, value -> [name, value] } }
            .findAll { row -> row.tag == id && row.status in ['FAILED', 'ABORTED'] }
        if( !row )
            return 'not run'
        def error = row.last().workdir ? Run.error(row.last().workdir) : null
        error ?: "exit status ${row.last().exit} in ${row.last().workdir}"
    }

    static String error(String folder) {
        def file = Path.of(folder, '.command.err')
        // The last line of a failed `docker run` only names its help
        def lines = Files.exists(file) ? file.readLines().findAll { line -> line.trim() && !line.contains('docker run --help') } : []
        lines ? lines.last() : null
    }
}
