"""The same video in other clothes: what was found in it must stay what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.clips import BLACK, Encoding, Picture, plain, write_clip

_FINE = Encoding(time_base=Fraction(1, 90_000), codec_options={"preset": "fast", "crf": "16"})
_COARSE = Encoding(time_base=Fraction(1, 90_000), codec_options={"preset": "fast", "crf": "28"})

_BAR_SHARE = 6
"""Each bar has this part of the picture's height."""


def later_by_a_second(source: Path, target: Path) -> Path:
    """Copy the packets, all timestamps a second later."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        assert stream.time_base is not None
        copied = written.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts += round(1 / stream.time_base)
            packet.dts += round(1 / stream.time_base)
            packet.stream = copied
            written.mux(packet)
    return target


def with_bars(source: Path, target: Path) -> Path:
    """Add black bars above and below."""

    def barred(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        bar = plain(BLACK, width, height // _BAR_SHARE // 2 * 2)
        return np.concatenate([bar, picture, bar])

    return _encoded_again(source, target, barred, _FINE)


def at_a_lower_bit_rate(source: Path, target: Path) -> Path:
    """Encode again, so coarsely that it can be seen."""
    return _encoded_again(source, target, lambda picture: picture, _COARSE)


def after_a_black_second(source: Path, target: Path) -> Path:
    """Put a second of black before it."""

    def pictures() -> Iterator[tuple[Fraction, Picture]]:
        for index, (time_s, picture) in enumerate(_pictures(source)):
            if index == 0:
                height, width = picture.shape[:2]
                for tenth in range(10):
                    yield Fraction(tenth, 10), plain(BLACK, width, height)
            yield time_s + 1, picture

    return write_clip(target, pictures(), _FINE)


def _encoded_again(
    source: Path, target: Path, change: Callable[[Picture], Picture], encoding: Encoding
) -> Path:
    changed = ((time_s, change(picture)) for time_s, picture in _pictures(source))
    return write_clip(target, changed, encoding)


def _pictures(source: Path) -> Iterator[tuple[Fraction, Picture]]:
    """The pictures of a video and their times since the first one."""
    with av.open(str(source)) as container:
        first: Fraction | None = None
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            time_s = frame.pts * frame.time_base
            first = time_s if first is None else first
            yield time_s - first, frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
