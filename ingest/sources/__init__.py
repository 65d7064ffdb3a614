"""Where videos come from: named by a user, found in folders, fetched from elsewhere.

The way from a text to a file, as a caller sees it:

    source = parse_source("https://example.org/clip.mp4")   # ingest.sources.naming
    with fetched(source, FetchLimits()) as path:            # ingest.sources.fetching
        check_not_live(path, source.shown)                  # ingest.sources.playlists

Folders are listed by `ingest.sources.folders` and watched by `ingest.sources.watching`. Errors
are the SourceError subclasses of `ingest.errors`, and TooManyBytes.
"""
