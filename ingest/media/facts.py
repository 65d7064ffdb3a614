"""What the decoding of one video gives: facts first, then frames, then a summary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VideoFacts:
    """What is known once the first frame is decoded.

    `width` and `height` are in pixels as displayed, after rotation and with square pixels.
    The estimates come from the container's header, which may lie: good for progress bars only,
    and None where the header says nothing. `frame_rate` is the header's word, too: the average
    in frames per second as a fraction such as `30000/1001`, None for stills.
    """

    width: int
    height: int
    codec: str
    container: str
    estimated_duration_us: int | None
    estimated_frames: int | None
    frame_rate: str | None = None


@dataclass(frozen=True, eq=False)
class SampledFrame:
    """One frame: `pts_us` counts from the first shown frame.

    `pictures` is uint8 `[n, size, size, 3]` RGB, read-only: one square, or the tiles of one frame
    from one end to the other. None of them (n = 0) says that the frame looks like the last one
    that came with pictures. `thumbnail_jpeg` is the whole displayed picture, 320 px wide.
    """

    pts_us: int
    pictures: NDArray[np.uint8]
    thumbnail_jpeg: bytes


@dataclass(frozen=True)
class DecodeSummary:
    """What is known at the end.

    `duration_us` is measured: from the first shown frame to the end of the last one's showing.
    `decode_wall_s` leaves out the time spent waiting for whoever takes the frames. `partial`
    says that pictures are missing; `warnings`, each "code: sentence", say which. `cuts_us` is
    where shots begin, without the first; empty where the sampling looks for none.
    """

    duration_us: int
    frames_shown: int
    frames_sampled: int
    decode_cpu_s: float
    decode_wall_s: float
    partial: bool
    warnings: tuple[str, ...]
    cuts_us: tuple[int, ...] = ()
