"""Heads that are trained on examples."""
