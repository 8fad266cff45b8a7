"""Pixels in: images of any format as (C, Y, X) in blocks."""
