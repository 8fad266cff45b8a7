#!/usr/bin/env nextflow
// Cut thumbnails of the cells of a MCMICRO project, or of the samples of a samplesheet.

include { CUT_CELLS } from './modules/cut_cells'
include { GALLERY } from './modules/gallery'

workflow {
    if( params.help ) {
        println(Run.help(projectDir))
        return
    }
    def found = null
    def places = null
    try {
        Run.check(params, projectDir)
        places = [outdir: file(params.outdir), reports: file(params.reports), trace: file("${params.reports}/trace.txt"),
                  assets: projectDir.resolve('cellcutter/view/assets'), nextflow: workflow.nextflow.version.toString()]
        found = Run.samples(params) { name -> file(name, glob: false) }
        Run.checkWork(workflow.workDir)
        Run.checkInputs(found.samples, places.outdir)
    }
    catch( IllegalArgumentException problem ) {
        error(problem.message + Published.locale([problem.message]))
    }
    log.info(Run.pairing(found))
    if( params.dry_run.toString() == 'true' ) {
        return
    }
    // What is moved away cannot be looked at any more
    def looks = params.gallery.toString() == 'true' && params.publish_dir_mode != 'move'
    try {
        Run.checkWritable(places.outdir, '--outdir')
        Run.checkWritable(places.reports, '--reports')
        Run.checkTaken(places.outdir, found.samples*.id, looks)
    }
    catch( IllegalArgumentException problem ) {
        error(problem.message + Published.locale([problem.message]))
    }

    def samples = channel.fromList(found.samples).map { sample ->
        tuple([id: sample.id, options: sample.options], sample.image, sample.mask, sample.table, sample.markers ?: [])
    }
    CUT_CELLS(samples)

    def told = looks ? [about: Collections.synchronizedMap([:]), pages: Collections.synchronizedMap([:])] : null
    def versions = CUT_CELLS.out.versions_cellcutter
    if( looks ) {
        GALLERY(CUT_CELLS.out.thumbnails)
        GALLERY.out.about.subscribe { meta, about, multiqc, problem -> told.about[meta.id] = [about: about, multiqc: multiqc, problem: problem] }
        GALLERY.out.gallery.subscribe { meta, page -> told.pages[meta.id] = page }
        versions = versions.mix(GALLERY.out.versions_cellcutter)
    }

    versions
        .map { process, tool, version -> "${process.tokenize(':').last()}:\n  ${tool}: ${version}\n" }
        .unique()
        .collectFile(name: 'versions.yml', storeDir: params.reports)
    def made = Collections.synchronizedMap([:])
    CUT_CELLS.out.made.subscribe { meta, list -> made[meta.id] = Published.made(list) }
    def cells = Collections.synchronizedMap([:])
    CUT_CELLS.out.cells.subscribe { meta, list -> cells[meta.id] = list }

    // A completion handler sees local variables only
    def flow = workflow
    def when = workflow.start.format('yyyyMMdd-HHmmss')
    def hashes = params.check_hashes.toString() == 'true'
    workflow.onComplete {
        log.info(Run.finish(found, made, cells, told, places, when, flow.errorReport, hashes))
    }
}
