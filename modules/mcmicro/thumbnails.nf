// Thumbnails of cells: one Zarr store for each image, mask and table of cells.
// Options: `options: cellcutter:` in params.yml, a string of flags or a mapping; --cellcutter-opts='...'.
process cellcutter {
    container "${params.contPfx}${module.container}:${module.version}"
    // It becomes part of a job's name, and sbatch does not take every name
    tag "${table.baseName.replaceAll(/[^A-Za-z0-9._-]+/, '_')}"

    // Output
    publishDir "${params.in}/thumbnails", mode: "${params.publish_dir_mode}",
      pattern: '*.zarr*', overwrite: true, failOnError: false // what was published is checked below

    // Pages to look at; `modules: thumbnails: gallery: false` turns them off, and that of the run
    publishDir "${params.in}/thumbnails/qc", mode: "${params.publish_dir_mode}",
      pattern: 'gallery/*.html', overwrite: true, failOnError: false, saveAs: { fn -> fn.tokenize('/').last() }

    // Provenance
    publishDir "${mcmicro.Flow.QC(params.in, 'provenance')}", mode: 'copy',
      pattern: '.command.{sh,log}',
      saveAs: {fn -> fn.replace('.command', "${module.name}-${task.index}")}

  input:
    val module
    val options
    tuple path(image, stageAs: 'image/*'), path(mask, stageAs: 'mask/*'), path(table, stageAs: 'table/*'), path(markers, stageAs: 'markers/*')

  output:
    path '*.zarr*', emit: stores, type: 'any'
    tuple val(table.baseName), path('made.txt'), emit: made
    tuple val(table.baseName), path('cells.csv'), emit: cells
    tuple val(table.baseName), path('gallery/*.html'), emit: galleries, optional: true
    tuple val(table.baseName), path('about.json'), path('about_mqc.json'), path('problem.txt'), emit: about, optional: true
    tuple path('.command.sh'), path('.command.log')

  script:
    def files = [image, mask, table].collect{ f -> mcmicro.Util.escapeForShell(f.name) }.join(' ')
    // With ./ a name that starts with a dash is not taken for a flag
    def store = mcmicro.Util.escapeForShell('./' + table.baseName + '.zarr')
    def memory = task.memory ? ['cache-size': (task.memory.toMega() * 0.7).intValue()] : [:]
    def page = mcmicro.Util.escapeForShell("gallery/${table.baseName}.html".toString())
    def looks = module.gallery.toString() != 'false'
    // Through a file, so that no value meets the shell, and a mapping stays a mapping
    def json = groovy.json.JsonOutput.toJson([memory, options].flatten())
    """
    cat > cellcutter-opts.yml <<'END_OF_OPTIONS'
    ${json}
    END_OF_OPTIONS
    cut_cells --params cellcutter-opts.yml -p ${task.cpus} --markers ${mcmicro.Util.escapeForShell(markers.name)} -- ${files} ${store}
    for store in ./*.zarr; do
        test -d "\$store" || mv "\$store" "\$store.zip"
    done
    find ./*.zarr* -type f -exec wc -c {} + > made.txt
    test -d ${store} && store=${store} || store=${store}.zip
    cellcutter cohort --tables=${mcmicro.Util.escapeForShell(table.name)} --output cells.csv -- "\$store"
    mkdir gallery
    # What cannot be looked at is no failure
    if ${looks}; then
        status=0
        cellcutter gallery --number 200 -p ${task.cpus} -- "\$store" ${page} 2> said.txt || status=\$?
        cat said.txt >&2
        test \$status -eq 0 || tail -n 1 said.txt > problem.txt
        # No reason to lose the cells, which are cut
        test \$status -lt 128 || echo "stopped by signal \$((status - 128)); 9 is most often for want of memory" > problem.txt
        touch problem.txt
        cellcutter report --output about.json --multiqc about_mqc.json -- "\$store" || echo 'no report' >&2
    fi
    """

  stub:
    def store = mcmicro.Util.escapeForShell('./' + table.baseName + '.zarr')
    def page = mcmicro.Util.escapeForShell("gallery/${table.baseName}.html".toString())
    """
    mkdir ${store} gallery
    touch ${store}/.zarray
    find ./*.zarr* -type f -exec wc -c {} + > made.txt
    echo slide,store,store_row,CellID > cells.csv
    touch ${page} problem.txt
    echo '{"samples":[]}' > about.json
    echo '{"id":"cellcutter","data":{}}' > about_mqc.json
    """
}

