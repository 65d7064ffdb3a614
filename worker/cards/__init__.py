"""What can be known of a machine's cards without taking one, and without importing torch."""
