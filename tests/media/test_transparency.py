"""Transparent parts are laid on grey, in squares and thumbnails."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from PIL import Image

from tests import clips
from tests.clips import Picture
from tests.media.pictured import (
    GREY,
    encode,
    first_frame,
    frame_of,
    half_transparent,
    square_of,
    thumbnail_of,
)


def assert_red_beside_grey(picture: Picture, tolerance: int = 12) -> None:
    height, width = picture.shape[:2]
    rows = slice(height // 4, height * 3 // 4)
    left = picture[rows, width // 8 : width * 3 // 8].astype(int)
    right = picture[rows, width * 5 // 8 : width * 7 // 8].astype(int)
    assert np.abs(left - clips.RED).max() <= tolerance
    assert np.abs(right - GREY).max() <= tolerance


@pytest.mark.parametrize(
    "pixel_format",
    ["rgba", "bgra", "argb", "yuva420p", "yuva444p", "yuva444p10le", "gbrap", "rgba64le"],
)
def test_transparent_parts_are_grey(pixel_format: str) -> None:
    frame = frame_of(half_transparent(), pixel_format)
    assert_red_beside_grey(square_of(frame))
    assert_red_beside_grey(thumbnail_of(frame))


CODECS_WITH_ALPHA = {
    "png.mov": ("png", "rgba"),
    "qtrle.mov": ("qtrle", "argb"),
    "prores.mov": ("prores_ks", "yuva444p10le"),
    "ffv1.mkv": ("ffv1", "yuva420p"),
}


@pytest.mark.parametrize("name", list(CODECS_WITH_ALPHA))
def test_transparency_comes_through_from_the_file(tmp_path: Path, name: str) -> None:
    codec, pixel_format = CODECS_WITH_ALPHA[name]
    path = tmp_path / name
    encode(path, codec, [frame_of(half_transparent(), pixel_format)], {})
    assert_red_beside_grey(square_of(first_frame(path)))


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_of_webm_comes_through_its_own_decoder(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clip.webm"
    frame = frame_of(half_transparent(), "yuva420p")
    encode(path, codec, [frame], {"auto-alt-ref": "0", "crf": "4", "b": "4M"})
    with av.open(str(path)) as container:
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(codec, "r"))
        packets = list(container.demux(video=0))
        (decoded,) = [found for packet in packets[:1] for found in decoder.decode(packet)]
    assert isinstance(decoded, av.VideoFrame)
    assert_red_beside_grey(square_of(decoded))


def test_a_palette_with_transparency_is_laid_on_grey() -> None:
    frame = av.VideoFrame(128, 96, "pal8")
    indices = np.zeros((96, frame.planes[0].line_size), np.uint8)
    indices[:, 64:128] = 1
    frame.planes[0].update(indices.tobytes())
    red, green, blue = clips.RED
    palette = bytes([blue, green, red, 255, 255, 255, 255, 0]) + bytes(254 * 4)
    frame.planes[1].update(palette)
    assert_red_beside_grey(square_of(frame))


def test_a_transparent_gif_is_laid_on_grey(tmp_path: Path) -> None:
    image = Image.fromarray(half_transparent())
    image.save(tmp_path / "clip.gif")
    assert_red_beside_grey(square_of(first_frame(tmp_path / "clip.gif")))


def test_hidden_pixels_do_not_bleed_into_the_picture_by_scaling() -> None:
    picture = np.full((256, 256, 4), 255, np.uint8)
    picture[:, ::2, :3] = 0
    picture[:, ::2, 3] = 0  # every other column hides black behind nothing
    square = square_of(frame_of(picture, "rgba")).astype(int)
    assert np.abs(square - (255 + GREY) / 2)[2:-2, 2:-2].max() <= 3
