// A page of some cells of a store, and what the page of a run shows of it. Options: task.ext.args, flags of
// `cellcutter gallery`. A gallery that cannot be drawn is no failure: the reason is in problem.txt. One that is
// killed, most often for want of memory, fails, so that errorStrategy can have it run again.
process GALLERY {
    tag "${meta.id}"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "ghcr.io/labsyspharm/cellcutter:1.0.0"

    input:
    tuple val(meta), path(stores, stageAs: 'thumbnails/*')

    output:
    tuple val(meta), path('gallery/*.html'), emit: gallery, optional: true
    tuple val(meta), path('about.json'), path('about_mqc.json'), path('problem.txt'), emit: about
    tuple val("${task.process}"), val('cellcutter'), eval("cellcutter --version | sed 's/.* //'"), topic: versions, emit: versions_cellcutter

    when:
    task.ext.when == null || task.ext.when

    script:
    def store = quote("thumbnails/${task.ext.prefix ?: meta.id}.zarr")
    def page = quote("gallery/${task.ext.prefix ?: meta.id}.html")
    """
    mkdir gallery
    test -e ${store} && store=${store} || store=${store}.zip
    status=0
    cellcutter gallery ${task.ext.args ?: ''} -p ${task.cpus} -- "\$store" ${page} 2> said.txt || status=\$?
    cat said.txt >&2
    # What was killed may be run again, with more memory
    test \$status -lt 128 || exit \$status
    test \$status -eq 0 || tail -n 1 said.txt > problem.txt
    touch problem.txt
    cellcutter report --output thumbnails/about.json --multiqc thumbnails/about_mqc.json -- "\$store"
    mv thumbnails/about.json thumbnails/about_mqc.json .
    """

    stub:
    def page = quote("gallery/${task.ext.prefix ?: meta.id}.html")
    """
    mkdir gallery
    touch ${page} problem.txt
    echo '{"samples":[]}' > about.json
    echo '{"id":"cellcutter","data":{}}' > about_mqc.json
    """
}

def quote(text) {
    "'" + text.toString().replace("'", "'\\''") + "'"
}
