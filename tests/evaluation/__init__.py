"""Tests of measuring results against truth."""
