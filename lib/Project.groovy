import java.nio.file.Files
import java.nio.file.Path

/**
 * Finds the images, masks and tables of a MCMICRO project that belong together, by their exact names:
 *
 *   IMAGE          registration/<s>.ome.tif, background/<s>.ome.tif, dearray/<s>.ome.tif, ...
 *   MASK           segmentation/<method>-<s>/<mask>.tif
 *   TABLE          quantification/<s>--<method>_<mask>.csv, before 2022 <method>-<s>_<mask>.csv
 *
 * Reads names of files only. All or nothing: what cannot be told apart is an error.
 */
class Project {

    static final List IMAGE_FOLDERS = ['registration', 'background', 'dearray']
    static final String IMAGE = /(?i)^(.+?)(\.ome)?\.(tiff?|btf|qptiff)$/
    static final String TIFF = /(?i).+\.tiff?/

    /** Return [samples: list of maps, leftOut: list of sentences] of the project in a folder. */
    static Map pair(Path project) {
        def images = IMAGE_FOLDERS.collectMany { folder -> images(project.resolve(folder)) }
        def masks = folders(project.resolve('segmentation')).collectMany { folder ->
            files(folder, TIFF).collect { file -> [folder: plain(folder), name: stem(file), file: file] }
        }
        def tables = files(project.resolve('quantification'), /(?i).+\.csv/)
        def candidates = masks.collectMany { mask -> join(mask, images, tables) }
        refuseAmbiguous(candidates)
        def samples = candidates.collect { sample -> sample + [markers: markers(project, sample.image)] }
        [samples: samples.sort { sample -> sample.id }, leftOut: leftOut(project, samples, images, masks, tables)]
    }

    /** Return every (image, mask, table) that one mask is part of. */
    static List join(Map mask, List images, List tables) {
        images.findAll { image -> mask.folder.endsWith("-${image.id}") && mask.folder.size() > image.id.size() + 1 }.collectMany { image ->
            def method = mask.folder[0..<(mask.folder.size() - image.id.size() - 1)]
            def id = "${image.id}--${method}_${mask.name}".toString()
            def names = ["${id}.csv".toString()]
            if( !method.contains('-') )
                names << "${mask.folder}_${mask.name}.csv".toString()
            tables.findAll { table -> plain(table) in names }.collect { table ->
                [id: id, image: image.file, mask: mask.file, table: table]
            }
        }
    }

    static void refuseAmbiguous(List candidates) {
        ['id', 'mask', 'table'].each { part ->
            candidates.groupBy { sample -> sample[part] }.each { key, group ->
                if( group.size() > 1 ) {
                    def choices = group.collect { sample -> [sample.image, sample.mask, sample.table]*.toUriString().join(', ') }
                    throw new IllegalArgumentException("${key instanceof Path ? key.toUriString() : key}: " +
                        "${group.size()} ways to pair found, one expected; move files away, or say which by --input samplesheet.csv:\n  " +
                        choices.join('\n  '))
                }
            }
        }
    }

    /** Return why each file of the project that could have been cut, was not. */
    static List leftOut(Path project, List samples, List images, List masks, List tables) {
        def used = samples.collectMany { sample -> [sample.image, sample.mask, sample.table] } as Set
        def name = { Path file -> project.relativize(file).toString() }
        masks.findAll { mask -> !(mask.file in used) }.collect { mask ->
            def near = images.findAll { image -> mask.folder.endsWith("-${image.id}") }
            near ? "${name(mask.file)}: no table <image>--<method>_${mask.name}.csv in quantification/"
                 : "${name(mask.file)}: no image for '${mask.folder}' (<method>-<image>) in ${IMAGE_FOLDERS.join('/, ')}/"
        } + tables.findAll { table -> !(table in used) }.collect { table ->
            "${name(table)}: no mask and image of that name (<image>--<method>_<mask>.csv)"
        } + images.findAll { image -> !(image.file in used) && masks.any { mask -> mask.folder.endsWith("-${image.id}") } == false }.collect { image ->
            "${name(image.file)}: no mask in segmentation/<method>-${image.id}/"
        }
    }

    /** Return the marker table of an image: background subtraction drops channels and has its own. */
    static Path markers(Path project, Path image) {
        def own = project.resolve('background/markers_bs.csv')
        def common = project.resolve('markers.csv')
        if( image.parent.name.toString() == 'background' && Files.exists(own) )
            return own
        Files.exists(common) ? common : null
    }

    static List images(Path folder) {
        files(folder, IMAGE).collect { file -> [id: (plain(file) =~ IMAGE)[0][1], file: file] }
    }

    static List files(Path folder, String pattern) {
        list(folder).findAll { file -> plain(file) ==~ pattern && !Files.isDirectory(file) }
    }

    static List folders(Path folder) {
        list(folder).findAll { file -> Files.isDirectory(file) }
    }

    static List list(Path folder) {
        if( !Files.isDirectory(folder) )
            return []
        def stream = Files.list(folder)
        try {
            return stream.collect { file -> file }.findAll { file -> !plain(file).startsWith('.') }.sort { file -> plain(file) }
        }
        finally {
            stream.close()
        }
    }

    /** Return a file's name without the slash that object stores put behind a folder's. */
    static String plain(Path file) {
        file.fileName.toString().replaceFirst('/$', '')
    }

    /** Return a mask's name as the tables have it: up to the first dot. */
    static String stem(Path file) {
        plain(file).split('\\.')[0]
    }
}
