"""Sound files in every container and codec that PyAV writes: those we take and those we refuse."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av

from tests import clips
from tests.media.zoo.entry import TWO_SECONDS_MS, UNREADABLE, Entry, done, either, entry, failed

FPS = 25


@dataclass(frozen=True)
class Recipe:
    """How to write a clip: the muxer, the encoder and the form of its pixels."""

    muxer: str
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (320, 240)
    options: tuple[tuple[str, str], ...] = ()
    muxer_options: tuple[tuple[str, str], ...] = ()
    fps: int = FPS

    @property
    def name(self) -> str:
        """What the file is called."""
        flags = "-".join(value for _, value in self.muxer_options)
        parts = [self.codec, self.pixel_format, flags.replace("+", "-")]
        return f"{'-'.join(part for part in parts if part)}.{self.muxer}"


QUICK = (("preset", "ultrafast"),)
SVT = (("preset", "12"), ("svtav1-params", "log-level=0"))
REALTIME = (("deadline", "realtime"), ("cpu-used", "8"))
SILENT = (("preset", "ultrafast"), ("x265-params", "log-level=none"))
PAL = (720, 576)

TAKEN = (
    Recipe("mp4", options=QUICK),
    Recipe("mp4", options=QUICK, muxer_options=(("movflags", "frag_keyframe+empty_moov"),)),
    Recipe("mp4", options=QUICK, muxer_options=(("movflags", "faststart"),)),
    Recipe("mp4", "libx264", "yuv420p10le", options=QUICK),
    Recipe("mp4", "libx264", "yuv444p", options=QUICK),
    Recipe("mp4", "libx264rgb", "rgb24", options=QUICK),
    Recipe("mp4", "libx265", options=SILENT),
    Recipe("mp4", "libx265", "yuv420p10le", options=SILENT),
    Recipe("mp4", "libsvtav1", options=SVT),
    Recipe("mp4", "libvpx-vp9", options=REALTIME),
    Recipe("mp4", "mpeg4"),
    Recipe("mov", "mjpeg", "yuvj420p"),
    Recipe("mov", "prores_ks", "yuv422p10le"),
    Recipe("mov", "prores_ks", "yuva444p10le"),
    Recipe("mov", "dnxhd", "yuv422p", options=(("profile", "dnxhr_lb"),)),
    Recipe("mov", "qtrle", "rgb24"),
    Recipe("mov", "rawvideo", "uyvy422"),
    Recipe("mov", "png", "rgb24"),
    Recipe("mov", "jpeg2000", "rgb24"),
    Recipe("matroska", options=QUICK),
    Recipe("matroska", "ffv1", "gray16le"),
    Recipe("matroska", "rawvideo"),
    Recipe("matroska", "mpeg2video"),
    Recipe("webm", "libvpx", options=REALTIME),
    Recipe("webm", "libvpx-vp9", "yuva420p", options=REALTIME),
    Recipe("webm", "libsvtav1", options=SVT),
    Recipe("avi", "mpeg4"),
    Recipe("avi", "mjpeg", "yuvj422p"),
    Recipe("avi", "rawvideo", "bgr24"),
    Recipe("avi", "huffyuv", "rgb24"),
    Recipe("avi", "ffv1"),
    Recipe("avi", "utvideo", "gbrp"),
    Recipe("avi", "msmpeg4v2"),
    Recipe("avi", "wmv2"),
    Recipe("avi", "libx264", options=QUICK),
    Recipe("avi", "dvvideo", size=PAL),
    Recipe("mpegts", options=QUICK),
    Recipe("mpegts", "libx265", options=SILENT),
    Recipe("mpegts", "mpeg2video"),
    Recipe("mpegts", "mpeg2video", muxer_options=(("mpegts_m2ts_mode", "1"),)),
    Recipe("mpeg", "mpeg1video"),
    Recipe("vob", "mpeg2video"),
    Recipe("3gp", "h263", size=(176, 144)),
    Recipe("f4v", options=QUICK),
    Recipe("ismv", options=QUICK),
    Recipe("gif", "gif", "rgb8"),
)

LOOKS_LIKE_AN_IMAGE = (Recipe("apng", "apng", "rgb24"),)
"""Moving pictures of an image format: taken where the installation takes images."""

REFUSED = (
    Recipe("ogg", "libvpx", options=REALTIME),
    Recipe("flv", "flv"),
    Recipe("flv", options=QUICK),
    Recipe("asf", "wmv2"),
    Recipe("nut", "mpeg4"),
    Recipe("yuv4mpegpipe", "wrapped_avframe"),
    Recipe("h264", options=QUICK),
    Recipe("hevc", "libx265", options=SILENT),
    Recipe("m4v", "mpeg4"),
    Recipe("obu", "libsvtav1", options=SVT),
    Recipe("mpeg1video", "mpeg1video"),
    Recipe("mxf", "mpeg2video"),
    Recipe("gxf", "mjpeg", "yuvj422p", size=PAL),
    Recipe("ivf", "libvpx", options=REALTIME),
    Recipe("rm", "rv10"),
    Recipe("swf", "flv"),
    Recipe("wtv", "mpeg2video"),
    Recipe("dv", "dvvideo", size=PAL),
    Recipe("mpjpeg", "mjpeg", "yuvj420p"),
    Recipe("smjpeg", "mjpeg", "yuvj420p"),
    Recipe("h263", "h263", size=(176, 144)),
    Recipe("rawvideo", "rawvideo"),
)


def write(path: Path, recipe: Recipe, length_s: float = 2.0) -> Path:
    """Write a clip whose pictures carry their times."""
    with av.open(
        str(path), "w", format=recipe.muxer, options=dict(recipe.muxer_options)
    ) as container:
        stream = container.add_stream(
            recipe.codec, rate=recipe.fps, options={"g": "10", **dict(recipe.options)}
        )
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = recipe.size
        stream.pix_fmt = recipe.pixel_format
        for index in range(round(length_s * recipe.fps)):
            picture = clips.time_code(index * 1000 // recipe.fps, *recipe.size)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=recipe.pixel_format)
            frame.time_base = Fraction(1, recipe.fps)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _shown(recipe: Recipe) -> tuple[int, int]:
    """PAL's pixels are wider than high; a 3GP's are as 12:11 as its codec says, or square."""
    return recipe.size


def entries() -> list[Entry]:
    """One file for each recipe."""
    taken = [
        entry(one.name, partial(write, recipe=one), done(TWO_SECONDS_MS, timed=True, size=size))
        for one in TAKEN
        for size in [None if one.size != (320, 240) else _shown(one)]
    ]
    images = [
        entry(
            one.name,
            partial(write, recipe=one),
            either(done(TWO_SECONDS_MS, timed=True), failed(*UNREADABLE)),
        )
        for one in LOOKS_LIKE_AN_IMAGE
    ]
    refused = [
        entry(f"refused-{one.name}", partial(write, recipe=one), failed(*UNREADABLE))
        for one in REFUSED
    ]
    return taken + images + refused
