import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import java.nio.file.Files
import java.nio.file.Path
import java.security.MessageDigest

/**
 * Puts the page of a run together: index.html, beside the stores, out of what tasks tell of their samples
 * (`cellcutter report`, as JSON) and what went wrong. It is the page that `cellcutter report` makes of all stores,
 * with the problems and the times that only the run knows. A page that cannot be made is said, and is no failure.
 * The pipeline and the step of MCMICRO both make theirs here.
 */
class RunPage {

    static final String NAME = 'index.html', FOLDER = 'qc', MULTIQC = 'cellcutter_mqc.json'
    static final String MARK = '<meta name="generator" content="cellcutter report">'
    static final String GALLERY = '<meta name="generator" content="cellcutter gallery">'

    /** Return the name of a sample's gallery; two names belong to Nextflow, whose reports may lie in the folder. */
    static String gallery(String id) {
        id.toLowerCase() in ['report', 'timeline'] ? "${id}-gallery.html" : "${id}.html"
    }

    /**
     * Write the page and MultiQC's file, and return the sentences to say of them.
     *
     * ids: the samples whose stores arrived, in their order. told: what is told of them: `about`, for each its files `about`,
     * `multiqc` and `problem`; `pages`, its gallery; closures `reason`, why nothing was told, and if known `seconds`, the
     * time of its cut. lost: why each other sample is not there. places: `outdir`, `assets`, and the version of `nextflow`.
     */
    static List<String> publish(List<String> ids, Map told, Map<String, String> lost, Map places, String when) {
        def said = []
        def what = NAME
        try {
            def samples = ids.collect { id -> row(id, told, places, when) }
            def missing = samples.findAll { sample -> sample.remove('lacks') }*.name
            if( missing )
                said << "no gallery of ${missing.join(', ')}, whose thumbnails are whole; see ${NAME}".toString()
            def versions = [cellcutter: samples*.version.findAll { version -> version }.unique().join(' and '), Nextflow: places.nextflow]
            def problems = lost.collect { id, problem -> [name: id, problem: problem.toString()] }
            def about = ['cellcutter report': 1, versions: versions.findAll { tool, version -> version }, problems: problems, samples: samples]
            Files.createDirectories(places.outdir)
            said << "the page of the run is ${NAME}".toString() + write(places.outdir.resolve(NAME), MARK, html(about, places.assets), when)
            def multiqc = samples.collect { sample -> told.about[sample.name]?.multiqc }.findAll { file -> file }
            what = MULTIQC
            if( multiqc )
                write(Files.createDirectories(places.outdir.resolve(FOLDER)).resolve(MULTIQC), '"id": "cellcutter"', joined(multiqc), when)
        }
        catch( Exception problem ) {
            said << "${what} was not written: ${problem instanceof IllegalArgumentException ? problem.message : problem}".toString()
        }
        said
    }

    /** Return what is known of a sample whose store arrived, whatever became of its gallery. */
    static Map row(String id, Map told, Map places, String when) {
        def task = told.about[id], made = told.pages[id]
        def sample = [name: id, store: null, gallery: null, asked: null, cut: null, off: [], window: null, pixelSize: null, channels: [], layout: null,
                      type: null, version: null, identity: null, masks: false, bytes: null, seconds: null, strip: null, problems: []]
        def known = task ? new JsonSlurper().parse(task.about).samples : []
        if( known )
            sample += known.first() + [name: id]
        sample.store = Published.names(id).take(2).find { name -> Published.lies(places.outdir.resolve(name)) }
        sample.seconds = told.seconds?.call(id)
        def there = places.outdir.resolve(FOLDER).resolve(gallery(id))
        // What was moved has left the task's folder
        if( made && Files.exists(there) && (!Files.exists(made) || Files.size(there) == Files.size(made)) )
            sample.gallery = "${FOLDER}/${there.fileName}".toString()
        else {
            def why = made ? "it did not arrive whole in ${FOLDER}" : task ? Published.lenient(task.problem).trim() : told.reason(id)
            def aside = isOurs(there, GALLERY) ? Published.kept(there, 'old', when) : ''
            sample.problems << "no gallery: ${why}${aside}".toString()
            sample.lacks = true
        }
        if( made && !task )
            sample.problems << "nothing is told of its cells: ${told.reason(id)}".toString()
        sample
    }

    /** Return the page; as cellcutter/view/report.py does. */
    static String html(Map about, Path assets) {
        def part = { kind -> assets.resolve("report.${kind}").getText('UTF-8') }
        def style = part('css'), script = part('js')
        def policy = "default-src 'none'; script-src '${digest(script)}'; style-src '${digest(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
        [policy: policy, style: style, script: script, about: json(about)].inject(part('html')) { page, name, text -> page.replace("{{${name}}}", text) }
    }

    static String digest(String text) {
        "sha256-${MessageDigest.getInstance('SHA-256').digest(text.getBytes('UTF-8')).encodeBase64()}"
    }

    /** Return JSON that ends no element of a page, whatever its texts are. */
    static String json(Object value) {
        JsonOutput.toJson(value).replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026')
    }

    /** Join what MultiQC is told of each sample. */
    static String joined(List<Path> files) {
        def each = files.collect { file -> new JsonSlurper().parse(file) }
        JsonOutput.prettyPrint(JsonOutput.toJson(each.first() + [data: each.collectEntries { one -> one.data }])) + '\n'
    }

    /** Stop where something that cellcutter did not write has a name that a result of a sample, or if wanted its gallery, can have. */
    static void check(Path outdir, String id, boolean looks) {
        Published.check(outdir, id)
        if( !looks )
            return
        def page = outdir.resolve(FOLDER).resolve(gallery(id))
        // What is left of a copy that was interrupted may be empty
        if( Files.exists(page) && !isOurs(page, GALLERY) && (Files.isDirectory(page) || Files.size(page)) )
            throw Published.taken(page, 'a file that cellcutter did not write found where a gallery is to be made')
    }

    static boolean isOurs(Path file, String mark) {
        Files.isRegularFile(file) && new String(file.withInputStream { stream -> stream.readNBytes(1024) }, 'UTF-8').contains(mark)
    }

    /** Write a file; one of cellcutter's with other content gets another name, one of the user's stays. */
    static String write(Path file, String mark, String text, String when) {
        Published.put(file, when) { made ->
            Files.writeString(made, text)
            if( Published.lies(file) && !isOurs(file, mark) )
                throw new IllegalArgumentException("${file.toUriString()}: a file that cellcutter did not write has the name")
        }
    }
}
