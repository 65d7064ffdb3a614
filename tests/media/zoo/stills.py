"""Images and bombs of them, under their own names and under those of videos."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from tests import clips
from tests.media.zoo.entry import (
    BROKEN,
    TOO_LARGE,
    UNREADABLE,
    Entry,
    Outcome,
    content,
    done,
    either,
    failed,
    survived,
)
from tests.media.zoo.images import bmp_claiming, gif, png, png_chunk, webp_canvas, webp_claiming

ONE = (0,)
BOMB_PX = 16_384
"""Wide and high: 268 million pixels, seven times the limit."""


def entries() -> list[Entry]:
    """Images that are right, damaged, lying and far too large."""
    return [*_ordinary(), *_animated(), *_bombs(), *_broken()]


def _ordinary() -> list[Entry]:
    still = done(ONE, frames=(1, 1))
    unusual = either(still, failed(*UNREADABLE))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(320 * 240, dtype=np.uint16).reshape(240, 320))
    return [
        _saved("photo.png", "PNG", still),
        _saved("photo.jpg", "JPEG", still),
        _saved("photo.webp", "WEBP", still),
        _saved("photo-lossless.webp", "WEBP", still, "RGBA", lossless=True),
        _saved("photo-posing-as.mp4", "PNG", still),
        _saved("photo-posing-as.mkv", "JPEG", still),
        _saved("alpha.png", "PNG", still, "RGBA"),
        _saved("palette.png", "PNG", still, "P"),
        _saved("grey.jpg", "JPEG", still, "L"),
        _saved("cmyk.jpg", "JPEG", still, "CMYK"),
        _saved("progressive.jpg", "JPEG", still, progressive=True),
        _saved("turned.jpg", "JPEG", done(ONE, size=(240, 320)), exif=exif),
        content("deep.png", lambda: _bytes(deep, "PNG"), still),
        content("one-pixel.png", lambda: png(1, 1), done(ONE, size=(1, 1))),
        content("one-pixel-high.png", lambda: png(4000, 1), done(ONE, size=(4000, 1))),
        content("one-pixel-wide.png", lambda: png(1, 4000), done(ONE, size=(1, 4000))),
        _saved("one.gif", "GIF", still, "P"),
        _saved("photo.bmp", "BMP", unusual),
        _saved("photo.tiff", "TIFF", unusual),
        _saved("photo.ico", "ICO", either(done(ONE, size=None), failed(*UNREADABLE))),
        _saved("photo.avif", "AVIF", unusual),
        _saved("photo.jp2", "JPEG2000", unusual),
        _saved("photo.ppm", "PPM", unusual),
    ]


def _animated() -> list[Entry]:
    pictures = [Image.new("RGB", (320, 240), (60 * step, 30, 30)) for step in range(4)]

    def moving(kind: str, **options: Any) -> bytes:
        return _bytes(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)

    half_seconds = done((0, 500, 1000, 1500), duration_ms=(1_900, 2_100))
    return [
        content("moving.gif", lambda: moving("GIF", duration=500), half_seconds),
        content("moving.png", lambda: moving("PNG", duration=500), half_seconds),
        content(
            "moving.webp",
            lambda: moving("WEBP", duration=500, lossless=True),
            either(half_seconds, failed(*UNREADABLE)),
        ),
        # Browsers show frames without a delay for a tenth of a second each, and so does FFmpeg.
        content(
            "no-delay.gif",
            lambda: gif((320, 240), frames=30, delay_cs=0),
            done(None, frames=(4, 8), duration_ms=(2_000, 3_500)),
        ),
        content(
            "eleven-minutes-of-one-picture.gif",
            lambda: gif((320, 240), frames=2, delay_cs=65_535),
            done((0, 655_350)),
        ),
        content(
            "twenty-thousand-pictures.gif",
            lambda: gif((16, 16), frames=20_000, delay_cs=1),
            done(None, size=(16, 16), frames=(390, 2_010)),
        ),
        content(
            "picture-outside-its-canvas.gif",
            lambda: gif((320, 240), frames=2, picture=(60_000, 60_000)),
            survived(BROKEN | TOO_LARGE),
        ),
    ]


def _bombs() -> list[Entry]:
    too_large = failed(*TOO_LARGE)
    refused = failed(*TOO_LARGE, *UNREADABLE)
    text_bomb = b"Comment\0\0" + zlib.compress(bytes(200 * 1024**2), 9)
    # A million frames are announced, and none of them is there.
    endless = png_chunk(b"acTL", struct.pack(">II", 10**6, 0))
    colours = b"icc\0\0" + zlib.compress(bytes(200 * 1024**2), 9)
    return [
        content("bomb.png", lambda: png(BOMB_PX, BOMB_PX), too_large),
        content("bomb-posing-as.mp4", lambda: png(BOMB_PX, BOMB_PX), too_large),
        content("bomb-of-a-row.png", lambda: png(2**31 - 1, 1, rows=0), refused),
        content("bomb.webp", lambda: webp_claiming(16_383, 16_383), refused),
        content("bomb.jpg", lambda: _jpeg_claiming(65_500, 65_500), too_large),
        content("bomb.tiff", lambda: _tiff_claiming(60_000, 60_000), refused),
        content("bomb-of-a-canvas.webp", lambda: webp_canvas(2**24, 2**24), refused),
        content("bomb.bmp", lambda: bmp_claiming(60_000, 60_000), refused),
        content("bomb.gif", lambda: gif((65_535, 65_535), frames=3), too_large),
        content(
            "bomb-in-its-comment.png",
            lambda: png(320, 240, png_chunk(b"zTXt", text_bomb)),
            done(ONE),
        ),
        content(
            "bomb-in-its-profile.png",
            lambda: png(320, 240, png_chunk(b"iCCP", colours)),
            either(done(ONE), survived()),
        ),
        content("endless-by-its-header.png", lambda: png(320, 240, endless), survived()),
    ]


def _broken() -> list[Entry]:
    photo = clips.time_code(0)

    def half(kind: str) -> bytes:
        data = _bytes(Image.fromarray(photo), kind)
        return data[: len(data) // 2]

    return [
        content("half.png", lambda: half("PNG"), survived()),
        content("half.jpg", lambda: half("JPEG"), survived()),
        content("half.webp", lambda: half("WEBP"), survived()),
        content("half.gif", lambda: half("GIF"), survived()),
        content("no-pixels.png", lambda: png(320, 240, rows=0), survived()),
        content("zero-sized.png", lambda: png(0, 0), failed(*BROKEN)),
        content("zero-sized.gif", lambda: gif((0, 0), picture=(0, 0)), failed(*BROKEN)),
    ]


def _jpeg_claiming(width: int, height: int) -> bytes:
    """A small photo whose frame header (ITU-T T.81, SOF0) gives another size."""
    data = _bytes(Image.fromarray(clips.time_code(0)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _tiff_claiming(width: int, height: int) -> bytes:
    data = _bytes(Image.new("L", (321, 241)), "TIFF")
    for old, new in ((321, width), (241, height)):
        for form in ("<HHII", "<HHIHxx"):
            for tag in (256, 257):
                kind = 4 if form == "<HHII" else 3
                data = data.replace(
                    struct.pack(form, tag, kind, 1, old), struct.pack("<HHII", tag, 4, 1, new)
                )
    return data


def _saved(name: str, kind: str, outcome: Outcome, mode: str = "RGB", **options: Any) -> Entry:
    photo = Image.fromarray(clips.time_code(0)).convert(mode)
    return content(name, lambda: _bytes(photo, kind, **options), outcome)


def _bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()
