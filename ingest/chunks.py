"""Sampled frames in runs that are stored, queued and embedded as one; each stands by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.arrays import pack_arrays
from ingest.media.facts import SampledFrame

# About 10 MB of pixels at 224 px: seconds of work for an embedder, so that little is repeated
# when one dies. Part of what a chunk number means: whoever changes one of the two raises
# FRAMES_VERSION, for a work that was begun with other values can't be continued.
CHUNK_FRAMES = 64
CHUNK_PICTURES = 64

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FrameChunk:
    """A run of frames and the pictures they are judged by.

    `pictures` is uint8 `[m, size, size, 3]`; frame i is judged by `count[i]` of them from
    `first[i]` on, both int32 `[n]`. Where the first frames look like one of an earlier chunk, its
    pictures are here again, at the beginning.
    """

    frames: tuple[SampledFrame, ...]
    pictures: Pictures
    first: NDArray[np.int32]
    count: NDArray[np.int32]

    @classmethod
    def of(cls, frames: Sequence[SampledFrame], borrowed: Sequence[Pictures]) -> FrameChunk:
        """Lay the frames' pictures out after those that are borrowed from an earlier chunk."""
        first, count = 0, sum(map(len, borrowed))
        ranges = []
        for frame in frames:
            if len(frame.pictures):
                first, count = first + count, len(frame.pictures)
            ranges.append((first, count))
        firsts, counts = np.array(ranges, np.int32).T
        pictures = np.concatenate([*borrowed, *(frame.pictures for frame in frames)])
        return cls(tuple(frames), pictures, firsts, counts)

    @property
    def pictured(self) -> int:
        """How many of the frames came with pictures of their own."""
        return sum(len(frame.pictures) > 0 for frame in self.frames)

    def packed_pixels(self) -> bytes:
        """The bytes that are stored for the embedder: the same frames give the same bytes."""
        return pack_arrays(
            pts_us=np.array([frame.pts_us for frame in self.frames], np.int64),
            first=self.first,
            count=self.count,
            pixels=self.pictures,
        )


def in_chunks(frames: Iterable[SampledFrame]) -> Iterator[FrameChunk]:
    """Cut frames into chunks of at most CHUNK_FRAMES frames and CHUNK_PICTURES pictures.

    A frame of more pictures has a chunk of its own. The first frame of all must have some.
    """
    chunk: list[SampledFrame] = []
    borrowed: list[Pictures] = []
    last: Pictures | None = None
    pictures = 0
    for frame in frames:
        if chunk and pictures + len(frame.pictures) > CHUNK_PICTURES:
            yield FrameChunk.of(chunk, borrowed)
            chunk = []
        if not chunk:
            borrowed = [] if last is None or len(frame.pictures) else [last]
            pictures = sum(map(len, borrowed))
        chunk.append(frame)
        pictures += len(frame.pictures)
        last = frame.pictures if len(frame.pictures) else last
        # At once, not when the next comes: that may take as long as the film has stills.
        if len(chunk) == CHUNK_FRAMES or pictures >= CHUNK_PICTURES:
            yield FrameChunk.of(chunk, borrowed)
            chunk = []
    if chunk:
        yield FrameChunk.of(chunk, borrowed)
