"""What is known of cards without taking one."""
