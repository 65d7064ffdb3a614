"""From queued frame chunks to embeddings, scores, segments and stored results."""
