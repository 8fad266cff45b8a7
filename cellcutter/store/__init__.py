"""Thumbnails on disk: layout, codecs, writing, description, publishing."""
