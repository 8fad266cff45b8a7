import mcmicro.*

// Thumbnails of cells: one Zarr store for each image, mask and table of cells.
// Options: `options: cellcutter:` in params.yml, a string of flags or a mapping; --cellcutter-opts='...'.
process cellcutter {
    container "${params.contPfx}${module.container}:${module.version}"
    tag "${table.baseName}"

    // Output
    publishDir "${params.in}/thumbnails", mode: "${params.publish_dir_mode}",
      pattern: '*.zarr*', overwrite: true

    // Provenance
    publishDir "${Flow.QC(params.in, 'provenance')}", mode: 'copy',
      pattern: '.command.{sh,log}',
      saveAs: {fn -> fn.replace('.command', "${module.name}-${task.index}")}

  input:
    val mcp
    val module
    tuple path(image, stageAs: 'image/*'), path(mask, stageAs: 'mask/*'), path(table, stageAs: 'table/*'), path(markers, stageAs: 'markers/*')

  output:
    path '*.zarr*', emit: stores, type: 'any'
    tuple path('.command.sh'), path('.command.log')

  when: Flow.doirun('thumbnails', mcp.workflow)

  script:
    def files = [image, mask, table].collect{ f -> Util.escapeForShell(f.name) }.join(' ')
    def store = Util.escapeForShell(table.baseName + '.zarr')
    def memory = task.memory ? ['cache-size': (task.memory.toMega() * 0.7).intValue()] : [:]
    // Through a file, so that no value meets the shell, and a mapping stays a mapping
    def options = groovy.json.JsonOutput.toJson([memory, mcp.options[module.name] ?: [:]].flatten())
    """
    cat > params.yml <<'END_OF_OPTIONS'
    ${options}
    END_OF_OPTIONS
    cut_cells --params params.yml -p ${task.cpus} --markers ${Util.escapeForShell(markers.name)} -- ${files} ${store}
    for store in *.zarr; do
        test -d "\$store" || mv "\$store" "\$store.zip"
    done
    """

  stub:
    def store = Util.escapeForShell(table.baseName + '.zarr')
    """
    mkdir ${store}
    touch ${store}/.zarray
    """
}

workflow thumbnails {
  take:
    mcp       // MCMICRO parameters (as returned by Opts.parseParams())
    imgs      // Whole slides, or cores of a tissue microarray
    segmasks  // Segmentations: (<method>-<image>, masks)
    tables    // Tables of cells
    markers   // Names of the channels

  main:
    id_imgs = imgs.map{ f -> tuple(Util.getImageID(f), f) }

    // A table is <image>--<method>_<mask>.csv; before 2022 it was <method>-<image>_<mask>.csv
    id_tables = tables.map{ f -> tuple(f.baseName, f) }
    inputs = segmasks
      .flatMap{ tag, msks -> (msks instanceof Collection ? msks : [msks]).collect{ m ->
          tuple(tag.split('-', 2)[1], tag, m) } }
      .combine(id_imgs, by: 0)
      .flatMap{ id, tag, msk, img ->
          def name = msk.name.split('\\.')[0]
          [tuple("${id}--${tag.split('-', 2)[0]}_${name}".toString(), img, msk),
           tuple("${tag}_${name}".toString(), img, msk)] }
      .combine(id_tables, by: 0)
      .map{ _1, img, msk, table -> tuple(img, msk, table) }
      .combine(markers)
    cellcutter(mcp, mcp.modules['thumbnails'], inputs)

  emit:
    cellcutter.out.stores
}
