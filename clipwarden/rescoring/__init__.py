"""Scoring stored embeddings anew, and comparing the versions of results that this makes."""
