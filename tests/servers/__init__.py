"""Real servers for tests: PostgreSQL, and an S3-compatible object store."""
