#!/usr/bin/env nextflow
// Cut thumbnails of the cells of a MCMICRO project, or of the samples of a samplesheet.

include { CUT_CELLS } from './modules/cut_cells'

workflow {
    if( params.help ) {
        println(Run.help(projectDir))
        return
    }
    def found = null
    try {
        Run.check(params, projectDir)
        found = Run.samples(params) { name -> file(name, glob: false) }
    }
    catch( IllegalArgumentException problem ) {
        error(problem.message)
    }
    log.info(Run.pairing(found))
    if( params.dry_run.toString() == 'true' ) {
        return
    }

    def samples = channel.fromList(found.samples).map { sample ->
        tuple([id: sample.id, options: sample.options], sample.image, sample.mask, sample.table, sample.markers ?: [])
    }
    CUT_CELLS(samples)

    CUT_CELLS.out.versions_cellcutter
        .map { process, tool, version -> "${process.tokenize(':').last()}:\n  ${tool}: ${version}\n" }
        .unique()
        .collectFile(name: 'versions.yml', storeDir: params.reports)
    def done = Collections.synchronizedList([])
    CUT_CELLS.out.thumbnails.subscribe { meta, _stores -> done.add(meta.id) }

    def trace = file("${params.reports}/trace.txt")
    workflow.onComplete {
        log.info(Run.summary(found, done, trace))
    }
}
