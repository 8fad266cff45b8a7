"""Faults of the publication, injected and counted: ``python -m tests.faults.campaign --help``."""
