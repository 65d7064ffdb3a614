"""How margins become confidences that mean something, and thresholds that keep a promise."""
