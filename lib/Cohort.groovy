import groovy.transform.CompileStatic
import java.nio.charset.Charset
import java.nio.charset.StandardCharsets
import java.nio.file.Files
import java.nio.file.Path

/**
 * Joins the lists of cells that tasks have made (`cellcutter cohort`) into one beside the stores: cells.csv.
 *
 * The columns are those that all lists have, in the order of the first. Fields stay as they are written, so
 * the file is the one that `cellcutter cohort` makes of all stores. It appears whole or not at all.
 */
class Cohort {

    static final String NAME = 'cells.csv'
    // Bytes of UTF-8 pass as letters of Latin-1; what divides fields and rows is the same in both
    static final Charset BYTES = StandardCharsets.ISO_8859_1
    static final int QUOTE = 34, LINE = 10, COMMA = 44
    static final List FIRST = ['slide', 'store', 'store_row', 'CellID']

    /** Stop where something that cellcutter did not write has the name of the list. */
    static void check(Path folder) {
        def file = folder.resolve(NAME)
        if( Published.lies(file) && !isOurs(file) )
            throw Published.taken(file, 'a file that is no list of cells found where it is to be made')
    }

    /** Write the list of a folder's stores, and return what to say of it; one of before with other cells gets another name. */
    static String publish(Path folder, List<Path> parts, String when) {
        def cells = 0
        def aside = Published.put(folder.resolve(NAME), when) { made ->
            cells = Cohort.join(parts, made)
            Cohort.check(folder)
        }
        said(cells, parts) + aside
    }

    static String said(long cells, List<Path> parts) {
        "${NAME} lists ${cells} cells of ${parts.size()} slide${parts.size() == 1 ? '' : 's'}"
    }

    static boolean isOurs(Path file) {
        Files.isRegularFile(file) && header(file)?.collect { field -> plain(field) }?.take(4) == FIRST
    }

    /** Join lists into a file, and return the number of cells. */
    static long join(List<Path> parts, Path made) {
        def heads = parts.collect { part -> header(part) }
        def names = heads.collect { head -> head.collect { field -> plain(field) } }
        def shared = names.first().findAll { name -> names.every { head -> name in head } }
        Files.newBufferedWriter(made, BYTES).withCloseable { writer ->
            writer.write(shared.collect { name -> heads.first()[names.first().indexOf(name)] }.join(',') + '\n')
            [parts, names].transpose().sum { part, head ->
                Files.newBufferedReader(part, BYTES).withCloseable { reader ->
                    record(reader)
                    head == shared ? copy(reader, writer) : pick(reader, writer, head.size(), shared.collect { name -> head.indexOf(name) } as int[])
                }
            }
        } as long
    }

    static List<String> header(Path file) {
        Files.newBufferedReader(file, BYTES).withCloseable { reader -> record(reader) }
    }

    /** Copy all that is left, and return the number of rows. */
    @CompileStatic
    static long copy(BufferedReader reader, BufferedWriter writer) {
        char[] block = new char[1 << 16]
        boolean quoted = false
        long rows = 0
        int length
        while( (length = reader.read(block, 0, block.length)) > 0 ) {
            for( int i = 0; i < length; i++ ) {
                int letter = (int) block[i]
                if( letter == QUOTE )
                    quoted = !quoted
                else if( letter == LINE && !quoted )
                    rows++
            }
            writer.write(block, 0, length)
        }
        return rows
    }

    /** Copy some fields of all rows that are left, each of which has a number of fields; return the number of rows. */
    @CompileStatic
    static long pick(BufferedReader reader, BufferedWriter writer, int number, int[] places) {
        char[] block = new char[1 << 16]
        String[] fields = new String[number]
        StringBuilder field = new StringBuilder()
        boolean quoted = false
        int column = 0
        long rows = 0
        int length
        while( (length = reader.read(block, 0, block.length)) > 0 ) {
            int start = 0
            for( int i = 0; i < length; i++ ) {
                int letter = (int) block[i]
                if( letter == QUOTE ) {
                    quoted = !quoted
                }
                else if( !quoted && (letter == COMMA || letter == LINE) ) {
                    field.append(block, start, i - start)
                    start = i + 1
                    fields[column++] = field.toString()
                    field.setLength(0)
                    if( letter == LINE ) {
                        for( int k = 0; k < places.length; k++ ) {
                            if( k > 0 )
                                writer.write(COMMA)
                            writer.write(fields[places[k]])
                        }
                        writer.write(LINE)
                        column = 0
                        rows++
                    }
                }
            }
            field.append(block, start, length - start)
        }
        return rows
    }

    /** Return the fields of one row as they are written, with their quotes; null at the end. */
    @CompileStatic
    static List<String> record(BufferedReader reader) {
        int next = reader.read()
        if( next < 0 )
            return null
        List<String> fields = []
        StringBuilder field = new StringBuilder()
        boolean quoted = false
        while( next >= 0 && (quoted || next != LINE) ) {
            if( next == QUOTE )
                quoted = !quoted
            if( next == COMMA && !quoted ) {
                fields.add(field.toString())
                field.setLength(0)
            }
            else {
                field.append((char) next)
            }
            next = reader.read()
        }
        fields.add(field.toString())
        return fields
    }

    /** Return a field without its quotes. */
    static String plain(String field) {
        field.startsWith('"') ? field[1..-2].replace('""', '"') : field
    }
}
