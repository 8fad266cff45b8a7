"""Whole or not at all: how results get their names, and what becomes of what is interrupted."""
