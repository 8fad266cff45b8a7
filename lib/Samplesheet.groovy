import java.nio.charset.CharacterCodingException
import java.nio.file.Files
import java.nio.file.Path

/** Reads a table of samples: sample, image, mask, table, and optionally markers and options. */
class Samplesheet {

    static final List NEEDED = ['sample', 'image', 'mask', 'table']
    static final List KNOWN = NEEDED + ['markers', 'options']
    // What Nextflow hands to a shell as it is where it links a store that has the sample's name
    static final String UNFIT = /[{}$*\p{Cntrl}]/

    /** Return a map for each row; `resolve` turns a name or URI into a Path. */
    static List read(Path sheet, Closure resolve) {
        def rows = rows(sheet)
        def header = rows ? rows[0].fields*.trim() : []
        def lacking = NEEDED - header
        def unknown = header - KNOWN
        if( lacking || unknown )
            fail(sheet, "columns ${header.join(', ')} found, ${NEEDED.join(', ')} and optionally markers, options expected")
        def samples = rows.drop(1).collect { row -> sample(sheet, header, row.fields, row.line, resolve) }
        samples.countBy { sample -> sample.id }.each { id, number ->
            if( number > 1 )
                fail(sheet, "sample '${id}' found ${number} times, each once expected")
        }
        samples
    }

    static Map sample(Path sheet, List header, List row, int line, Closure resolve) {
        if( row.size() != header.size() )
            fail(sheet, "line ${line}: ${row.size()} fields found, ${header.size()} expected")
        def values = [header, row*.trim()].transpose().collectEntries { name, value -> [name, value] }
        NEEDED.each { name ->
            if( !values[name] )
                fail(sheet, "line ${line}: no ${name} found")
        }
        if( values.sample.contains('/') || values.sample.startsWith('.') )
            fail(sheet, "line ${line}: sample '${values.sample}' found, a name for a file expected")
        if( values.sample =~ UNFIT )
            fail(sheet, "line ${line}: sample '${shown(values.sample)}' found, a name without { } \$ * and control characters expected")
        def files = (NEEDED.drop(1) + 'markers').collectEntries { name ->
            [name, values[name] ? existing(sheet, line, name, values[name], resolve) : null]
        }
        [id: values.sample, options: values.options ?: null] + files
    }

    /** Return the file of a name, which may be relative to the sheet's folder. */
    static Path existing(Path sheet, int line, String column, String name, Closure resolve) {
        def absolute = name.startsWith('/') || name.contains('://')
        def file = absolute ? resolve(name) : sheet.parent.resolve(name)
        if( !Files.exists(file) )
            fail(sheet, "line ${line}: ${column} ${name} does not exist")
        file
    }

    /**
     * Return the rows of a CSV file: numbers of lines and lists of fields, which may be quoted (RFC 4180).
     * Nextflow's splitCsv does not read a quote inside of quotes (""), which options need.
     */
    static List rows(Path sheet) {
        if( !Files.exists(sheet) )
            throw new IllegalArgumentException("${sheet.toUriString()}: no such file; a samplesheet expected")
        text(sheet).replaceFirst('^\uFEFF', '').readLines().withIndex(1)
            .findAll { line, number -> line.trim() }
            .collect { line, number -> [line: number, fields: fields(sheet, line, number)] }
    }

    static String text(Path sheet) {
        try {
            return sheet.getText('UTF-8')
        }
        catch( CharacterCodingException problem ) {
            fail(sheet, 'bytes that are no UTF-8 found; save it as CSV in UTF-8')
        }
    }

    static List fields(Path sheet, String line, int number) {
        def rest = ',' + line
        def matcher = rest =~ /\G,(?:"((?:[^"]|"")*)"(?=,|$)|([^",][^,]*|)(?=,|$))/
        def end = 0
        def fields = matcher.collect { match ->
            end = matcher.end()
            match[1] != null ? match[1].replace('""', '"') : match[2]
        }
        if( end < rest.size() )
            fail(sheet, "line ${number}: '${rest.substring(end + 1)}' found, fields divided by commas expected; inside of quotes a quote is written twice")
        fields
    }

    /** Return a text as one line. */
    static String shown(String text) {
        text.replaceAll(/\p{Cntrl}/, '?')
    }

    static void fail(Path sheet, String reason) {
        throw new IllegalArgumentException("${sheet.toUriString()}: ${reason}")
    }
}
