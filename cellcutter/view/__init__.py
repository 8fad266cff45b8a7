"""Stores into pictures and pages: the command ``cellcutter gallery``."""
