"""The queue: job payloads, the allow-listed job class, the joining gate, the pinned worker."""
