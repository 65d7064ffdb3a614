"""Sampled frames made by hand, handed to the sampling job as the decoder hands over its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import ingest.sampling
from ingest.geometry import Geometry
from ingest.media.facts import DecodeSummary, SampledFrame, VideoFacts
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from tests.worker.fake_encoder import COLOURS

STEP_MS = 100


class SessionByHand:
    """What a decoding session gives, for frames a step apart; each is the names of its pictures."""

    def __init__(
        self, frames: Sequence[Sequence[str]], cuts_ms: Sequence[int], size_px: int
    ) -> None:
        self._frames = frames
        self._size_px = size_px
        self.facts = VideoFacts(64, 48, "h264", "mp4", None, None)
        self.summary = DecodeSummary(
            duration_us=len(frames) * STEP_MS * 1000,
            frames_shown=len(frames),
            frames_sampled=len(frames),
            decode_cpu_s=0.0,
            decode_wall_s=0.0,
            partial=False,
            warnings=(),
            cuts_us=tuple(cut_ms * 1000 for cut_ms in cuts_ms),
        )

    def __iter__(self) -> Iterator[SampledFrame]:
        for index, names in enumerate(self._frames):
            pictures = np.zeros((len(names), self._size_px, self._size_px, 3), np.uint8)
            for picture, name in zip(pictures, names, strict=True):
                picture[:] = COLOURS[name]
            yield SampledFrame(index * STEP_MS * 1000, pictures, f"jpeg {index}".encode())


class DecoderByHand:
    """Stands where the decoder stands; `limits` is what it was bounded by last."""

    def __init__(self, frames: Sequence[Sequence[str]], cuts_ms: Sequence[int]) -> None:
        self._frames = frames
        self._cuts_ms = cuts_ms
        self.limits: DecodeLimits | None = None

    @contextmanager
    def decode(
        self,
        _path: Path,
        _sampling: SamplingSpec,
        geometry: Geometry,
        *,
        source: str,
        limits: DecodeLimits,
    ) -> Iterator[SessionByHand]:
        """Give the frames, whatever the file is."""
        assert source
        self.limits = limits
        yield SessionByHand(self._frames, self._cuts_ms, geometry.size_px)


def decode_by_hand(
    monkeypatch: pytest.MonkeyPatch, frames: Sequence[Sequence[str]], cuts_ms: Sequence[int] = ()
) -> DecoderByHand:
    """Let every file have these frames and these cuts."""
    decoder = DecoderByHand(frames, cuts_ms)
    monkeypatch.setattr(ingest.sampling, "decode", decoder.decode)
    return decoder
