// A pipeline that gives the step of bin/mcmicro-step what MCMICRO gives it, and does little else.
// It has its own text, except for the lines that the step is put behind.
import mcmicro.*

mcp = Opts.parseParams(params, "$projectDir/config/schema.yml", "$projectDir/config/defaults.yml")
wfp = mcp.workflow
pre = Flow.precomputed(wfp)

// Files of a folder of the project, where the first step wants them
find = { folder, pattern -> pre[folder] ?
    Channel.fromPath("${params.in}/$folder/$pattern")
        .ifEmpty{ error "${params.in}/$folder: nothing found" } :
    Channel.empty() }

include {segmentation; quantification; downstream} from "$projectDir/modules/steps"
include {viz}            from "$projectDir/modules/viz"

workflow {
    chMrk = wfp.background ? find('background', '*.csv') : Channel.fromPath("${params.in}/markers.csv")
    allimg = find('registration', '*.{ome.tiff,ome.tif,tif,tiff,btf,qptiff}')
        .mix(find('background', '*.ome.tif'), find('dearray', '*.tif'))
    segmentation(mcp, allimg)
    segMsk = segmentation.out
        .mix(find('segmentation', '**.tif').map{ f -> tuple(f.parent.name, f) }.groupTuple())
    quantification(mcp, allimg, segMsk, chMrk)
    sft = quantification.out.mix(find('quantification', '*.csv'))
    downstream(mcp, sft)

    viz(mcp, allimg, chMrk)
}
