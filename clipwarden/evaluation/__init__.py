"""How good results are, measured against what people say is there."""
