"""Stores compared with their sources: cut again by the engine, and compared bit by bit."""
