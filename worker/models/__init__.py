"""Which model: cards, keys and weights on disk, known without importing torch."""
