#!/usr/bin/env nextflow
// Cut thumbnails of the cells of a MCMICRO project, or of the samples of a samplesheet.

nextflow.preview.topic = true

include { CUT_CELLS } from './modules/cut_cells'

workflow {
    if( params.help ) {
        log.info(Run.help(projectDir))
        return
    }
    found = null
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

    options = Run.options(params) { name -> file(name, glob: false) }
    samples = channel.fromList(found.samples).map { sample ->
        def meta = [id: sample.id, options: options + (sample.options ? [sample.options] : [])]
        tuple(meta, sample.image, sample.mask, sample.table, sample.markers ?: [])
    }
    CUT_CELLS(samples)

    channel.topic('versions')
        .map { process, tool, version -> "${process.tokenize(':').last()}:\n  ${tool}: ${version}\n" }
        .unique()
        .collectFile(name: 'versions.yml', storeDir: params.reports)
    done = Collections.synchronizedList([])
    CUT_CELLS.out.thumbnails.subscribe { meta, _stores -> done.add(meta.id) }

    workflow.onComplete {
        log.info(Run.summary(found.samples*.id, done, found, file("${params.reports}/trace.txt")))
    }
}
