import groovy.transform.CompileStatic
import java.nio.file.FileSystems
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
    static final List FIRST = ['slide', 'store', 'store_row', 'CellID']

    /** Stop where something that cellcutter did not write has the name of the list. */
    static void check(Path folder) {
        def file = folder.resolve(NAME)
        if( Published.lies(file) && !isOurs(file) )
            throw new IllegalArgumentException("${file.toUriString()}: a file that is no list of cells found where it is to be made; " +
                'rename it, or choose another folder for the results')
    }

    /** Write the list of a folder's stores, and return what to say of it; one of before with other cells gets another name. */
    static String publish(Path folder, List<Path> parts, String when) {
        def local = folder.fileSystem == FileSystems.default
        def made = local ? folder.resolve(".${NAME}.cellcutter-${when}") : Files.createTempFile(NAME, null)
        try {
            def cells = join(parts, made)
            def file = folder.resolve(NAME)
            def kept = ''
            if( Published.lies(file) ) {
                check(folder)
                if( Files.mismatch(file, made) == -1 )
                    return said(cells, parts)
                kept = Published.kept(file, 'old', when)
            }
            if( local )
                Files.move(made, file)
            else
                Files.copy(made, file)
            return said(cells, parts) + kept
        }
        finally {
            Files.deleteIfExists(made)
        }
    }

    static String said(long cells, List<Path> parts) {
        "${NAME} lists ${cells} cells of ${parts.size()} slide${parts.size() == 1 ? '' : 's'}"
    }

    static boolean isOurs(Path file) {
        Files.isRegularFile(file) && file.withReader('ISO-8859-1') { reader -> record(reader)?.collect { field -> plain(field) }?.take(4) == FIRST }
    }

    /** Join lists into a file, and return the number of cells. */
    static long join(List<Path> parts, Path made) {
        def heads = parts.collect { part -> part.withReader('ISO-8859-1') { reader -> record(reader) } }
        def names = heads.collect { head -> head.collect { field -> plain(field) } }
        def shared = names.first().findAll { name -> names.every { head -> name in head } }
        // Bytes of UTF-8 pass as letters of Latin-1; what divides fields and rows is the same in both
        made.withWriter('ISO-8859-1') { writer ->
            writer.write(shared.collect { name -> heads.first()[names.first().indexOf(name)] }.join(',') + '\n')
            [parts, names].transpose().sum { part, head ->
                part.withReader('ISO-8859-1') { reader -> copy(reader, writer, shared.collect { name -> head.indexOf(name) } as int[]) }
            }
        } as long
    }

    /** Copy fields of all rows below the header, and return the number of rows. */
    @CompileStatic
    static long copy(Reader reader, Writer writer, int[] places) {
        record(reader)
        long rows = 0
        List<String> fields
        while( (fields = record(reader)) != null ) {
            for( int i = 0; i < places.length; i++ ) {
                if( i > 0 )
                    writer.write(',')
                writer.write(fields.get(places[i]))
            }
            writer.write('\n')
            rows++
        }
        return rows
    }

    /** Return the fields of the next row as they are written, with their quotes; null at the end. */
    @CompileStatic
    static List<String> record(Reader reader) {
        int next = reader.read()
        if( next < 0 )
            return null
        List<String> fields = []
        StringBuilder field = new StringBuilder()
        boolean quoted = false
        while( next >= 0 && (quoted || next != (int) ('\n' as char)) ) {
            if( next == (int) ('"' as char) )
                quoted = !quoted
            if( next == (int) (',' as char) && !quoted ) {
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
