"""Pictures as videos of one shot: by content, through a demuxer of their own each."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ingest.errors import MediaTruncated, MediaUnreadable, TooManyPixels
from ingest.media.limits import DecodeLimits
from ingest.media.signatures import image_demuxer, image_size
from tests import clips
from tests.clips import Encoding
from tests.media import grids
from tests.media.sampled import sample

WIDTH, HEIGHT = 300, 200
ORIENTATION = 0x0112
QUARTER_CLOCKWISE = 6

STILLS: dict[str, dict[str, Any]] = {
    "jpeg": {},
    "progressive jpeg": {"progressive": True},
    "png": {},
    "webp": {},
    "lossless webp": {"lossless": True},
    "bmp": {},
    "tiff": {},
    "lzw tiff": {"compression": "tiff_lzw"},
    "gif": {},
    "avif": {},
}


def two_colours() -> Image.Image:
    """Red, with a blue quarter at the top left."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), clips.RED)
    picture.paste(clips.BLUE, (0, 0, WIDTH // 2, HEIGHT // 2))
    return picture


def assert_colour(pixel: object, colour: clips.Colour) -> None:
    assert pixel == pytest.approx(list(colour), abs=3)


@pytest.mark.parametrize("kind", STILLS)
def test_a_still_picture_is_a_video_of_one_frame_whatever_it_is_called(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "upload.mp4"
    two_colours().save(path, kind.split()[-1].upper(), **STILLS[kind])
    sampled = sample(path)
    assert (sampled.facts.width, sampled.facts.height) == (WIDTH, HEIGHT)
    assert sampled.times_ms == [0]
    assert sampled.summary.frames_shown == 1
    assert sampled.summary.duration_us > 0
    assert not sampled.summary.warnings
    assert_colour(sampled.frames[0].pictures[0][5, 5].tolist(), clips.BLUE)
    assert_colour(sampled.frames[0].pictures[0][-5, -5].tolist(), clips.RED)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "AVIF"])
def test_an_animated_picture_is_a_video_of_its_frames(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "upload.mp4"
    first, *others = (Image.new("RGB", (64, 48), c) for c in (clips.RED, clips.GREEN, clips.BLUE))
    first.save(path, kind, save_all=True, append_images=others, duration=500)
    sampled = sample(path)
    assert sampled.times_ms == [0, 500, 1000]
    assert sampled.summary.duration_us == 1_500_000
    for frame, colour in zip(sampled.frames, (clips.RED, clips.GREEN, clips.BLUE), strict=True):
        assert_colour(frame.pictures[0][100, 100].tolist(), colour)


def test_an_animated_webp_is_refused_by_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sticker.webp"
    first, other = (Image.new("RGB", (64, 48), colour) for colour in (clips.RED, clips.GREEN))
    first.save(path, save_all=True, append_images=[other], duration=500)
    with pytest.raises(MediaUnreadable, match="animated WebP") as caught:
        sample(path)
    assert "APNG" in caught.value.cure


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_picture_taken_sideways_is_turned_upright(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_CLOCKWISE
    path = tmp_path / "photo"
    two_colours().save(path, kind, exif=exif)
    sampled = sample(path)
    assert (sampled.facts.width, sampled.facts.height) == (HEIGHT, WIDTH)
    picture = sampled.frames[0].pictures[0]
    assert_colour(picture[5, -5].tolist(), clips.BLUE)
    assert_colour(picture[5, 5].tolist(), clips.RED)


def test_an_apng_whose_animation_chunk_comes_late_is_still_animated(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    first, other = (Image.new("RGB", (64, 48), colour) for colour in (clips.RED, clips.GREEN))
    profile = os.urandom(20_000)
    first.save(path, save_all=True, append_images=[other], duration=500, icc_profile=profile)
    assert len(sample(path).frames) == 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_a_picture_over_the_pixel_limit_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "large"
    two_colours().save(path, kind)
    with pytest.raises(TooManyPixels, match="300x200"):
        sample(path, limits=DecodeLimits(max_pixels=WIDTH * HEIGHT - 1))


def test_a_bomb_of_a_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(path, "PNG")
    assert path.stat().st_size < 50_000
    with pytest.raises(TooManyPixels, match="12000x12000"):
        sample(path)
    Image.new("1", (30_000, 30_000)).save(path, "PNG")
    with pytest.raises(TooManyPixels, match="30000x30000"):
        sample(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_the_size_in_the_header_is_read_whatever_stands_before_it(kind: str) -> None:
    encoded = io.BytesIO()
    two_colours().save(encoded, kind, icc_profile=os.urandom(100_000), comment=b"a comment")
    assert image_size(encoded.getvalue()) == (WIDTH, HEIGHT)
    assert image_size(encoded.getvalue()[:9]) is None


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_cut_off_in_its_header_is_truncated(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cut"
    two_colours().save(path, kind)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(MediaTruncated):
        sample(path)


def numbered(folder: Path) -> Iterator[Path]:
    for number in range(1, 4):
        path = folder / f"{number}.png"
        two_colours().save(path)
        yield path


def test_a_picture_beside_numbered_ones_is_that_picture_alone(tmp_path: Path) -> None:
    for path in numbered(tmp_path):
        assert sample(path).summary.frames_shown == 1
    pattern = tmp_path / "%d.png"
    two_colours().save(pattern)
    assert sample(pattern).summary.frames_shown == 1


def test_a_picture_in_tiles_is_refused_rather_than_seen_in_part(tmp_path: Path) -> None:
    path = grids.write_grid(tmp_path / "phone.heic", clips.RED, clips.BLUE)
    with Image.open(path, formats=["AVIF"]) as whole:
        assert whole.size == (256, 128), "another decoder puts it together"
    with pytest.raises(MediaUnreadable, match="in tiles") as caught:
        sample(path)
    assert "JPEG" in caught.value.cure


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "JPEG2000"])
def test_pictures_off_the_list_are_refused_with_the_list(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    two_colours().save(path, kind)
    with pytest.raises(MediaUnreadable) as caught:
        sample(path)
    assert "JPEG, PNG, APNG, WebP" in caught.value.cure


def test_no_video_is_taken_for_a_picture(tmp_path: Path) -> None:
    times = clips.constant_times(25, 1)
    mpeg4 = Encoding(codec="mpeg4", codec_options={}, time_base=Fraction(1, 25))
    for name, encoding in (
        ("a.mp4", clips.DEFAULT_ENCODING),
        ("a.mkv", clips.DEFAULT_ENCODING),
        ("a.ts", clips.DEFAULT_ENCODING),
        ("a.avi", mpeg4),
    ):
        with clips.write_timed(tmp_path / name, times, encoding).open("rb") as file:
            assert image_demuxer(file.fileno()) is None


def test_text_that_begins_like_a_bitmap_is_no_picture(tmp_path: Path) -> None:
    text = tmp_path / "bmw.txt"
    text.write_bytes(b"BMW is a maker of cars, and this is a text about it.")
    with text.open("rb") as file:
        assert image_demuxer(file.fileno()) is None
    encoded = io.BytesIO()
    two_colours().save(encoded, "BMP")
    text.write_bytes(encoded.getvalue())
    with text.open("rb") as file:
        assert image_demuxer(file.fileno()) == "bmp_pipe"
