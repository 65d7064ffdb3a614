"""`clipwarden embed`: pictures or texts in, a file of vectors out; without queue and stores."""
