"""Stores into models."""
