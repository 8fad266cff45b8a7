// Cut a thumbnail of every cell of a table. Options: task.ext.args, a string of flags, or a mapping of
// their names to values, or a list of these in which later ones win; they go through a file, not a shell.
process CUT_CELLS {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "ghcr.io/labsyspharm/cellcutter:1.0.0"

    input:
    tuple val(meta), path(image, stageAs: 'image/*'), path(mask, stageAs: 'mask/*'), path(table, stageAs: 'table/*'), path(markers, stageAs: 'markers/*')

    output:
    tuple val(meta), path('thumbnails/*', type: 'any'), emit: thumbnails
    tuple val(meta), path('made.txt'), emit: made
    tuple val(meta), path('cells.csv'), emit: cells
    tuple val("${task.process}"), val('cellcutter'), eval("cellcutter --version | sed 's/.* //'"), topic: versions, emit: versions_cellcutter

    when:
    task.ext.when == null || task.ext.when

    script:
    def inputs = [image, mask, table].collect { file -> quote(file.name) }.join(' ')
    def names = markers ? "--markers ${quote(markers.name)}" : ''
    def memory = task.memory ? ['cache-size': (task.memory.toMega() * 0.7).intValue()] : [:]
    def store = quote("thumbnails/${task.ext.prefix ?: meta.id}.zarr")
    def options = groovy.json.JsonOutput.toJson([memory, task.ext.args ?: [:]].flatten())
    """
    cat > options.yml <<'END_OF_OPTIONS'
    ${options}
    END_OF_OPTIONS
    mkdir thumbnails
    cut_cells --params options.yml -p ${task.cpus} ${names} -- ${inputs} ${store}
    for store in thumbnails/*.zarr; do
        test -d "\$store" || mv "\$store" "\$store.zip"
    done
    find thumbnails -type f -exec wc -c {} + > made.txt
    # Beside the store, since the list names it relative to its own folder
    test -d ${store} && store=${store} || store=${store}.zip
    cellcutter cohort --tables=${quote(table.name)} --output thumbnails/cells.csv -- "\$store"
    mv thumbnails/cells.csv cells.csv
    """

    stub:
    def store = quote("thumbnails/${task.ext.prefix ?: meta.id}.zarr")
    """
    mkdir -p ${store}
    touch ${store}/.zarray
    find thumbnails -type f -exec wc -c {} + > made.txt
    echo slide,store,store_row,CellID > cells.csv
    """
}

def quote(text) {
    "'" + text.toString().replace("'", "'\\''") + "'"
}
