import mcmicro.*

process segment {
    container "${params.contPfx}${module.container}:${module.version}"
    publishDir "${params.in}/segmentation/${module.name}-${id}", mode: "${params.publish_dir_mode}"

  input:
    val mcp
    tuple val(module), val(id), path(image)

  output:
    tuple val("${module.name}-${id}"), path('*.tif')

  when: Flow.doirun('segmentation', mcp.workflow)

  script:
    "${module.cmd} ${image}"
}

process mcquant {
    container "${params.contPfx}${module.container}:${module.version}"
    publishDir "${params.in}/quantification", mode: "${params.publish_dir_mode}"

  input:
    val mcp
    val module
    tuple val(name), path("${name}"), path(masks), path(markers)

  output:
    path '*.csv'

  when: Flow.doirun('quantification', mcp.workflow)

  script:
    "mcquant --image ${name} ${mcp.options.mcquant} --output . --channel_names ${markers}"
}

workflow segmentation {
  take:
    mcp
    imgs

  main:
    segment(mcp, channel.fromList(mcp.modules.segmentation)
        .combine(imgs.map{ f -> tuple(Util.getImageID(f), f) }))

  emit:
    segment.out
}

workflow quantification {
  take:
    mcp
    imgs
    segmasks
    markers

  main:
    mcquant(mcp, mcp.modules.quantification, segmasks
        .map{ tag, masks -> tuple(tag.split('-', 2)[1], tag.split('-', 2)[0], masks) }
        .combine(imgs.map{ f -> tuple(Util.getImageID(f), f) }, by: 0)
        .map{ id, method, masks, image -> tuple("${id}--${method}.ome.tif", image, masks) }
        .combine(markers))

  emit:
    mcquant.out.flatten()
}

// The last step has nothing to do here
workflow downstream {
  take:
    mcp
    tables

  main:
    done = tables.filter{ mcp.workflow['stop-at'] == 'downstream' }

  emit:
    done
}
