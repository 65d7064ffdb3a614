"""Matrices, ranges, pixel layouts and high dynamic range."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ingest.geometry import Geometry
from ingest.media.picture import PictureMaker
from tests import clips
from tests.clips import Encoding
from tests.media.pictured import (
    SIZE_PX,
    first_frame,
    frame_of,
    pixels_of,
    scaled,
    smooth_scene,
    square_of,
    thumbnail_of,
)

PQ, HLG = 16, 18


WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)} | {
    9: (0.2627, 0.0593)
}
"""H.273's numbers of matrices and their weights of red and blue."""
UNSPECIFIED = 2
PATCHES: list[clips.Colour] = [(200, 30, 30), (30, 160, 60), (30, 60, 200), (250, 220, 40)]


def coded_patches(
    weights: tuple[float, float], full_range: bool, height: int, bits: int = 8
) -> av.VideoFrame:
    """Four upright stripes in yuv444p, coded by the definition of the matrix."""
    red, blue = weights
    frame = av.VideoFrame(256, height, "yuv444p" if bits == 8 else f"yuv444p{bits}le")
    top = 2**bits - 1
    luma_scale, chroma_scale, black = (top, top, 0) if full_range else (219, 224, 16)
    if not full_range:
        luma_scale, chroma_scale, black = (v << (bits - 8) for v in (219, 224, 16))
    planes = np.zeros((3, height, 256))
    for index, colour in enumerate(PATCHES):
        r, g, b = (value / 255 for value in colour)
        y = red * r + (1 - red - blue) * g + blue * b
        stripe = planes[:, :, index * 64 : index * 64 + 64]
        stripe[0] = black + luma_scale * y
        stripe[1] = 2 ** (bits - 1) + chroma_scale * (b - y) / (2 * (1 - blue))
        stripe[2] = 2 ** (bits - 1) + chroma_scale * (r - y) / (2 * (1 - red))
    dtype = np.uint8 if bits == 8 else np.dtype("<u2")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        rows[:, :256] = values.round()
        plane.update(rows.tobytes())
    frame.color_range = 2 if full_range else 1
    return frame


def patch_error(frame: av.VideoFrame) -> float:
    square, thumbnail = square_of(frame), thumbnail_of(frame)
    errors = [0.0]
    for index, colour in enumerate(PATCHES):
        seen = square[20:44, index * 16 + 6 : index * 16 + 10].mean((0, 1))
        errors.append(float(np.abs(seen - colour).max()))
        middle = index * 80 + 40
        seen = thumbnail[thumbnail.shape[0] // 2 - 2 :][:4, middle - 4 : middle + 4].mean((0, 1))
        errors.append(float(np.abs(seen - colour).max()) - 4)  # what JPEG may add
    return max(errors)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("matrix", list(WEIGHTS))
def test_a_declared_matrix_and_range_are_respected(
    matrix: int, bits: int, full_range: bool
) -> None:
    frame = coded_patches(WEIGHTS[matrix], full_range, 720, bits)
    frame.colorspace = matrix
    assert patch_error(frame) < 3


@pytest.mark.parametrize("declared", [UNSPECIFIED, 0, 3, 8, 10, 14])
@pytest.mark.parametrize(("height", "matrix"), [(576, 5), (720, 1)])
def test_a_matrix_that_is_missing_or_unknown_goes_by_the_height(
    declared: int, height: int, matrix: int
) -> None:
    frame = coded_patches(WEIGHTS[matrix], False, height)
    frame.colorspace = declared
    assert patch_error(frame) < 3


def test_an_undeclared_range_is_the_limited_one() -> None:
    frame = coded_patches(WEIGHTS[5], False, 240)
    frame.color_range = 0
    assert patch_error(frame) < 3


def test_motion_jpeg_is_of_full_range(tmp_path: Path) -> None:
    picture = clips.plain((20, 120, 250), 128, 96)
    encoding = Encoding(codec="mjpeg", pixel_format="yuvj420p", codec_options={"qmin": "1"})
    path = clips.write_clip(tmp_path / "clip.avi", [(Fraction(0), picture)], encoding)
    assert np.abs(square_of(first_frame(path)).mean((0, 1)) - picture[0, 0]).max() < 3


@pytest.mark.parametrize("size", [(320, 240), (321, 241), (1280, 720)])
@pytest.mark.parametrize(
    "pixel_format",
    [
        *("yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p", "nv12", "yuyv422", "uyvy422"),
        *("yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p12le", "p010le"),
        *("yuv444p16le", "rgb24", "bgr24", "bgr0", "rgb48le", "gbrp", "gbrp10le", "gbrp12le"),
        *("rgb565le", "bgra", "rgba64le", "yuva420p", "yuva444p10le", "gbrap"),
    ],
)
def test_every_layout_matches_a_full_size_conversion(
    pixel_format: str, size: tuple[int, int]
) -> None:
    scene = smooth_scene(*size)
    frame = frame_of(scene, pixel_format)
    if size[1] >= 720 and not frame.format.is_rgb:
        frame.colorspace = 5  # what it was made with
    difference = np.abs(square_of(frame) - scaled(scene))
    assert difference.mean() < (5 if pixel_format == "rgb565le" else 1.5)


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "gray16le", "ya8"])
def test_grey_pictures_are_grey(pixel_format: str) -> None:
    scene = smooth_scene(320, 240)
    square = square_of(frame_of(scene, pixel_format)).astype(int)
    grey = scaled(scene) @ np.array([0.299, 0.587, 0.114])
    assert np.ptp(square, axis=2).max() <= 2
    assert np.abs(square[:, :, 0] - grey).mean() < 2


