"""Cut a thumbnail of every cell out of a multiplexed tissue image into one Zarr array."""
