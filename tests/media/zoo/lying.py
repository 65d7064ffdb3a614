"""Files that are not what they say: names, sizes, shapes, codecs, contents."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction
from functools import partial as given
from pathlib import Path

import av
from PIL import Image

from tests import clips
from tests.clips import Encoding
from tests.media.zoo import boxes, matroska
from tests.media.zoo.damaged import H264, MEMORY, WHOLE, clip, damaged
from tests.media.zoo.entry import (
    BROKEN,
    TWO_SECONDS_MS,
    UNREADABLE,
    Entry,
    Outcome,
    content,
    done,
    either,
    entry,
    failed,
    survived,
)
from tests.media.zoo.matroska import Block, Matroska, Track
from tests.media.zoo.odd_matroska import hand_written
from tests.media.zoo.packets import write_with_sound

_STEPS = tuple(range(0, 2_000, 40))
_NO_VIDEO = failed("media.no_video_stream")
_UPRIGHT = done(TWO_SECONDS_MS)


def entries() -> list[Entry]:
    """Every lie."""
    return [*_names(), *_shapes(), *_codecs(), *_streams()]


def _names() -> list[Entry]:
    """The content decides, never the name."""
    names = {
        "mp4": ("mkv", "avi", "ts", "gif", "png", "ogg", "txt", "m3u8", "html"),
        "mkv": ("mp4", "webm", "flv", "wmv"),
        "avi": ("mp4", "mpg"),
        "ts": ("mp4", "jpg", "sdp"),
        "mpg": ("mkv", "mp3"),
    }
    lies = [
        entry(f"really-{kind}.{lie}", given(_renamed, kind=kind), WHOLE)
        for kind, lies in names.items()
        for lie in lies
    ]
    return [*lies, entry("no-extension", given(_renamed, kind="mp4"), WHOLE)]


def _shapes() -> list[Entry]:
    wide = replace(H264, pixel_aspect=Fraction(2, 1))
    portrait = done(TWO_SECONDS_MS, size=(240, 320))
    odd = [(321, 241), (1, 1), (2, 500), (500, 2), (16, 4096), (4096, 16)]
    found = [
        entry("pixels-twice-as-wide.mp4", given(_plain, encoding=wide), done(size=(640, 240))),
        # A shape that nobody films in is damage: the picture is shown as it is stored.
        damaged("pixels-flat-as-a-line", "mp4", given(_aspect, width=65_535, height=1), _UPRIGHT),
        damaged("pixels-high-as-a-line", "mp4", given(_aspect, width=1, height=65_535), _UPRIGHT),
        damaged("pixels-of-no-width", "mp4", given(_aspect, width=0, height=0), _UPRIGHT),
        damaged("pixels-beyond-numbers", "mp4",
                given(_aspect, width=2**32 - 1, height=2**31), _UPRIGHT),
        entry("turned-a-quarter.mp4", given(_turned, quarters=1), portrait),
        entry("turned-upside-down.mp4", given(_turned, quarters=2), done(size=(320, 240))),
        entry("turned-an-eighth.mp4", given(_matrix, matrix=(46341, 46341, -46341, 46341)),
              either(_UPRIGHT, portrait)),
        entry("turned-out-of-sight.mp4", given(_matrix, matrix=(0, 0, 0, 0)), _UPRIGHT),
        entry("sheared.mp4", given(_matrix, matrix=(65536, 2**31 - 1, 7, -65536)),
              done(TWO_SECONDS_MS, size=None)),
        entry("mirrored.mp4", given(_matrix, matrix=(-65536, 0, 0, 65536)), _UPRIGHT),
    ]  # fmt: skip
    for width, height in odd:
        size = (width, height)
        found.append(
            entry(
                f"of-{width}x{height}.mkv",
                given(_plain, encoding=Encoding("ffv1", "yuv444p", codec_options={}), size=size),
                done(size=size),
            )
        )
    return found


def _codecs() -> list[Entry]:
    def mp4(name: str, old: bytes, new: bytes, outcome: Outcome) -> Entry:
        return damaged(name, "mp4", lambda data: data.replace(old, new), outcome)

    loss = either(failed(*BROKEN), replace(WHOLE, statuses=frozenset({"done", "partial"})))
    return [
        mp4("h264-called-hevc", b"avc1", b"hvc1", survived()),
        mp4("h264-called-mpeg4", b"avc1", b"mp4v", survived()),
        mp4("h264-called-prores", b"avc1", b"apch", survived(MEMORY)),
        mp4("h264-called-raw", b"avc1", b"2vuy", survived(MEMORY)),
        mp4("h264-called-nothing-known", b"avc1", b"zzzz", loss),
        mp4("says-it-is-encrypted", b"avc1", b"encv", failed(*UNREADABLE)),
        damaged("encrypted", "mp4", _encrypted, failed(*UNREADABLE)),
        damaged("video-called-sound", "mp4", lambda data: data.replace(b"vide", b"soun"),
                survived()),
        damaged("mpeg4-called-h264", "avi", _avi_codec, survived()),
        content("vp8-called-vp9.mkv", lambda: hand_written(Track("V_VP9")), survived()),
        content("vp8-called-av1.mkv", lambda: hand_written(Track("V_AV1")), survived()),
        content("vp8-called-h264.mkv", lambda: hand_written(Track("V_MPEG4/ISO/AVC")), survived()),
        content("vp8-called-raw.mkv",
                lambda: hand_written(Track("V_UNCOMPRESSED", video=_RGB24)), survived()),
        content("codec-of-nobody.mkv", lambda: hand_written(Track("V_NOBODY")),
                failed(*UNREADABLE, *_NO_VIDEO.codes)),
        entry("vp8-in-mp4s-clothes.mp4", given(_renamed, kind="webm"), WHOLE),
    ]  # fmt: skip


def _streams() -> list[Entry]:
    return [
        entry("sound-only.mp4", clips.write_sound_only, _NO_VIDEO),
        entry("sound-only.mkv", given(_sound, container_format="matroska"), _NO_VIDEO),
        entry("sound-only.ts", given(_sound, container_format="mpegts"), _NO_VIDEO),
        entry("sound-only.avi", given(_sound, container_format="avi"), _NO_VIDEO),
        entry("sound.wav", given(_sound_file, codec="pcm_s16le"), failed(*UNREADABLE)),
        entry("sound.mp3.mp4", given(_sound_file, codec="adpcm_ima_wav"), failed(*UNREADABLE)),
        entry("sound-with-cover.m4a", _cover_in_mp4, _NO_VIDEO),
        entry("sound-with-cover.mkv", _cover_in_matroska, _NO_VIDEO),
        entry("sound-outlasts-the-picture.mp4", given(write_with_sound, picture_s=2, sound_s=6),
              done(TWO_SECONDS_MS, duration_ms=(1_900, 2_100))),
        entry("picture-outlasts-the-sound.mp4", given(write_with_sound, picture_s=2, sound_s=1),
              done(TWO_SECONDS_MS, duration_ms=(1_900, 2_100))),
        content("subtitles-only.mkv", _subtitles, _NO_VIDEO),
        content("no-tracks.mkv", lambda: Matroska([], []).written(), failed(*BROKEN)),
        content("no-pictures.mkv", lambda: Matroska([]).written(), failed(*BROKEN)),
        content("empty-pictures.mkv",
                lambda: Matroska([Block(time, b"") for time in _STEPS]).written(),
                failed(*BROKEN)),
    ]  # fmt: skip


_RGB24 = matroska.element(0x2EB524, b"RGB\x18")


def _renamed(path: Path, kind: str) -> None:
    path.write_bytes(clip(kind))


def _plain(path: Path, encoding: Encoding, size: tuple[int, int] = (320, 240)) -> None:
    picture = clips.plain(clips.RED, *size)
    clips.write_clip(path, ((Fraction(index, 10), picture) for index in range(20)), encoding)


def _turned(path: Path, quarters: int) -> None:
    path.write_bytes(clip("mp4"))
    clips.rotate_mp4(path, quarters)


def _matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = matrix
    data = clip("mp4")
    packed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(boxes.overwrite(data, b"tkhd", 48, packed))


def _aspect(data: bytes, width: int, height: int) -> bytes:
    """Say how wide a pixel is: the box stands behind the codec's settings in its description."""
    pasp = boxes.box(b"pasp", struct.pack(">II", width, height))
    start, end = boxes.find(data, b"stsd")
    old = data[start:end]
    at = old.find(b"pasp")
    kept = old if at < 0 else old[: at - 4] + old[at + 12 :]
    description = kept[16:]
    inner = boxes.box(description[4:8], description[8:] + pasp)
    return boxes.replace(data, b"stsd", boxes.box(b"stsd", kept[8:16] + inner))


