"""Static batch sizes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from worker.encoders.buckets import filled_up, plan, static_sizes


@pytest.mark.parametrize("batch_size", range(1, 65))
def test_there_are_at_most_four_sizes_and_the_largest_is_the_one_asked_for(batch_size: int) -> None:
    sizes = static_sizes(batch_size)
    assert 1 <= len(sizes) <= 4
    assert sizes[-1] == batch_size
    assert list(sizes) == sorted(set(sizes))
    assert all(larger <= 4 * smaller for smaller, larger in pairwise(sizes))


@pytest.mark.parametrize("batch_size", [1, 7, 8, 16, 64])
def test_every_count_is_covered_in_as_few_batches_as_can_be(batch_size: int) -> None:
    sizes = static_sizes(batch_size)
    for count in range(130):
        batches = plan(count, sizes)
        assert len(batches) == math.ceil(count / batch_size)
        assert set(batches) <= set(sizes)
        assert set(batches[:-1]) <= {batch_size}
        assert count <= sum(batches) <= count + batch_size


def test_a_rest_takes_the_smallest_size_that_holds_it() -> None:
    assert static_sizes(64) == (1, 4, 16, 64)
    assert plan(64 + 3, (1, 4, 16, 64)) == [64, 4]
    assert plan(64 + 5, (1, 4, 16, 64)) == [64, 16]
    assert plan(1, (1, 4, 16, 64)) == [1]


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        static_sizes(0)


def test_empty_places_are_black_and_the_rest_is_a_copy() -> None:
    pixels = np.full((2, 3, 3, 3), 7, np.uint8)
    filled = filled_up(pixels, 4)
    filled[0] = 9
    assert pixels.min() == 7
    assert filled.shape == (4, 3, 3, 3)
    assert (filled[1] == 7).all()
    assert not filled[2:].any()
