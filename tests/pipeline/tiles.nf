include { CUT_TILES } from '../../modules/cut_tiles'

workflow {
    CUT_TILES(channel.of([[id: 'grid'], file(params.image), []]), 16)
    CUT_TILES.out.tiles.view { meta, tiles -> "TILES ${meta.id} ${tiles}" }
}
