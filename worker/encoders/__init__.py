"""The encoders. This sub-package alone imports torch; only the embedding process imports it."""
