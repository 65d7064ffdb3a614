"""Stand-ins for what no test machine has; each says fake, and is taken by nobody on its own."""
