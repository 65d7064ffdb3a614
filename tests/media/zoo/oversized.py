"""Few bytes that promise, or really hold, too much: pixels, frames, hours, streams."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from functools import partial as given
from pathlib import Path

import av
from PIL import Image

from tests import clips
from tests.media.zoo import boxes, images, matroska
from tests.media.zoo.damaged import MEMORY, WHOLE, clip, damaged
from tests.media.zoo.entry import (
    BROKEN,
    TOO_LARGE,
    UNREADABLE,
    Entry,
    content,
    done,
    either,
    entry,
    failed,
    partial,
    survived,
)
from tests.media.zoo.matroska import Block, Matroska, Track
from tests.media.zoo.packets import vp8_packets

_FEW_PX = (64, 48)
_HUGE = 16_384
_TOO_MANY = failed("media.too_many_streams")
_BOMB = failed(*TOO_LARGE, *BROKEN)
_STEPS = tuple(range(0, 2_000, 40))


def entries() -> list[Entry]:
    """Bombs of every dimension."""
    return [*_headers(), *_pictures(), *_lengths(), *_streams()]


def _headers() -> list[Entry]:
    """Sizes that only a header claims: the pictures behind it are small."""
    return [
        damaged("says-it-is-huge", "mp4", _claim_in_mp4, either(replace(WHOLE, size=None), _BOMB)),
        content(
            "says-it-is-huge.mkv",
            lambda: _vp8(Track(size=(100_000, 100_000))),
            either(replace(WHOLE, size=None), _BOMB),
        ),
        content(
            "says-it-is-endless.mkv",
            lambda: _vp8(Track(size=(2**62, 2**62))),
            either(replace(WHOLE, size=None), _BOMB),
        ),
        content("says-it-has-no-size.mkv", lambda: _vp8(Track(size=(0, 0))), either(WHOLE, _BOMB)),
        damaged("says-it-is-huge", "avi", _claim_in_avi, either(replace(WHOLE, size=None), _BOMB)),
        content(
            "raw-and-huge.mkv",
            lambda: Matroska(
                [Block(0, b"tiny")], [Track("V_UNCOMPRESSED", (_HUGE, _HUGE), video=_I420)]
            ).written(),
            _BOMB,
        ),
    ]


def _pictures() -> list[Entry]:
    """Pictures that really are that large, or whose own headers say so."""
    # What came before the bomb may be kept or not; that it is there has to be said.
    halfway = either(partial(frames=(1, 3), size=None), failed(*TOO_LARGE))
    return [
        content("png-bomb.mkv", _png_bomb, failed(*TOO_LARGE)),
        content("vp8-says-it-is-huge.webm", lambda: _vp8_grows(0), failed(*TOO_LARGE)),
        content("vp8-grows-huge.webm", lambda: _vp8_grows(20), halfway),
        entry("grows-to-4k.ts", _grows, done(None, frames=(4, 5), size=(320, 240))),
        content("grows-and-shrinks-each-second.webm", _changes, done(None, frames=(4, 4))),
        content("packed-bomb.mkv", _packed_bomb, survived(MEMORY)),
        content("jpegs-say-they-are-huge.mkv", _jpeg_grows, halfway),
        entry("compressed-index.mov", given(_compressed_index, size=None), WHOLE),
        entry(
            "compressed-index-bomb.mov",
            given(_compressed_index, size=2**28),
            failed(*MEMORY, *TOO_LARGE, "media.decoding_timed_out"),
        ),
        content("gif-bomb.mp4", lambda: images.gif((65_535, 65_535), 3), failed(*TOO_LARGE)),
    ]


def _lengths() -> list[Entry]:
    return [
        entry("terabyte-of-nothing.mp4", _sparse, failed("media.too_many_bytes", *BROKEN)),
        content("hundred-thousand-tiny.mkv", given(_tiny, 100_000, 1), done(
            None, frames=(200, 201), size=_FEW_PX)),
        content("nine-hours-of-a-still.mkv", given(_tiny, 540, 60_000), done(
            None, frames=(540, 540), duration_ms=(32_000_000, 33_000_000), size=_FEW_PX)),
        # Some limit has to end it, or it has to be done: a year is 3,000 of these pictures.
        content("a-year-of-a-still.mkv", given(_tiny, 3_000, 10_512_000), either(
            done(None, size=_FEW_PX), failed("media.too_long", "media.too_many_frames"))),
    ]  # fmt: skip


def _streams() -> list[Entry]:
    many = either(done(None, frames=(1, 4), size=_FEW_PX), _TOO_MANY)
    return [
        content("hundred-videos.mkv", given(_many_tracks, 120), many),
        entry("two-hundred-videos.mp4", given(_many_streams, streams=200), many),
        content(
            "videos-by-the-thousand.mkv",
            given(_many_tracks, 120, repeated=40),
            either(many, failed(*BROKEN)),
        ),
        damaged(
            "programs-by-the-thousand",
            "ts",
            _many_programs,
            either(WHOLE, _TOO_MANY, failed(*UNREADABLE)),
        ),
    ]


_I420 = matroska.element(0x2EB524, b"I420")


def _vp8(track: Track) -> bytes:
    packets = vp8_packets(_STEPS)
    blocks = [
        Block(time, packet.data, packet.keyframe)
        for time, packet in zip(_STEPS, packets, strict=True)
    ]
    return Matroska(blocks, [track]).written()


def _claim_in_mp4(data: bytes) -> bytes:
    data = boxes.overwrite(data, b"tkhd", 84, struct.pack(">II", 65_535 << 16, 65_535 << 16))
    return boxes.overwrite(data, b"stsd", 16 + 32, struct.pack(">HH", 65_535, 65_535))


def _claim_in_avi(data: bytes) -> bytes:
    at = data.index(b"strf") + 8 + 4
    return data[:at] + struct.pack("<II", 65_000, 65_000) + data[at + 8 :]


def _png_bomb() -> bytes:
    picture = images.png(_HUGE, _HUGE)
    track = Track("V_MS/VFW/FOURCC", (_HUGE, _HUGE), private=_bitmap_settings(b"MPNG"))
    return Matroska([Block(time, picture) for time in (0, 500, 1000)], [track]).written()


def _bitmap_settings(fourcc: bytes) -> bytes:
    return struct.pack("<IiiHH4sIiiII", 40, _HUGE, _HUGE, 1, 24, fourcc, 0, 0, 0, 0, 0)


def _vp8_grows(from_picture: int) -> bytes:
    """Make the key frames from one on say that they are as large as VP8 allows."""
    blocks = []
    for index, (time, packet) in enumerate(zip(_STEPS, vp8_packets(_STEPS), strict=True)):
        coded = packet.data
        if packet.keyframe and index >= from_picture:
            coded = coded[:6] + struct.pack("<HH", 16_383, 16_383) + coded[10:]
        blocks.append(Block(time, coded, packet.keyframe))
    return Matroska(blocks).written()


def _changes() -> bytes:
    """Four sizes in turn, half a second each."""
    sizes = [(320, 240), (64, 48), (640, 360), (48, 320)]
    blocks = [
        Block(500 * index + time, packet.data, packet.keyframe)
        for index, size in enumerate(sizes)
        for time, packet in zip(
            range(0, 500, 40), vp8_packets(tuple(range(0, 500, 40)), size), strict=True
        )
    ]
    return Matroska(blocks).written()


def _grows(path: Path) -> None:
    small = clip("ts")
    picture = clips.plain(clips.BLUE, 3840, 2160)
    clips.write_clip(path, [(Fraction(index, 25), picture) for index in range(5)])
    path.write_bytes(small + path.read_bytes())


def _jpeg_grows() -> bytes:
    """Motion JPEG whose later pictures say that they are as large as a JPEG can be."""
    written = io.BytesIO()
    Image.fromarray(clips.time_code(0)).save(written, "JPEG")
    small = written.getvalue()
    at = small.index(b"\xff\xc0") + 5
    huge = small[:at] + struct.pack(">HH", 65_500, 65_500) + small[at + 4 :]
    blocks = [Block(time, small if time < 800 else huge) for time in _STEPS]
    return Matroska(blocks, [Track("V_MJPEG")]).written()


def _compressed_index(path: Path, size: int | None) -> None:
    """Pack the index as QuickTime does ("cmov"): the real one, or as many zeros as are wanted."""
    data = clip("mp4")
    start, end = boxes.find(data, b"moov")
    packer = zlib.compressobj(9)
    if size is None:
        packed, size = packer.compress(data[start:end]), end - start
    else:
        packed = b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20))
    method = boxes.box(b"dcom", b"zlib")
    index = boxes.box(b"cmvd", struct.pack(">I", size) + packed + packer.flush())
    moov = boxes.box(b"moov", boxes.box(b"cmov", method + index))
    path.write_bytes(data[:start] + moov + data[end:])


def _sparse(path: Path) -> None:
    """A terabyte of zeros that takes no room."""
    path.write_bytes(clip("mp4"))
    os.truncate(path, 2**40)


def _packed_bomb() -> bytes:
    """A track packed by zlib, each of whose packets unpacks to 200 MB."""

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
    algorithm = matroska.element(0x5034, matroska.unsigned(0x4254, 0))
    encodings = matroska.element(0x6D80, matroska.element(0x6240, algorithm))
    return Matroska(
        [Block(time, packed) for time in (0, 500, 1000)], [Track(more=encodings)]
    ).written()


def _tiny(count: int, step_ms: int) -> bytes:
    """The same small picture again and again."""
    [packet] = vp8_packets((0,), _FEW_PX)
    blocks = (Block(index * step_ms, packet.data) for index in range(count))
    return Matroska(list(blocks), [Track(size=_FEW_PX)]).written()


def _many_tracks(count: int, repeated: int = 1) -> bytes:
    """As many tracks as a block's number in one byte can name, or each of them again."""
    [packet] = vp8_packets((0,), _FEW_PX)
    tracks = [Track(size=_FEW_PX, number=1 + index) for index in range(count)] * repeated
    blocks = [Block(0, packet.data, track=1 + index) for index in range(count)]
    return Matroska(blocks, tracks).written()


def _many_streams(path: Path, streams: int) -> None:
    with av.open(str(path), "w") as container:
        added = []
        for _ in range(streams):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height = _FEW_PX
            stream.pix_fmt = "yuv420p"
            added.append(stream)
        for stream in added:
            frame = av.VideoFrame.from_ndarray(clips.plain(clips.RED, *_FEW_PX), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode()])


def _many_programs(data: bytes) -> bytes:
    """Put a table in front that lists forty programs, two thousand times another forty."""
    tables = []
    for number in range(50):
        programs = b"".join(
            struct.pack(">HH", 1 + 40 * number + index, 0xE000 | 256 + 40 * number + index)
            for index in range(40)
        )
        section = struct.pack(">HBBB", 1, 0xC1 | (number % 32) << 1, 0, 0) + programs
        body = b"\0" + struct.pack(">H", 0xB000 | len(section) + 4) + section
        packet = b"\x47\x40\x00\x10\0" + body + struct.pack(">I", _crc32_mpeg(body))
        tables.append(packet + b"\xff" * (boxes.TS_PACKET_BYTES - len(packet)))
    return b"".join(tables) + data


def _crc32_mpeg(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc
