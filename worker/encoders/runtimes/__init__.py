"""Where an image tower runs: one module per kind of device."""
