"""Frames are cut into chunks that stand by themselves, and none of them is too big."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.arrays import unpack_arrays
from ingest.chunks import CHUNK_FRAMES, CHUNK_PICTURES, FrameChunk, in_chunks
from ingest.geometry import MAX_TILES
from ingest.media.facts import SampledFrame

SIZE = 2


def frames(counts: Sequence[int]) -> list[SampledFrame]:
    """Frames of so many pictures each; every picture is filled with a number of its own."""
    made, number = [], 0
    for index, count in enumerate(counts):
        numbers = np.arange(number, number + count, dtype=np.uint64) % 251
        pictures = np.broadcast_to(
            numbers.astype(np.uint8)[:, None, None, None], (count, SIZE, SIZE, 3)
        )
        made.append(SampledFrame(index * 1000, pictures, b"jpeg"))
        number += count
    return made


def judged_by(chunks: Sequence[FrameChunk]) -> list[list[int]]:
    """The numbers of the pictures that each frame is judged by, as an embedder reads them."""
    found = []
    for chunk in chunks:
        arrays = unpack_arrays(chunk.packed_pixels())
        for first, count in zip(arrays["first"], arrays["count"], strict=True):
            found.append(arrays["pixels"][first : first + count, 0, 0, 0].tolist())
    return found


def cut(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Frames and pictures of each chunk."""
    return [(len(one.frames), len(one.pictures)) for one in in_chunks(frames(counts))]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([1], [(1, 1)]),
        ([1] * 64, [(64, 64)]),
        ([1] * 65, [(64, 64), (1, 1)]),
        ([3] * 22, [(21, 63), (1, 3)]),
        ([8] * 9, [(8, 64), (1, 8)]),
        ([1] + [0] * 63, [(64, 1)]),
        ([1] + [0] * 64, [(64, 1), (1, 1)]),
        ([3] + [0] * 64 + [3], [(64, 3), (2, 6)]),
        ([3] * 21 + [0] * 3 + [3], [(24, 63), (1, 3)]),
    ],
)
def test_a_chunk_has_a_bounded_number_of_frames_and_of_pictures(
    counts: list[int], expected: list[tuple[int, int]]
) -> None:
    assert cut(counts) == expected


def test_a_frame_of_more_pictures_than_fit_has_a_chunk_of_its_own() -> None:
    assert cut([1, CHUNK_PICTURES + 1, 1]) == [(1, 1), (1, CHUNK_PICTURES + 1), (1, 1)]


def test_a_still_that_goes_on_in_the_next_chunk_takes_its_pictures_along() -> None:
    first, second, third = in_chunks(frames([2] + [0] * 130))
    assert judged_by([first, second, third]) == [[0, 1]] * 131
    assert [one.pictured for one in (first, second, third)] == [1, 0, 0]
    assert [len(one.pictures) for one in (first, second, third)] == [2, 2, 2]


def test_a_chunk_that_begins_with_a_picture_takes_no_other_along() -> None:
    first, second = in_chunks(frames([2] + [0] * 63 + [2, 0]))
    assert judged_by([second]) == [[2, 3]] * 2
    assert (first.pictured, second.pictured, len(second.pictures)) == (1, 1, 2)


def test_a_full_chunk_is_there_before_the_next_frame_is() -> None:
    def endless() -> Iterator[SampledFrame]:
        yield from frames([1] * CHUNK_FRAMES)
        raise AssertionError("nobody may wait for this one")

    assert len(next(in_chunks(endless())).frames) == CHUNK_FRAMES


def test_arrays_are_stored_in_their_types() -> None:
    [chunk] = in_chunks(frames([3, 0, 2]))
    arrays = unpack_arrays(chunk.packed_pixels())
    assert {name: array.dtype for name, array in arrays.items()} == {
        "pts_us": np.int64,
        "first": np.int32,
        "count": np.int32,
        "pixels": np.uint8,
    }
    assert arrays["pts_us"].tolist() == [0, 1000, 2000]
    assert arrays["first"].tolist() == [0, 0, 3]
    assert arrays["count"].tolist() == [3, 3, 2]
    assert arrays["pixels"].shape == (5, SIZE, SIZE, 3)


@given(st.integers(1, MAX_TILES), st.lists(st.integers(0, MAX_TILES), max_size=300))
def test_every_frame_is_judged_by_its_own_pictures_or_by_the_last_ones(
    first: int, others: list[int]
) -> None:
    counts = [first, *others]
    expected: list[list[int]] = []
    number = 0
    for count in counts:
        own = [place % 251 for place in range(number, number + count)]
        expected.append(own or expected[-1])
        number += count
    chunks = list(in_chunks(frames(counts)))
    assert judged_by(chunks) == expected
    assert sum(chunk.pictured for chunk in chunks) == sum(count > 0 for count in counts)
    assert [f.pts_us for chunk in chunks for f in chunk.frames] == [
        index * 1000 for index in range(len(counts))
    ]
    for chunk in chunks:
        assert 1 <= len(chunk.frames) <= CHUNK_FRAMES
        assert len(chunk.pictures) <= CHUNK_PICTURES
    again = in_chunks(frames(counts))
    assert [one.packed_pixels() for one in again] == [one.packed_pixels() for one in chunks]