def _encrypted(data: bytes) -> bytes:
    """Mark the video as encrypted by Common Encryption (ISO/IEC 23001-7), and scramble it."""
    scheme = boxes.full_box(b"schm", b"cenc\0\1\0\0")
    keys = boxes.full_box(b"tenc", b"\0\0\1\x08" + bytes(range(16)))
    info = boxes.box(b"frma", b"avc1") + scheme + boxes.box(b"schi", keys)
    start, end = boxes.find(data, b"stsd")
    description = data[start + 16 : end]
    inner = boxes.box(b"encv", description[8:] + boxes.box(b"sinf", info))
    marked = boxes.replace(data, b"stsd", boxes.box(b"stsd", data[start + 8 : start + 16] + inner))
    first, last = boxes.find(marked, b"mdat")
    scrambled = bytes(byte ^ 0x5A for byte in marked[first + 8 : last])
    return marked[: first + 8] + scrambled + marked[last:]


def _avi_codec(data: bytes) -> bytes:
    return data.replace(b"FMP4", b"H264")


def _sound(path: Path, container_format: str) -> None:
    clips.write_sound_only(path, container_format=container_format)


def _sound_file(path: Path, codec: str) -> None:
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format="s16p" if codec.startswith("adpcm") else "s16",
                              layout="mono", samples=1024)  # fmt: skip
        frame.sample_rate = 48_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux([*stream.encode(frame), *stream.encode()])


def _jpeg() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (64, 64), clips.RED).save(written, "JPEG")
    return written.getvalue()


def _cover_in_mp4(path: Path) -> None:
    """Put the cover where iTunes puts it: in the metadata of the file."""
    clips.write_sound_only(path)
    cover = boxes.box(b"data", struct.pack(">II", 13, 0) + _jpeg())
    listed = boxes.box(b"ilst", boxes.box(b"covr", cover))
    handler = boxes.full_box(b"hdlr", bytes(4) + b"mdirappl" + bytes(9))
    meta = boxes.box(b"udta", boxes.full_box(b"meta", handler + listed))
    path.write_bytes(boxes.insert_in(path.read_bytes(), b"moov", meta))


def _cover_in_matroska(path: Path) -> None:
    with av.open(str(path), "w") as container:
        container.add_attachment("cover.jpg", "image/jpeg", _jpeg())
        clips.add_tone(container, 1.0)


def _subtitles() -> bytes:
    track = Track("S_TEXT/UTF8", kind=17)
    return Matroska([Block(time, b"words") for time in _STEPS], [track]).written()
