"""The HTTP process: health, readiness and metrics of an installation; it never imports torch."""
