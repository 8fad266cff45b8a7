"""Stores proved: names, sizes, hashes, and every piece decoded."""
