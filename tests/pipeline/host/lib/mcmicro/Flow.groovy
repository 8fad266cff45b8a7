package mcmicro

/** Folder of what is said about a run. */
static def QC(project, name) {
    "${project}/qc/${name}".toString()
}

/** Positions of the first and the last step. */
static def flowSegment(wfp) {
    def steps = ['staging', 'raw', 'illumination', 'registration', 'background', 'dearray',
        'segmentation', 'watershed', 'quantification', 'downstream']
    def segment = [steps.indexOf(wfp['start-at']), steps.indexOf(wfp['stop-at'])]
    if( segment.min() < 0 ) throw new Exception("Unknown step ${wfp['start-at']} or ${wfp['stop-at']}")
    segment
}

/** Folders to be read, as true or false. */
static def precomputed(wfp) {
    def first = flowSegment(wfp)[0]
    [
        registration:   first > 5 && !wfp.tma && !wfp.background,
        background:     first > 5 && wfp.background,
        dearray:        first > 5 && wfp.tma,
        segmentation:   first == 8,
        quantification: first == 9
    ]
}

/** Whether a step is to be run. */
static def doirun(step, wfp) {
    def (idxStart, idxStop) = flowSegment(wfp)
    switch(step) {
        case 'segmentation':
            return(idxStart <= 6 && idxStop >= 6)
        case 'quantification':
            return(idxStart <= 8 && idxStop >= 8)
        case 'viz':
            return(wfp.viz)
        default:
            throw new Exception("Unknown step ${step}")
    }
}
