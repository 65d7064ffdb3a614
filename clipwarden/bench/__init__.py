"""Benchmarks: what is measured is a ratio within one run, never a bound in a test."""
