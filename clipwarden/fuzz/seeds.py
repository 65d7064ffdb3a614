"""Small files to begin with: each container and codec we take, and some that we refuse.

They are made here, so that a fuzzer needs no files of others. The same seed has the same bytes
in every run: encoders work in one thread, and containers leave out identifiers and dates.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray
from PIL import Image

_WIDTH, _HEIGHT = 96, 64
_FRAMES = 14
_RATE = 10
_SOUND_RATE = 48_000
_SOUND_BLOCK = 1024
_ONE_THREAD = {"threads": "1"}


@dataclass(frozen=True)
class Seed:
    """One file; `name` ends as its container's files do, but decides nothing."""

    name: str
    content: bytes


@dataclass(frozen=True)
class _Recipe:
    name: str
    container: str
    codec: str
    codec_options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    sound: str | None = None
    pixel_aspect: Fraction | None = None


_X264 = {"preset": "ultrafast", "g": "5", "bf": "2", "sc_threshold": "0"}
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1:keyint=5"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "g": "5"}
_AV1 = {"preset": "12", "svtav1-params": "lp=1", "g": "5"}
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

_RECIPES = (
    _Recipe("h264.mp4", "mp4", "libx264", _X264, sound="aac"),
    _Recipe("faststart.mp4", "mp4", "libx264", _X264, {"movflags": "faststart"}),
    _Recipe("fragmented.mp4", "mp4", "libx264", _X264, _FRAGMENTED),
    _Recipe("anamorphic.mov", "mov", "libx264", _X264, pixel_aspect=Fraction(4, 3)),
    _Recipe("hevc.mp4", "mp4", "libx265", _X265),
    _Recipe("av1.mp4", "mp4", "libsvtav1", _AV1),
    _Recipe("mjpeg.mov", "mov", "mjpeg", {}, pixel_format="yuvj420p"),
    _Recipe("png.mov", "mov", "png", {}, pixel_format="rgba"),
    _Recipe("h264.mkv", "matroska", "libx264", _X264, sound="aac"),
    _Recipe("hevc.mkv", "matroska", "libx265", _X265),
    _Recipe("vp8.webm", "webm", "libvpx", _VPX),
    _Recipe("vp9.webm", "webm", "libvpx-vp9", _VPX, sound="libopus"),
    _Recipe("alpha.webm", "webm", "libvpx-vp9", _VPX, pixel_format="yuva420p"),
    _Recipe("mpeg4.avi", "avi", "mpeg4", {"bf": "2"}, sound="mp2"),
    _Recipe("mjpeg.avi", "avi", "mjpeg", {}, pixel_format="yuvj422p"),
    _Recipe("h264.ts", "mpegts", "libx264", _X264, sound="mp2"),
    _Recipe("mpeg2.ts", "mpegts", "mpeg2video", {"bf": "2", "g": "5"}),
    _Recipe("mpeg2.mpg", "mpeg", "mpeg2video", {"bf": "2", "g": "5"}, sound="mp2"),
    _Recipe("animated.gif", "gif", "gif", {}, pixel_format="rgb8"),
    _Recipe("animated.png", "apng", "apng", {}, pixel_format="rgba"),
    _Recipe("animated.webp", "webp", "libwebp_anim", {}, pixel_format="yuv420p"),
    _Recipe("refused.ogg", "ogg", "libvpx", _VPX),
    _Recipe("refused.flv", "flv", "flv", {}),
    _Recipe("refused.asf", "asf", "mpeg4", {}),
    _Recipe("refused.nut", "nut", "mpeg4", {}),
)

# MPEG-2 in a TS or PS knows only the rates of television.
_FIXED_RATE = {"mpeg2video": 25}

_TEXTS = {
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n",
    "script.txt": "ffconcat version 1.0\nfile other.mp4\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


def make_seeds() -> list[Seed]:
    """Encode every seed; takes a few seconds. Raises av.FFmpegError where an encoder is missing."""
    with tempfile.TemporaryDirectory(prefix="clipwarden-seeds-") as folder, _quiet_encoders():
        seeds = [Seed(recipe.name, _encode(recipe, Path(folder))) for recipe in _RECIPES]
    seeds += [Seed(f"still.{name}", _still(name)) for name in ("png", "jpeg", "webp", "gif")]
    seeds.append(Seed("sound.m4a", _sound_only()))
    seeds += [Seed(name, text.encode()) for name, text in _TEXTS.items()]
    return seeds


@contextmanager
def _quiet_encoders() -> Iterator[None]:
    """Keep SVT-AV1 from telling stderr what it is; no option of FFmpeg does."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "-1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before


def _encode(recipe: _Recipe, folder: Path) -> bytes:
    # A path and no file object: an index is moved to the front by reading the file again.
    path = folder / recipe.name
    options = {"fflags": "+bitexact", **recipe.container_options}
    with av.open(str(path), "w", format=recipe.container, options=options) as container:
        rate = _FIXED_RATE.get(recipe.codec, _RATE)
        options = recipe.codec_options | _ONE_THREAD
        stream = container.add_stream(recipe.codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = _WIDTH, _HEIGHT
        stream.pix_fmt = recipe.pixel_format
        stream.codec_context.time_base = Fraction(1, rate)
        if recipe.pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = recipe.pixel_aspect
        sound = _sound_stream(container, recipe.sound) if recipe.sound else None
        for index, picture in enumerate(_pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=recipe.pixel_format)
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _add_tone(container, sound, _FRAMES / rate)
    return path.read_bytes()


def _pictures() -> Iterator[NDArray[np.uint8]]:
    """Yield a textured ground with a block that moves, and another ground after a cut."""
    rng = np.random.default_rng(0)
    grounds = [
        np.kron(rng.integers(0, 256, (8, 12, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
        for _ in range(2)
    ]
    for index in range(_FRAMES):
        picture = grounds[2 * index // _FRAMES].copy()
        picture[20:44, 4 * index : 4 * index + 24] = 240
        yield picture


def _sound_stream(container: OutputContainer, codec: str) -> av.AudioStream:
    stream = container.add_stream(codec, rate=_SOUND_RATE, options={"b": "64k"})
    assert isinstance(stream, av.AudioStream)
    stream.layout = "mono"
    return stream


def _add_tone(container: OutputContainer, stream: av.AudioStream, length_s: float) -> None:
    sample_format = stream.codec_context.format.name
    kind = np.int16 if sample_format.startswith("s16") else np.float32
    times = np.arange(round(length_s * _SOUND_RATE)) / _SOUND_RATE
    samples = np.sin(2 * np.pi * 440 * times)
    samples = (samples * 20_000 if kind is np.int16 else samples).astype(kind)
    size = stream.codec_context.frame_size or _SOUND_BLOCK
    for start in range(0, len(samples) - size + 1, size):
        block = np.ascontiguousarray(samples[None, start : start + size])
        frame = av.AudioFrame.from_ndarray(block, format=sample_format, layout="mono")
        frame.sample_rate, frame.pts = _SOUND_RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _sound_only() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        _add_tone(container, _sound_stream(container, "aac"), 0.5)
    return out.getvalue()


def _still(image_format: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(next(_pictures())).save(out, image_format.upper())
    return out.getvalue()
