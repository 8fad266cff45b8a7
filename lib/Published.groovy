import java.nio.charset.Charset
import java.nio.charset.StandardCharsets
import java.nio.file.FileSystems
import java.nio.file.FileVisitOption
import java.nio.file.Files
import java.nio.file.LinkOption
import java.nio.file.Path
import java.security.MessageDigest
import java.util.concurrent.TimeUnit
import java.util.zip.ZipInputStream

/**
 * Compares what Nextflow has published with what a task has made, by names and sizes of files, and if
 * wanted their bytes with the manifest that each store has.
 *
 * A task lists its files by `find FOLDER -type f -exec wc -c {} +`. Nothing is deleted or replaced here:
 * what is not whole, or does not belong to the new results, gets another name. Paths may be of any
 * file system that Nextflow knows, such as an object store.
 */
class Published {

    static final String MANIFEST = 'manifest-sha256.txt'

    /** Wait until nothing is being published; after an interruption Nextflow itself does not wait. */
    static void await() {
        def session = nextflow.Global.session
        ['taskFinalizerExecutorService', 'publishDirExecutorService'].each { name ->
            def pool = session.metaClass.respondsTo(session, name) ? session."$name"() : null
            if( pool?.isShutdown() )
                pool.awaitTermination(12, TimeUnit.HOURS)
        }
    }

    /** Have Nextflow end with exit status 1. */
    static void fail() {
        nextflow.Global.session.abort()
    }

    /** Return the stores of a task's list: name to its files, each with its size; a file by itself is ''. */
    static Map<String, Map<String, Long>> made(Path list) {
        def stores = [:]
        // As Java reads the names of the files themselves
        new String(Files.readAllBytes(list), letters()).eachLine { line ->
            // "total" lines have no folder
            def match = line =~ '^ *([0-9]+) [^/]+/([^/]+)/?(.*)$'
            if( match )
                stores.computeIfAbsent(match[0][2].toString(), { name -> [:] }).put(match[0][3].toString(), match[0][1] as long)
        }
        stores
    }

    /** Return why each store that is not whole in a folder, is not; such a store is put aside. */
    static List<String> incomplete(Path folder, Map<String, Map<String, Long>> stores, String when, boolean hashes = false) {
        stores.collect { name, made ->
            def store = folder.resolve(name)
            def problem = difference(made, store) ?: (hashes ? altered(store) : null)
            problem ? "${name}: ${problem} in ${folder.toUriString()}${locale([name] + made.keySet())}${kept(store, 'incomplete', when)}".toString() : null
        }.findAll { problem -> problem }
    }

    static String difference(Map<String, Long> made, Path store) {
        try {
            def there = files(store)
            if( there == made )
                return null
            def whole = made.count { name, size -> there[name] == size }
            def more = (there.keySet() - made.keySet()).size()
            return "${whole} of ${made.size()} files arrived whole" + (more ? ", and ${more} are there that were not made," : '')
        }
        catch( IOException | UncheckedIOException problem ) {
            return "cannot be read (${problem.message})"
        }
    }

    /** Say that some names want another locale, since Java uses that of the machine for names; '' where it is right. */
    static String locale(Collection<String> names) {
        letters() == StandardCharsets.UTF_8 || names.every { name -> StandardCharsets.US_ASCII.newEncoder().canEncode(name) } ? ''
            : "; names have letters for which the locale has to be one of UTF-8, not of ${letters()}: set LC_ALL, to C.UTF-8 say, where Nextflow is started"
    }

    /** Return the encoding that Java uses for names of files. */
    static Charset letters() {
        Charset.forName(System.getProperty('sun.jnu.encoding') ?: 'UTF-8')
    }

    /** Say how many files of a store have other bytes than its manifest names; null where none has, or there is no manifest. */
    static String altered(Path store) {
        try {
            def found = [:]
            def text = null
            contents(store) { name, stream ->
                if( name == MANIFEST )
                    text = new String(stream.readAllBytes(), 'UTF-8')
                else
                    found[name] = sha256(stream)
            }
            def named = text == null ? [:] : text.split('\n').collectEntries { line -> named(line) }
            def wrong = named.count { name, hash -> found[name] != hash }
            return wrong ? "${wrong} of ${named.size()} files have other bytes than ${MANIFEST} names," : null
        }
        catch( IOException | UncheckedIOException problem ) {
            return "cannot be read (${problem.message})"
        }
    }

    /** Return the name and the hash in a line of a manifest, as sha256sum writes it. */
    static Map<String, String> named(String line) {
        def (hash, name) = line.split('  ', 2)
        if( !hash.startsWith('\\') )
            return [(name): hash]
        def plain = name.replaceAll(/\\(.)/) { all, letter -> letter == 'n' ? '\n' : letter == 'r' ? '\r' : letter }
        [(plain): hash.substring(1)]
    }

    /** Call something for each file of a store, with its name and a stream of its bytes. */
    static void contents(Path store, Closure each) {
        if( Files.isDirectory(store) ) {
            files(store).keySet().each { name -> Files.newInputStream(store.resolve(name)).withCloseable { stream -> each(name, stream) } }
            return
        }
        new ZipInputStream(new BufferedInputStream(Files.newInputStream(store), 1 << 20)).withCloseable { zip ->
            for( def entry = zip.nextEntry; entry; entry = zip.nextEntry )
                each(entry.name, zip)
        }
    }

    static String sha256(InputStream stream) {
        def digest = MessageDigest.getInstance('SHA-256')
        def buffer = new byte[1 << 20]
        for( int count = stream.read(buffer); count >= 0; count = stream.read(buffer) )
            digest.update(buffer, 0, count)
        digest.digest().encodeHex().toString()
    }

