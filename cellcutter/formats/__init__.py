"""Stores into other layouts, and into other people's formats; slides are not needed for it."""