@pytest.mark.parametrize("pixel_format", ["monow", "monob"])
def test_pictures_of_one_bit_are_black_and_white(pixel_format: str) -> None:
    scene = clips.plain(clips.WHITE, 256, 256)
    scene[128:, :128] = 0
    square = square_of(frame_of(scene, pixel_format))
    assert np.abs(square - scaled(scene)).mean() < 2


# High dynamic range.


def test_pq_is_mapped_to_what_a_standard_screen_shows_with_a_warning() -> None:
    # Codes of 1, 50, 100, 203 and 1000 nits in SMPTE ST 2084, for full range.
    codes = [round(code * 255) for code in (0.1500, 0.4402, 0.5081, 0.5807, 0.7518)]
    picture = np.zeros((60, 320, 3), np.uint8)
    for index, code in enumerate(codes):
        picture[:, index * 64 : index * 64 + 64] = code
    frame = frame_of(picture)
    frame.color_trc = PQ
    maker = PictureMaker(Geometry("squash", SIZE_PX), None)
    assert maker.notes == []
    (rows,) = maker.squares(frame)
    seen = [int(pixels_of(rows)[32, int((index + 0.5) * SIZE_PX / 5), 1]) for index in range(5)]
    # Linear to half of diffuse white, coded by sRGB: 1, 50 and 100 nits of 203.
    for code, nits in zip(seen[:3], (1, 50, 100), strict=True):
        assert abs(code - 255 * (1.055 * (nits / 203) ** (1 / 2.4) - 0.055)) < 6
    assert 220 < seen[3] < 245 < seen[4] <= 255
    assert [note.partition(":")[0] for note in maker.notes] == ["media.hdr"]


def test_hlg_is_shown_as_it_is_with_a_warning() -> None:
    scene = smooth_scene(320, 240)
    frame = frame_of(scene)
    frame.color_trc = HLG
    maker = PictureMaker(Geometry("squash", SIZE_PX), None)
    (rows,) = maker.squares(frame)
    assert np.abs(pixels_of(rows) - scaled(scene)).mean() < 1.5
    assert ["HLG" in note for note in maker.notes] == [True]
