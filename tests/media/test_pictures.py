"""Sizes, crops, turning and interlacing: what decoded frames look like as pictures."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from PIL import Image

from ingest.geometry import CROPS, Geometry
from ingest.media.picture import PictureMaker, displayed_size
from tests import clips
from tests.clips import Encoding, Picture
from tests.media.pictured import (
    GREY,
    SIZE_PX,
    encode,
    first_frame,
    frame_of,
    frames_of,
    half_transparent,
    scaled,
    smooth_scene,
    square_of,
    squares_of,
    thumbnail_of,
)
from tests.media.sampled import sample


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (17, 3), (3, 17), (33, 31), (1000, 2)])
def test_pictures_of_any_size_give_squares(crop: str, size: tuple[int, int]) -> None:
    for pixel_format in ("yuv420p", "yuv444p", "rgba"):
        frame = frame_of(clips.plain((90, 160, 120), *size), pixel_format)
        for square in squares_of(frame, crop):
            inside = square[SIZE_PX // 2, SIZE_PX // 2].astype(int)
            assert np.abs(inside - (90, 160, 120)).max() < 8
        assert thumbnail_of(frame).shape[1] == 320


# Interlacing.


def interlaced_clip(path: Path, codec: str, options: dict[str, str], progressive: bool) -> Path:
    """A bar that moves 24 px from field to field, woven together frame by frame."""
    frames = []
    for index in range(6):
        fields = []
        for moment in (2 * index, 2 * index + (0 if progressive else 1)):
            field = clips.plain((100, 100, 100), 320, 240)
            left = 20 + 24 * moment
            field[:, left : left + 60] = 240
            fields.append(field)
        woven = fields[0].copy()
        woven[1::2] = fields[1][1::2]
        frames.append(frame_of(woven, "yuv420p"))
    encode(path, codec, frames, options)
    return path


def combing(picture: Picture) -> float:
    """How much lines differ from both their neighbours, which agree."""
    grey = picture.astype(float).mean(axis=2)
    around = (grey[:-2] + grey[2:]) / 2
    return float(np.abs(grey[1:-1] - around).mean())


INTERLACED = {
    "h264.mp4": ("libx264", {"x264-params": "interlaced=1:bframes=0", "crf": "12"}),
    "mpeg2.mpg": ("mpeg2video", {"flags": "+ildct+ilme", "qmin": "2", "qmax": "2"}),
}


@pytest.mark.parametrize("name", list(INTERLACED))
def test_interlaced_frames_show_one_moment(tmp_path: Path, name: str) -> None:
    codec, options = INTERLACED[name]
    path = interlaced_clip(tmp_path / name, codec, options, progressive=False)
    geometry = Geometry("centre", 240)
    for frame in frames_of(path):
        assert frame.interlaced_frame
        (rows,) = PictureMaker(geometry, None).squares(frame)
        square = np.frombuffer(rows, np.uint8).reshape(240, 240, 3)
        woven = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)[:, 40:280]
        assert combing(woven) > 4
        assert combing(square) < 1
        assert combing(thumbnail_of(frame)) < 1.5


def test_progressive_frames_keep_all_their_lines() -> None:
    picture = clips.plain((100, 100, 100), 64, 64)
    picture[1::2] = 200
    frame = frame_of(picture)
    assert not frame.interlaced_frame
    assert np.abs(square_of(frame).astype(int) - picture).max() <= 1


# Turning.

MATRICES = {
    "as it is": (1, 0, 0, 1),
    "quarter": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "three quarters": (0, -1, 1, 0),
    "left to right": (-1, 0, 0, 1),
    "top to bottom": (1, 0, 0, -1),
    "rows to columns": (0, 1, 1, 0),
    "rows to columns backwards": (0, -1, -1, 0),
}


@pytest.mark.parametrize("name", list(MATRICES))
def test_turned_and_mirrored_videos_are_made_upright(tmp_path: Path, name: str) -> None:
    stored = clips.plain(clips.GREEN, 320, 240)
    stored[:120, :160] = clips.RED
    stored[120:, :160] = clips.BLUE
    path = clips.write_clip(tmp_path / "clip.mp4", [(Fraction(0), stored)])
    a, b, c, d = MATRICES[name]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    fixed = [value << 16 for value in (a, b, 0, c, d, 0, 0, 0)]
    content[at : at + 36] = struct.pack(">9i", *fixed, 1 << 30)
    path.write_bytes(content)
    # Every corner of the stored picture goes where the matrix carries it.
    wanted = np.zeros((2, 2, 3))
    for x in (0, 1):
        for y in (0, 1):
            to_x, to_y = a * x + c * y, b * x + d * y
            wanted[to_y % 2 if b + d > 0 else 1 + to_y, to_x % 2 if a + c > 0 else 1 + to_x] = (
                stored[y * 239, x * 319]
            )
    frame = first_frame(path)
    assert displayed_size(frame, None) == ((320, 240) if a else (240, 320))
    for picture in (square_of(frame), thumbnail_of(frame)):
        height, width = picture.shape[:2]
        for row in (0, 1):
            for column in (0, 1):
                seen = picture[height // 4 + row * height // 2, width // 4 + column * width // 2]
                assert np.abs(seen - wanted[row, column]).max() < 20


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_jpeg_is_turned_by_its_exif_orientation(orientation: int, turns: int) -> None:
    stored = clips.plain(clips.GREEN, 320, 240)
    stored[:120] = clips.RED
    exif = Image.Exif()
    exif[0x112] = orientation
    encoded = io.BytesIO()
    Image.fromarray(stored).save(encoded, "JPEG", exif=exif)
    decoder = av.CodecContext.create("mjpeg", "r")
    (frame, *_) = [*decoder.decode(Packet(encoded.getvalue())), *decoder.decode(None)]
    wanted = np.rot90(stored, turns)
    assert displayed_size(frame, None) == (wanted.shape[1], wanted.shape[0])
    assert np.abs(square_of(frame) - scaled(np.ascontiguousarray(wanted))).mean() < 3


# Pixels that are not square.


def test_a_change_of_the_pixels_shape_is_followed(tmp_path: Path) -> None:
    picture = clips.plain((90, 90, 90), 720, 576)
    parts = []
    for shape in (Fraction(16, 15), Fraction(64, 45)):  # 4:3, then 16:9
        encoding = Encoding("mpeg2video", time_base=Fraction(1, 25), codec_options={"g": "12"})
        frames = [(time, picture) for time in clips.constant_times(25, 2)]
        part = tmp_path / f"{shape.numerator}.ts"
        parts.append(clips.write_clip(part, frames, replace(encoding, pixel_aspect=shape)))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    sampled = sample(joined, "fps:2", Geometry("whole", 224))
    assert (sampled.facts.width, sampled.facts.height) == (768, 576)
    columns = [frame.pictures[0][:, 112].astype(int) for frame in sampled.frames]
    heights = [int((np.abs(column[:, 0] - GREY) > 20).sum()) for column in columns]
    assert heights[:3] == [168] * 3
    assert heights[-3:] == [126] * 3


def test_a_maker_takes_each_frame_with_the_pixels_it_is_told() -> None:
    frame = frame_of(smooth_scene(320, 240))
    maker = PictureMaker(Geometry("whole", SIZE_PX), None)
    square = maker.squares(frame)
    maker.pixel_aspect = Fraction(2)
    other = frame_of(smooth_scene(320, 240))
    assert maker.squares(other) != square
    assert maker.squares(other) == PictureMaker(Geometry("whole", SIZE_PX), Fraction(2)).squares(
        other
    )


# Crops.


def test_the_whole_picture_stands_on_grey() -> None:
    scene = smooth_scene(320, 160)
    square = square_of(frame_of(scene), "whole").astype(int)
    assert (square[:16] == GREY).all()
    assert (square[-16:] == GREY).all()
    assert np.abs(square[16:48] - scaled(scene, (64, 32))).mean() < 2


def test_tiles_are_cut_from_left_to_right() -> None:
    scene = smooth_scene(1280, 720)
    tiles = squares_of(frame_of(scene), "tiles")
    assert len(tiles) == 3
    whole = scaled(scene, (113, 64))
    for tile, left in zip(tiles, (0, 24, 49), strict=True):
        assert np.abs(tile - whole[:, left : left + 64]).mean() < 2


# One maker for many frames.


def test_a_frame_gives_the_same_pictures_whatever_came_before_it() -> None:
    letterboxed = smooth_scene(320, 240)
    letterboxed[:40] = letterboxed[-40:] = 0
    frames = [
        frame_of(smooth_scene(320, 240), "yuv420p"),
        frame_of(letterboxed, "yuv420p"),
        frame_of(smooth_scene(480, 200), "yuv420p"),
        frame_of(half_transparent(), "yuva420p"),
        frame_of(smooth_scene(320, 240), "yuv444p10le"),
    ]
    for crop in CROPS:
        geometry = Geometry(crop, SIZE_PX)
        used = PictureMaker(geometry, None)
        for frame in [*frames, *reversed(frames)]:
            fresh = PictureMaker(geometry, None)
            assert used.squares(frame) == fresh.squares(frame)
            assert used.thumbnail(frame) == fresh.thumbnail(frame)
