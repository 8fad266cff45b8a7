"""Stores read back: any cells, in any order, of one slide or of several."""
