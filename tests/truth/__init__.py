"""Tests of truth files."""
