"""Everywire: one channel on every wire."""

__version__ = "0.1.0"