    /** Return the files of a store, each with its size. */
    static Map<String, Long> files(Path store) {
        if( !Files.exists(store) )
            return [:]
        if( !Files.isDirectory(store) )
            return ['': Files.size(store)]
        def walk = Files.walk(store, FileVisitOption.FOLLOW_LINKS)
        try {
            return walk.filter { file -> !Files.isDirectory(file) }.collect { file -> file }
                .collectEntries { file -> [store.relativize(file).toString(), Files.size(file)] }
        }
        finally {
            walk.close()
        }
    }

    /**
     * Put aside what earlier runs left of a sample and the new run did not make: the masks, or the other
     * form of a store. Return a sentence for each. Only what cellcutter wrote is touched.
     */
    static List<String> companions(Path folder, String id, Collection<String> made, Collection<String> others, String when) {
        def owned = others.collectMany { other -> other == id ? [] : names(other).take(2) }
        (names(id) - made - owned).findAll { name -> lies(folder.resolve(name)) }.collect { name ->
            def store = folder.resolve(name)
            isOurs(store) ? "of an earlier run: ${name}${kept(store, 'old', when)}".toString()
                          : "not of this run: ${name} lies in ${folder.toUriString()}".toString()
        }
    }

    /** Return the names that stores of a sample can have. */
    static List<String> names(String id) {
        ['.zarr', '.zarr.zip', '_mask.zarr', '_mask.zarr.zip'].collect { end -> "${id}${end}".toString() }
    }

    /** Tell whether cellcutter made a store, by its attributes. */
    static boolean isOurs(Path store) {
        try {
            return ['.zattrs', 'zarr.json'].any { name -> text(store, name).contains('"cellcutter"') }
        }
        catch( IOException problem ) {
            return false
        }
    }

    /** Stop where something that cellcutter did not write has a name that results of a sample can have. */
    static void check(Path folder, String id) {
        def mine = names(id).collect { name -> folder.resolve(name) }.find { store -> isForeign(store) }
        if( mine )
            throw taken(mine, 'a store or file that cellcutter did not write found where results are to be made')
    }

    /** Return the error for something that lies where results are to be made. */
    static IllegalArgumentException taken(Path path, String what) {
        new IllegalArgumentException("${path.toUriString()}: ${what}; rename it, or choose another folder for the results")
    }

    /** Tell whether something is not cellcutter's; what is left of a copy that was interrupted is. */
    static boolean isForeign(Path store) {
        if( !lies(store) || isOurs(store) )
            return false
        if( Files.isDirectory(store) ) {
            // Any file may be missing yet; arrays of cellcutter have no fill value
            def array = text(store, '.zarray')
            return ['.zattrs', '.zgroup', 'zarr.json'].any { name -> Files.exists(store.resolve(name)) } || array && !array.contains('"fill_value": null')
        }
        Files.exists(store) && store.fileSystem == FileSystems.default && Files.size(store) && (!beginsAsZip(store) || isZip(store))
    }

    static boolean beginsAsZip(Path file) {
        new String(file.withInputStream { stream -> stream.readNBytes(2) }, 'UTF-8') == 'PK'
    }

    static boolean isZip(Path file) {
        try {
            new java.util.zip.ZipFile(file.toRealPath().toFile()).close()
            return true
        }
        catch( IOException problem ) {
            return false
        }
    }

    /** Return the text of a file in a store; '' where there is none. */
    static String text(Path store, String name) {
        if( Files.isDirectory(store) ) {
            def file = store.resolve(name)
            return Files.exists(file) ? file.getText('UTF-8') : ''
        }
        if( store.fileSystem != FileSystems.default )
            return ''
        new java.util.zip.ZipFile(store.toRealPath().toFile()).withCloseable { zip ->
            def entry = zip.getEntry(name)
            entry ? zip.getInputStream(entry).getText('UTF-8') : ''
        }
    }

    /** Return the text of what programs have said, whatever its bytes are. */
    static String lenient(Path file) {
        new String(Files.readAllBytes(file), 'UTF-8')
    }

    /**
     * Have a file written beside its name, and give it the name when it is whole; one of before with other bytes is
     * put aside. Return the end of the sentence that says so.
     */
    static String put(Path file, String when, Closure write) {
        def local = file.fileSystem == FileSystems.default
        def made = local ? file.resolveSibling(".${file.fileName}.cellcutter-${when}") : Files.createTempFile(file.fileName.toString(), null)
        try {
            write(made)
            if( lies(file) && Files.mismatch(file, made) == -1 )
                return ''
            def aside = kept(file, 'old', when)
            if( local )
                Files.move(made, file)
            else
                Files.copy(made, file)
            return aside
        }
        finally {
            Files.deleteIfExists(made)
        }
    }

    /** Put something aside, and return the end of the sentence that says so. */
    static String kept(Path store, String why, String when) {
        if( !lies(store) )
            return ''
        def name = "${store.fileName.toString().replaceFirst('/$', '')}.${why}-${when}"
        def aside = ([''] + (2..99).collect { number -> "-${number}" }).collect { end -> store.resolveSibling("${name}${end}") }.find { path -> !lies(path) }
        try {
            move(store, aside)
            return "; what was there is now ${aside.fileName}"
        }
        catch( IOException | UncheckedIOException problem ) {
            return "; it could not be renamed to ${aside.fileName} (${problem.class.simpleName}: ${problem.message})"
        }
    }

    static boolean lies(Path path) {
        Files.exists(path, LinkOption.NOFOLLOW_LINKS)
    }

    /** Rename, and never replace; an object store has no folders that could be renamed, only files. */
    static void move(Path from, Path to) {
        if( from.fileSystem == FileSystems.default || !Files.isDirectory(from) )
            Files.move(from, to)
        else
            files(from).keySet().each { name -> Files.move(from.resolve(name), to.resolve(name)) }
    }
}
