"""Decoding and sampling of untrusted video, in a process of its own.

The way from a file to frames, as a caller sees it:

    check_input(path)                                      # ingest.media.check
    sampling = SamplingSpec.parse("fps:2")                 # ingest.media.spec
    with decode(path, sampling, geometry) as session:      # ingest.media.decoder
        session.facts           # VideoFacts: displayed size, codec, estimated_frames
        for frame in session:   # SampledFrame: pts_us, pictures [n, size, size, 3]
            ...
        session.summary         # DecodeSummary: duration_us, cuts_us, partial, warnings, ..

`decode` starts `python -P -m ingest.media.child`; leaving the `with` block, however it is left,
ends that process. Errors are the MediaError subclasses of `ingest.errors`. This module imports
nothing, so that the decoding process stays small.
"""
