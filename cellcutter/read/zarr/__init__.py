"""OME-Zarr images and Zarr arrays as (C, Y, X), each chunk decoded within bounds."""
