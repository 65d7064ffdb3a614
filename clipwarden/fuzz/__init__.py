"""Fuzzing of the media intake: files nobody would make, through the way that samplers use."""
