"""A trial by fire: a whole installation is disturbed on purpose, and must lose nothing."""
