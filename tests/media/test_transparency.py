"""Transparent parts are laid on grey, in squares and thumbnails."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ingest.geometry import Geometry
from tests import clips
from tests.clips import Picture
from tests.media.pictured import (
    GREY,
    SIZE_PX,
    encode,
    first_frame,
    frame_of,
    half_transparent,
    square_of,
    thumbnail_of,
)
from tests.media.sampled import sample
from tests.media.zoo.matroska import Block, Matroska, Track, unsigned
from tests.media.zoo.packets import vp8_packets


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
@pytest.mark.parametrize("sampling", ["fps:5", "fps:5,fast", "adaptive:1-4", "shots:2"])
def test_transparency_of_webm_comes_through_its_own_decoder(
    tmp_path: Path, codec: str, sampling: str
) -> None:
    path = tmp_path / "clip.webm"
    frames = [frame_of(half_transparent(), "yuva420p") for _ in range(30)]
    options = {"auto-alt-ref": "0", "crf": "4", "b": "4M", "g": "10"}
    encode(path, codec, frames, options)
    sampled = sample(path, sampling, Geometry("squash", SIZE_PX))
    assert sampled.summary.frames_shown == 30
    assert sampled.summary.warnings == ()
    pictures = [picture for frame in sampled.frames for picture in frame.pictures]
    assert pictures
    for picture in pictures:
        assert_red_beside_grey(picture)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_key_frames_of_a_transparent_webm_are_found(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clip.webm"
    frames = [frame_of(half_transparent(), "yuva420p") for _ in range(50)]
    encode(path, codec, frames, {"auto-alt-ref": "0", "b": "4M", "g": "25"})
    assert sample(path, "keyframes").times_ms == [0, 1000]


def test_a_webm_that_only_says_it_has_transparency_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    packets = vp8_packets(tuple(range(0, 1_000, 40)))
    blocks = [Block(40 * i, one.data, one.keyframe) for i, one in enumerate(packets)]
    video = unsigned(0x53C0, 1)  # AlphaMode, RFC 9559
    path.write_bytes(Matroska(blocks, [Track(video=video)]).written())
    sampled = sample(path)
    assert [clips.read_time_code(frame.pictures[0]) for frame in sampled.frames] == [0, 520]
    assert sampled.summary.warnings == ()


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
