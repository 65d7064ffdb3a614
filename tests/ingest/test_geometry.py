"""Boxes and sizes of the squares that encoders get."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.geometry import CROPS, MAX_TILES, Crop, Geometry

sides = st.integers(1, 20_000)
sizes_px = st.integers(1, 1024)


@pytest.mark.parametrize(
    ("width", "height", "tiles"),
    [
        (1080, 1080, 1),
        (1440, 1080, 2),
        (1920, 1080, 3),
        (1080, 1920, 3),
        (2390, 1000, 4),
        (4500, 1000, MAX_TILES),
        (60_000, 2, MAX_TILES),
    ],
)
def test_tiles_are_as_many_as_the_aspect_asks_for(width: int, height: int, tiles: int) -> None:
    geometry = Geometry("tiles", 224)
    assert len(geometry.squares_in(*geometry.scaled_size(width, height))) == tiles


def test_tiles_of_a_wide_picture_run_from_left_to_right() -> None:
    boxes = Geometry("tiles", 224).squares_in(398, 224)
    assert boxes == [(0, 0, 224, 224), (87, 0, 311, 224), (174, 0, 398, 224)]


def test_tiles_of_a_tall_picture_run_from_top_to_bottom() -> None:
    boxes = Geometry("tiles", 224).squares_in(224, 398)
    assert boxes == [(0, 0, 224, 224), (0, 87, 224, 311), (0, 174, 224, 398)]


@given(width=sides, height=sides, size_px=sizes_px)
def test_every_point_of_the_picture_is_in_a_tile(width: int, height: int, size_px: int) -> None:
    geometry = Geometry("tiles", size_px)
    scaled_width, scaled_height = geometry.scaled_size(width, height)
    boxes = geometry.squares_in(scaled_width, scaled_height)
    assert 1 <= len(boxes) <= MAX_TILES
    assert boxes == sorted(boxes)
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][2:] == (scaled_width, scaled_height)
    for earlier, later in pairwise(boxes):
        assert later[0] <= earlier[2]
        assert later[1] <= earlier[3]


@given(width=sides, height=sides, size_px=st.integers(2, 1024))
def test_neighbouring_tiles_overlap_by_half_where_there_may_be_enough_of_them(
    width: int, height: int, size_px: int
) -> None:
    geometry = Geometry("tiles", size_px)
    boxes = geometry.squares_in(*geometry.scaled_size(width, height))
    if len(boxes) == MAX_TILES:
        return
    for earlier, later in pairwise(boxes):
        step = (later[0] - earlier[0]) + (later[1] - earlier[1])
        assert step <= (size_px + 1) // 2


@given(width=sides, height=sides, size_px=sizes_px, crop=st.sampled_from(CROPS))
def test_squares_are_squares_and_lie_in_the_picture(
    width: int, height: int, size_px: int, crop: Crop
) -> None:
    geometry = Geometry("centre", size_px).with_crop(crop)
    scaled = geometry.scaled_size(width, height)
    for left, top, right, bottom in geometry.squares_in(*scaled):
        assert (right - left, bottom - top) == (size_px, size_px)
        if crop != "whole":
            assert min(left, top) >= 0
            assert right <= scaled[0]
            assert bottom <= scaled[1]


@given(width=sides, height=sides, size_px=sizes_px)
def test_the_whole_picture_fits_into_its_square(width: int, height: int, size_px: int) -> None:
    geometry = Geometry("whole", size_px)
    scaled_width, scaled_height = geometry.scaled_size(width, height)
    assert max(scaled_width, scaled_height) == size_px
    ((left, top, right, bottom),) = geometry.squares_in(scaled_width, scaled_height)
    assert left <= 0 <= scaled_width <= right
    assert top <= 0 <= scaled_height <= bottom
    assert abs(-left - (right - scaled_width)) <= 1
    assert abs(-top - (bottom - scaled_height)) <= 1


def test_another_crop_keeps_the_size_and_is_named_and_read_back() -> None:
    for crop in CROPS:
        geometry = Geometry("centre", 336).with_crop(crop)
        assert geometry == Geometry(crop, 336)
        assert Geometry.parse(geometry.name) == geometry
