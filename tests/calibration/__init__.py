"""Links, thresholds and what is stored of them."""
