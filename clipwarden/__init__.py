"""Clipwarden: the assembled product (settings, command line, supervisor, reports)."""

__version__ = "0.1.0"
