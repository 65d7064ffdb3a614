"""Trained heads: a direction in a model's space, learnt from examples of one label."""
