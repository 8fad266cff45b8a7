import java.nio.charset.StandardCharsets
import java.nio.file.Files
import java.nio.file.Path
import java.util.zip.GZIPInputStream

/**
 * Looks whether a table of cells has cells. What its bytes mean, and whether they are right, cut_cells alone says:
 * it takes tables in many forms.
 */
class CellTable {

    static final String GZIP = '\u001f\u008b'
    // bzip2, xz, zstd, zip and Parquet
    static final List<String> PACKED = ['BZh', '\u00fd7zXZ', '\u0028\u00b5\u002f\u00fd', 'PK\u0003\u0004', 'PAR1']

    /** Tell whether a table has a header and no row below it; one that cannot be looked into has cells. */
    static boolean isEmpty(Path table) {
        try {
            return Files.newInputStream(table).withCloseable { stream -> rows(new BufferedInputStream(stream)) == 1 }
        }
        catch( IOException | UncheckedIOException problem ) {
            return false
        }
    }

    /** Return the number of lines that are not blank; two where there are more, or where only cut_cells can tell. */
    static long rows(InputStream stream) {
        stream.mark(8)
        // Each byte is a letter of Latin-1, so the text may have any encoding, also one that is not what it should be
        def start = new String(stream.readNBytes(6), StandardCharsets.ISO_8859_1)
        stream.reset()
        if( PACKED.any { magic -> start.startsWith(magic) } )
            return 2
        def plain = start.startsWith(GZIP) ? new GZIPInputStream(stream) : stream
        def reader = new BufferedReader(new InputStreamReader(plain, StandardCharsets.ISO_8859_1))
        reader.lines().filter { line -> !line.trim().isEmpty() }.limit(2).count()
    }
}
