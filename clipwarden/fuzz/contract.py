"""What decoding promises of any file whatever; checked on everything it gives."""

from __future__ import annotations

import re

from ingest.errors import MediaError
from ingest.geometry import MAX_TILES, Geometry
from ingest.media.facts import DecodeSummary, SampledFrame, VideoFacts
from ingest.media.spec import SamplingSpec

_JPEG_START = b"\xff\xd8"
_WARNING = re.compile(r"[a-z_]+(\.[a-z_]+)+: \S.*")
_MAX_WORDS = 2000
_STRATEGIES_WITH_CUTS = {"shots"}


class Contract:
    """Takes in one decoding and collects what is wrong with it, each kind once."""

    def __init__(self, sampling: SamplingSpec, geometry: Geometry) -> None:
        self.faults: list[str] = []
        self.frames = 0
        self._sampling = sampling
        self._geometry = geometry
        self._last_us = -1

    def take_facts(self, facts: VideoFacts) -> None:
        """Check what is said before the first frame."""
        self._expect(facts.width > 0 and facts.height > 0, "a picture without size")
        self._expect(bool(facts.codec and facts.container), "no codec or no container")

    def take_frame(self, frame: SampledFrame) -> None:
        """Check one frame and its place after the one before."""
        size, shape = self._geometry.size_px, frame.pictures.shape
        most = MAX_TILES if self._geometry.crop == "tiles" else 1
        least = 0 if self._sampling.strategy == "adaptive" and self.frames else 1
        # A shot is shown by its middle; every other strategy takes the first frame.
        if self.frames == 0 and self._sampling.strategy != "shots":
            self._expect(frame.pts_us == 0, f"the first frame is at {frame.pts_us} us")
        self._expect(frame.pts_us > self._last_us, "a frame is not after the one before")
        self._expect(shape[1:] == (size, size, 3), f"pictures of shape {shape}")
        self._expect(least <= shape[0] <= most, f"{shape[0]} pictures of one frame")
        self._expect(frame.thumbnail_jpeg.startswith(_JPEG_START), "a thumbnail that is no JPEG")
        self._last_us = frame.pts_us
        self.frames += 1

    def take_summary(self, summary: DecodeSummary) -> None:
        """Check the end against the frames that came before it."""
        frames, cuts = self.frames, summary.cuts_us
        self._expect(frames > 0, "a summary without a frame")
        self._expect(
            summary.frames_sampled == frames,
            f"{summary.frames_sampled} frames are counted, {frames} came",
        )
        self._expect(
            summary.frames_shown >= frames,
            f"{summary.frames_shown} frames are shown, {frames} came",
        )
        self._expect(
            summary.duration_us >= self._last_us,
            f"a duration of {summary.duration_us} us, a frame at {self._last_us} us",
        )
        self._expect(not summary.partial or bool(summary.warnings), "partial without a warning")
        self._expect(all(map(_WARNING.fullmatch, summary.warnings)), "a warning without a code")
        self._expect(
            not cuts or self._sampling.strategy in _STRATEGIES_WITH_CUTS, "cuts nobody asked for"
        )
        rising = all(early < late for early, late in zip((0, *cuts), cuts, strict=False))
        self._expect(rising, "cuts that don't rise from 0")
        self._expect(not cuts or cuts[-1] <= summary.duration_us, "a cut after the end")

    def take_error(self, error: MediaError, hidden: str | None) -> None:
        """Check that an error is one of the named ones, fit to be shown, and keeps a secret."""
        words = f"{error.message} {error.cure}"
        self._expect(error.code != MediaError.code, "an error without a code of its own")
        self._expect(bool(error.message and error.cure), "an error without message or cure")
        self._expect(words.isprintable() and len(words) < _MAX_WORDS, "words unfit to be shown")
        told = hidden is not None and hidden in words
        self._expect(not told, "an error that tells where the file is stored")

    def _expect(self, holds: bool, fault: str) -> None:
        if not holds and fault not in self.faults:
            self.faults.append(fault)
