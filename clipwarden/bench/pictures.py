"""Pictures to embed: out of a video, or drawn as the clips are, each of another scene."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from clipwarden.bench.clips import ClipSpec, draw_scenes, padded
from clipwarden.errors import ProductError
from ingest.geometry import Geometry
from ingest.media.decoder import decode
from ingest.media.spec import SamplingSpec

Pixels = NDArray[np.uint8]

_CONTRASTS = (0.3, 1.6)
_BRIGHTNESS_LEVELS = 40.0
_TINT_LEVELS = 14.0
"""Standard deviations of exposure and white balance from scene to scene, of 255."""


def drawn_pictures(count: int, size_px: int, seed: int = 0) -> Pixels:
    """Draw uint8 `[count, size_px, size_px, 3]`, the same ones for a seed every time."""
    side = size_px + size_px % 2
    rng = np.random.default_rng(seed)
    pictures = []
    for planes in islice(draw_scenes(ClipSpec(side, side, 1.0), rng), count):
        lowest, highest = _CONTRASTS
        contrast = rng.uniform(lowest, highest)
        levels = (_BRIGHTNESS_LEVELS, _TINT_LEVELS, _TINT_LEVELS)
        exposed = [
            np.clip(128 + (plane - 128.0) * contrast + rng.normal(0, level), 0, 255)
            for plane, level in zip(planes, levels, strict=True)
        ]
        frame = VideoFrame(side, side, "yuv420p")
        for plane, values in zip(frame.planes, exposed, strict=True):
            plane.update(padded(values.astype(np.uint8), plane.line_size))
        pictures.append(frame.to_ndarray(format="rgb24")[:size_px, :size_px])
    return np.stack(pictures)


def sampled_pictures(path: Path, count: int, geometry: Geometry) -> Pixels:
    """Take that many pictures out of a video, evenly; raises MediaError, ProductError."""
    with av.open(str(path)) as container:
        seconds = (container.duration or 0) / av.time_base
    # A little more often, for the last instants may lie behind the last frame.
    rate = Fraction(count + 1) / Fraction(max(seconds, 1 / 60)).limit_denominator(1000)
    sampling = SamplingSpec("fps", min(Fraction(60), max(Fraction(1, 3600), rate)))
    with decode(path, sampling, geometry) as session:
        pictures = [picture for frame in session for picture in frame.pictures][:count]
    if len(pictures) < 2:
        raise ProductError(f"{path.name}: too short to compare with.", "Name a longer clip.")
    return np.stack(pictures)
