// Cut the tiles of a regular grid. Options: as for CUT_CELLS.
process CUT_TILES {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "ghcr.io/labsyspharm/cellcutter:1.0.0"

    input:
    tuple val(meta), path(image, stageAs: 'image/*'), path(markers, stageAs: 'markers/*')
    val window_size

    output:
    tuple val(meta), path('tiles/*', type: 'any'), emit: tiles
    tuple val("${task.process}"), val('cellcutter'), eval("cellcutter --version | sed 's/.* //'"), topic: versions, emit: versions_cellcutter

    when:
    task.ext.when == null || task.ext.when

    script:
    def names = markers ? "--markers ${quote(markers.name)}" : ''
    def memory = task.memory ? ['cache-size': (task.memory.toMega() * 0.7).intValue()] : [:]
    def options = groovy.json.JsonOutput.toJson([memory, task.ext.args ?: [:]].flatten())
    """
    cat > options.yml <<'END_OF_OPTIONS'
    ${options}
    END_OF_OPTIONS
    mkdir tiles
    cut_tiles --params options.yml -p ${task.cpus} ${names} -- ${quote(image.name)} ${window_size as int} ${quote("tiles/${task.ext.prefix ?: meta.id}.zarr")}
    for store in tiles/*.zarr; do
        test -d "\$store" || mv "\$store" "\$store.zip"
    done
    """

    stub:
    def store = quote("tiles/${task.ext.prefix ?: meta.id}.zarr")
    """
    mkdir -p ${store}
    touch ${store}/.zarray
    """
}

def quote(text) {
    "'" + text.toString().replace("'", "'\\''") + "'"
}