// Pairs by exact names. A table is <image>--<method>_<mask>.csv; before 2022 it was
// <method>-<image>_<mask>.csv. Masks without a table are usual; what else is left out is said.
workflow pairs {
  take:
    imgs
    masks     // (<method>-<image>, mask)
    tables
    markers

  main:
    id_imgs = imgs.map{ f -> tuple(mcmicro.Util.getImageID(f), f) }
    found = tables.branch{ f ->
        full: f.size() && !CellTable.isEmpty(f)
        empty: true }
    found.empty.subscribe{ f -> log.warn("thumbnails: ${f.name}: no cells found, left out") }
    id_tables = found.full.map{ f -> tuple(f.baseName, f) }

    def used = [:]
    inputs = masks
      .map{ tag, msk -> tuple(tag.split('-', 2)[1], tag, msk) }
      .combine(id_imgs, by: 0)
      .flatMap{ id, tag, msk, img ->
          def name = msk.name.split('\\.')[0]
          [tuple("${id}--${tag.split('-', 2)[0]}_${name}".toString(), img, msk),
           tuple("${tag}_${name}".toString(), img, msk)] }
      .combine(id_tables, by: 0)
      .combine(markers.unique{ f -> f.bytes.encodeBase64().toString() })
      .map{ _1, img, msk, table, mrk ->
          def files = "${img}, ${msk}, ${mrk}"
          if( used[table] ) error("thumbnails: ${table}: 2 ways to pair found, one expected: ${used[table]}; or ${files}")
          used[table] = files
          tuple(img, msk, table, mrk) }

    id_tables.map{ id, _2 -> tuple(id, false) }
      .mix(inputs.map{ _1, _2, table, _4 -> tuple(table.baseName, true) })
      .groupTuple()
      .subscribe{ id, paired ->
          if( !paired.any() ) log.warn("thumbnails: ${id}.csv: no mask and image of that name " +
              "(<image>--<method>_<mask>.csv) found, left out") }

  emit:
    inputs
    empty = found.empty
}

workflow thumbnails {
  take:
    mcp       // MCMICRO parameters (as returned by Opts.parseParams())
    imgs      // Whole slides, or cores of a tissue microarray
    segmasks  // Segmentations: (<method>-<image>, masks)
    tables    // Tables of cells
    markers   // Names of the channels

  main:
    stores = channel.empty()
    if( mcmicro.Flow.doirun('thumbnails', mcp.workflow) ) {
        // Where MCMICRO starts behind the masks, it does not look for them
        masks = mcp.workflow['start-at'] == 'downstream' ?
            channel.fromPath("${params.in}/segmentation/*-*/*.tif")
              .ifEmpty{ error("${params.in}/segmentation: no <method>-<image>/*.tif found, a mask expected") }
              .map{ f -> tuple(f.parent.name, f) } :
            segmasks.flatMap{ tag, msks ->
                (msks instanceof Collection ? msks : [msks]).collect{ m -> tuple(tag.toString(), m) } }
        pairs(imgs, masks, tables, markers)
        def folder = file("${params.in}/thumbnails")
        def looks = mcp.modules['thumbnails'].gallery.toString() != 'false'
        def taken = Collections.synchronizedMap([:])
        free = pairs.out.inputs.filter{ _1, _2, table, _4 ->
            try {
                RunPage.check(folder, table.baseName, looks)
                true
            }
            catch( IllegalArgumentException problem ) { taken[table.baseName] = problem.message; false } }
        cellcutter(mcp.modules['thumbnails'], mcp.options['cellcutter'] ?: [:], free)
        stores = cellcutter.out.stores

        // Nextflow publishes in the background: what arrived is compared when all is over
        def made = Collections.synchronizedMap([:])
        cellcutter.out.made.subscribe{ id, list -> made[id] = Published.made(list) }
        def cells = Collections.synchronizedMap([:])
        cellcutter.out.cells.subscribe{ id, list -> cells[id] = list }
        def lost = Collections.synchronizedMap([:])
        pairs.out.inputs.subscribe{ _1, _2, table, _4 -> lost[table.baseName] = 'not cut; see .nextflow.log' }
        pairs.out.empty.subscribe{ f -> lost[f.baseName] = 'no cells in its table' }
        def told = [about: Collections.synchronizedMap([:]), pages: Collections.synchronizedMap([:]), reason: { 'see its log in qc/provenance' }]
        cellcutter.out.about.subscribe{ id, about, multiqc, problem -> told.about[id] = [about: about, multiqc: multiqc, problem: problem] }
        cellcutter.out.galleries.subscribe{ id, page -> told.pages[id] = page }
        def places = [outdir: folder, assets: projectDir.resolve('lib/cellcutter'), nextflow: workflow.nextflow.version.toString()]
        def when = workflow.start.format('yyyyMMdd-HHmmss')
        workflow.onComplete {
            Published.await()
            def problems = made.collectEntries{ id, files -> [id, Published.incomplete(folder, files, when)] }.findAll{ id, each -> each }
            def whole = cells.keySet().findAll{ id -> !(id in problems) }.sort()
            def texts = problems.values().flatten() + taken.values()
            if( whole ) try { log.info("thumbnails: ${Cohort.publish(folder, whole.collect{ id -> cells[id] }, when)}") }
            catch( IOException | UncheckedIOException | IllegalArgumentException problem ) { texts << "${Cohort.NAME}: ${problem.message}" }
            texts.each{ problem -> log.error("thumbnails: ${problem}; mend the reason, then use -resume") }
            if( texts ) Published.fail()
            else made.each{ id, files ->
                Published.companions(folder, id, files.keySet(), made.keySet(), when).each{ text -> log.warn("thumbnails: ${text}") } }
            if( looks && made ) {
                def away = (lost + taken + problems.collectEntries{ id, each -> [id, each.join('; ')] }).findAll{ id, each -> !(id in whole) }.sort()
                RunPage.publish(whole, told, away, places, when).each{ text -> log.info("thumbnails: ${text}") }
            }
        }
    }

  emit:
    stores
}
