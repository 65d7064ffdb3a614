"""The stored scores of one result: every frame's, and what its segments rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from prompts.compiling import Compared
from prompts.scoring import nearest
from worker.scored import ScoredWork

NO_PROMPT = -1


@dataclass(frozen=True, eq=False)
class Grounds:
    """The frames of a result's segments, one row for each frame of each segment, in their order.

    `segment` is the segment's number in the result; `frame` the frame's among those sampled;
    `picture` the row of its vector among all of the work, or of its classifier's score; `positive`
    and `contrast` are rows of the compiled set's matrix, or `NO_PROMPT`.
    """

    segment: NDArray[np.int64]
    frame: NDArray[np.int64]
    picture: NDArray[np.int64]
    positive: NDArray[np.int64]
    contrast: NDArray[np.int64]


def grounds_of(scored: ScoredWork) -> Grounds:
    """Find for each frame of each segment which picture and which prompts decided."""
    parts: list[NDArray[np.int64]] = []
    columns = {label.id: column for column, label in enumerate(scored.labels)}
    for number, (label, segment) in enumerate(scored.segments):
        column, frames = columns[label.id], segment.members
        pictures = scored.scores.pictures[frames, column]
        positive = contrast = np.full(len(frames), NO_PROMPT)
        if isinstance(scored.compiled.columns[column], Compared):
            floor = scored.card.score_scale.floor
            found = nearest(scored.frames.vectors[pictures], scored.compiled, column, floor)
            positive, contrast = found.positives, found.contrasts
        parts.append(np.stack([np.full(len(frames), number), frames, pictures, positive, contrast]))
    table = np.concatenate(parts, axis=1) if parts else np.empty((5, 0), np.int64)
    return Grounds(*table.astype(np.int64))


def pack_scores(scored: ScoredWork) -> bytes:
    """Return a result's scores as a blob's content; the same for the same result."""
    grounds, frames = grounds_of(scored), scored.frames
    blobs = {"vector": frames.vector_blobs, **frames.score_blobs}
    refs = [(kind, ref.key, ref.sha256) for kind, kept in sorted(blobs.items()) for ref in kept]
    return pack_arrays(
        pts_us=frames.shown_us,
        confidences=scored.scores.confidences,
        margins=scored.scores.margins,
        ground_segment=grounds.segment,
        ground_frame=grounds.frame,
        ground_picture=grounds.picture,
        ground_positive=grounds.positive,
        ground_contrast=grounds.contrast,
        pictures_of_chunk=np.array(frames.pictures_of_chunk, np.int64),
        blobs=np.array(refs, np.str_).reshape(-1, 3),
    )


@dataclass(frozen=True, eq=False)
class StoredScores:
    """What `pack_scores` kept. `grounds` is None in results of earlier releases.

    `blobs` are the chunks' blobs by kind: "vector", or a classifier's name.
    """

    times_us: NDArray[np.int64]
    confidences: NDArray[np.float32]
    margins: NDArray[np.float32] | None
    grounds: Grounds | None
    pictures_of_chunk: NDArray[np.int64]
    blobs: dict[str, tuple[BlobRef, ...]]

    @classmethod
    def unpack(cls, content: bytes) -> StoredScores:
        """Read a blob's content; raises BlobCorrupt."""
        arrays = unpack_arrays(content)
        if "ground_segment" not in arrays:
            nothing = np.empty(0, np.int64)
            return cls(arrays["pts_us"], arrays["confidences"], None, None, nothing, {})
        blobs: dict[str, tuple[BlobRef, ...]] = {}
        for kind, key, sha256 in arrays["blobs"].tolist():
            blobs[kind] = (*blobs.get(kind, ()), BlobRef(key, sha256))
        return cls(
            times_us=arrays["pts_us"],
            confidences=arrays["confidences"],
            margins=arrays["margins"],
            grounds=Grounds(
                segment=arrays["ground_segment"],
                frame=arrays["ground_frame"],
                picture=arrays["ground_picture"],
                positive=arrays["ground_positive"],
                contrast=arrays["ground_contrast"],
            ),
            pictures_of_chunk=arrays["pictures_of_chunk"],
            blobs=blobs,
        )

    def place_of(self, picture: int) -> tuple[int, int]:
        """The number of the chunk's blob that holds a picture's row, and the row in it."""
        ends = np.cumsum(self.pictures_of_chunk)
        chunk = int(np.searchsorted(ends, picture, side="right"))
        return chunk, int(picture - (ends[chunk - 1] if chunk else 0))
