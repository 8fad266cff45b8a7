"""TIFF files as (C, Y, X): which images a file has, where their planes lie, and decoding them.

The only rooms that know tifffile.
"""
