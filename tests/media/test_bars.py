"""Black bars are trimmed, and nothing else is."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ingest.geometry import Geometry
from ingest.media.bars import find_content
from ingest.media.picture import PictureMaker
from tests import clips
from tests.clips import Encoding, Picture

WIDTH, HEIGHT = 640, 360
DARK = 45
"""A mean level that no edge line of the bright scene comes near."""


def bright_scene(width: int, height: int) -> Picture:
    """Blocks of changing colours of which none is dark."""
    generator = np.random.default_rng(width * 10_000 + height)
    blocks = generator.integers(90, 256, (-(-height // 24), -(-width // 24), 3), np.uint8)
    return np.ascontiguousarray(blocks.repeat(24, 0).repeat(24, 1)[:height, :width])


def framed(left: int, top: int, right: int, bottom: int, black: int = 0) -> Picture:
    """The bright scene in bars of these widths."""
    picture = clips.plain((black, black, black), WIDTH, HEIGHT)
    picture[top : HEIGHT - bottom, left : WIDTH - right] = bright_scene(
        WIDTH - left - right, HEIGHT - top - bottom
    )
    return picture


def square_of(
    frame: av.VideoFrame, crop: str = "squash", aspect: Fraction | None = None
) -> Picture:
    geometry = Geometry.parse(f"{crop}-224-bicubic")
    (rows,) = PictureMaker(geometry, aspect).squares(frame)
    return np.frombuffer(rows, np.uint8).reshape(224, 224, 3)


def square_of_picture(picture: Picture, crop: str = "squash") -> Picture:
    return square_of(av.VideoFrame.from_ndarray(picture, format="rgb24"), crop)


def edge_levels(square: Picture) -> list[float]:
    """Mean brightness of the second line from each edge."""
    return [float(line.mean()) for line in (square[1], square[-2], square[:, 1], square[:, -2])]


def coded(picture: Picture, folder: Path, codec_options: dict[str, str]) -> av.VideoFrame:
    """The picture as a lossy codec gives it back."""
    encoding = Encoding(codec_options=codec_options)
    path = clips.write_clip(folder / "clip.mp4", [(Fraction(0), picture)], encoding)
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


BARS = {
    "letterbox": (0, 46, 0, 46),
    "thin letterbox": (0, 12, 0, 12),
    "pillarbox": (80, 0, 80, 0),
    "portrait": (219, 0, 219, 0),
    "windowbox": (90, 50, 90, 50),
    "off centre": (0, 40, 0, 46),
    "odd widths": (0, 37, 0, 39),
}


@pytest.mark.parametrize("black", [0, 16])
@pytest.mark.parametrize("bars", BARS.values(), ids=list(BARS))
def test_bars_are_trimmed_to_the_picture_within(
    bars: tuple[int, int, int, int], black: int
) -> None:
    left, top, right, bottom = bars
    square = square_of_picture(framed(*bars, black=black))
    assert min(edge_levels(square)) > 2 * DARK
    scene = Image.fromarray(bright_scene(WIDTH - left - right, HEIGHT - top - bottom))
    wanted = np.asarray(scene.resize((224, 224), Image.Resampling.BICUBIC), np.int16)
    # Up to two lines of a 320 px rendering go with the bars: the scene grows by about 1%.
    near = np.abs(square[90:134, 90:134] - wanted[90:134, 90:134]).mean()
    assert near < 12


@pytest.mark.parametrize("quality", ["23", "35", "42"])
@pytest.mark.parametrize("bars", BARS.values(), ids=list(BARS))
def test_bars_are_found_under_what_compression_adds(
    tmp_path: Path, bars: tuple[int, int, int, int], quality: str
) -> None:
    options = {"preset": "veryfast", "crf": quality}
    square = square_of(coded(framed(*bars), tmp_path, options))
    assert min(edge_levels(square)) > 1.5 * DARK


def test_the_shape_that_is_left_decides_the_scaling() -> None:
    picture = framed(140, 0, 140, 0)
    square = square_of_picture(picture, "centre")
    scene = Image.fromarray(bright_scene(360, 360)).resize((224, 224), Image.Resampling.BICUBIC)
    assert np.abs(square.astype(int) - np.asarray(scene))[60:-60, 60:-60].mean() < 12


def test_the_thumbnail_keeps_its_bars() -> None:
    maker = PictureMaker(Geometry("centre", 224), None)
    frame = av.VideoFrame.from_ndarray(framed(0, 46, 0, 46), format="rgb24")
    maker.squares(frame)
    with Image.open(io.BytesIO(maker.thumbnail(frame))) as image:
        thumbnail = np.asarray(image)
    assert thumbnail.shape == (180, 320, 3)
    assert thumbnail[:20].mean() < 8
    assert thumbnail[-20:].mean() < 8


def _whole(picture: Picture) -> bool:
    height, width = picture.shape[:2]
    return find_content(Image.fromarray(picture)) == (0, 0, width, height)


@pytest.mark.parametrize("level", [0, 10, 30])
def test_a_dark_picture_is_not_trimmed(level: int) -> None:
    assert _whole(clips.plain((level, level, level), 320, 180))


def test_a_dark_noisy_picture_is_not_trimmed() -> None:
    noise = np.random.default_rng(3).integers(0, 30, (180, 320, 3), np.uint8)
    assert _whole(noise)


@pytest.mark.parametrize("colour", [clips.WHITE, clips.RED, (128, 128, 128), (0, 0, 60)])
def test_bars_that_are_not_black_stay(colour: clips.Colour) -> None:
    picture = clips.plain(colour, 320, 180)
    picture[30:-30] = bright_scene(320, 120)
    assert _whole(picture)


@pytest.mark.parametrize("side", range(4))
def test_black_on_one_side_stays(side: int) -> None:
    picture = np.rot90(bright_scene(320, 320), side).copy()
    picture[:60] = 0
    assert _whole(np.ascontiguousarray(np.rot90(picture, side)))


def test_a_small_light_in_the_dark_is_not_blown_up() -> None:
    picture = clips.plain(clips.BLACK, 320, 180)
    picture[80:100, 150:170] = 255
    assert _whole(picture)


@pytest.mark.parametrize(("left", "top"), [(100, 50), (20, 10), (190, 80)])
def test_of_a_dark_scene_only_black_is_lost(left: int, top: int) -> None:
    picture = clips.plain((4, 4, 4), 320, 180)
    picture[top : top + 90, left : left + 120] = bright_scene(120, 90)
    found = find_content(Image.fromarray(picture))
    assert found[0] <= left + 1
    assert found[1] <= top + 1
    assert found[2] >= left + 119
    assert found[3] >= top + 89


def test_a_logo_or_subtitles_in_a_bar_are_kept() -> None:
    picture = clips.plain(clips.BLACK, 320, 180)
    picture[30:-30] = bright_scene(320, 120)
    picture[162:170, 120:200] = 255
    _, top, _, bottom = find_content(Image.fromarray(picture))
    assert bottom >= 169
    assert top <= 11


def test_bars_are_found_although_the_scene_is_dark_at_one_edge() -> None:
    picture = clips.plain(clips.BLACK, 320, 180)
    picture[50:160] = bright_scene(320, 110)  # the bars are 20 high, the scene begins with night
    _, top, _, bottom = find_content(Image.fromarray(picture))
    assert (top, bottom) == (21, 159)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (1, 7), (5, 4)])
@pytest.mark.parametrize("level", [0, 255])
def test_tiny_pictures_have_no_bars(size: tuple[int, int], level: int) -> None:
    assert find_content(Image.new("RGB", size, (level,) * 3)) == (0, 0, *size)
    picture = np.full((size[1], size[0], 3), level, np.uint8)
    assert square_of_picture(picture).shape == (224, 224, 3)


def test_bars_around_wide_pixels_are_trimmed_before_the_shape_is_taken() -> None:
    frame = av.VideoFrame.from_ndarray(framed(80, 0, 80, 0), format="rgb24")
    square = square_of(frame, "whole", Fraction(3, 4))  # 480x360, of it 360x360 scene
    assert min(edge_levels(square)) > 2 * DARK


@pytest.mark.parametrize(
    "pixel_format", ["yuv411p", "yuv420p", "nv12", "yuyv422", "gray", "gbrp10le", "yuv444p12le"]
)
def test_bars_of_every_layout_of_pixels_are_trimmed(pixel_format: str) -> None:
    frame = av.VideoFrame.from_ndarray(framed(91, 47, 91, 47), format="rgb24")
    square = square_of(frame.reformat(format=pixel_format))
    assert min(edge_levels(square)) > 2 * DARK


@pytest.mark.parametrize("quality", ["23", "30", "40"])
def test_letterboxes_of_smooth_scenes_are_found_after_compression(
    tmp_path: Path, quality: str
) -> None:
    picture = framed(0, 43, 0, 43)
    slope = np.linspace(70, 220, WIDTH).astype(np.uint8)
    picture[43:-43] = slope[None, :, None]
    options = {"preset": "veryfast", "crf": quality}
    assert min(edge_levels(square_of(coded(picture, tmp_path, options)))) > 1.5 * DARK


# Dark, but no bars.


def test_people_in_a_dark_room_are_not_cut_off_beside_a_lit_doorway(tmp_path: Path) -> None:
    picture = clips.plain((34, 34, 34), WIDTH, HEIGHT)
    picture[80:280, 220:420] = 190
    picture[60:340, 10:150] = picture[60:340, 490:630] = 45
    assert _whole(picture)
    square = square_of(coded(picture, tmp_path, {"crf": "10"})).astype(int)
    assert abs(square[112, 28].mean() - 45) < 5
    assert abs(square[112, 224 - 28].mean() - 45) < 5


def test_what_is_little_brighter_than_black_at_the_sides_is_kept() -> None:
    picture = clips.plain((16, 16, 16), 320, 180)
    picture[40:140, 110:210] = 190
    picture[30:170, 5:75] = picture[30:170, 245:315] = 25
    assert _whole(picture)


def _round_light(reach_px: float, sharpness: float) -> Picture:
    """Light around the middle that falls off over a part of its reach; 0 is a sharp edge."""
    y, x = np.mgrid[:180, :320]
    distance = np.hypot(x - 159.5, y - 89.5) / reach_px
    light = (1 - distance) / sharpness if sharpness else (distance < 1).astype(float)
    grey = (np.clip(light, 0, 1) * 200).astype(np.uint8)
    return np.ascontiguousarray(grey[:, :, None].repeat(3, 2))


@pytest.mark.parametrize("reach_px", [50, 80, 140])
@pytest.mark.parametrize("sharpness", [0, 0.1, 1])
def test_spotlights_faces_and_vignettes_are_not_trimmed(reach_px: float, sharpness: float) -> None:
    assert _whole(_round_light(reach_px, sharpness))


def test_a_fall_of_light_with_straight_lines_is_not_trimmed() -> None:
    rows = np.minimum(np.arange(180), np.arange(180)[::-1])
    grey = np.clip(3 * (rows - 15), 0, 200).astype(np.uint8)
    assert _whole(np.ascontiguousarray(grey[:, None, None].repeat(320, 1).repeat(3, 2)))


def test_an_edge_that_is_straight_in_part_of_its_length_is_none() -> None:
    picture = clips.plain(clips.BLACK, 320, 180)
    picture[30:-30, 40:200] = bright_scene(160, 120)
    picture[60:120, 200:290] = bright_scene(90, 60)
    assert _whole(picture)
