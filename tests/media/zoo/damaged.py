"""Files that were whole once: cut off, overwritten, with an index of nonsense, joined."""

from __future__ import annotations

import functools
import random
import struct
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial as given
from pathlib import Path

from tests import clips
from tests.clips import Encoding
from tests.media.zoo import boxes
from tests.media.zoo.entry import (
    BROKEN,
    CUT_OFF,
    TWO_SECONDS_MS,
    Entry,
    Outcome,
    done,
    either,
    entry,
    failed,
    partial,
    survived,
)

GOP_10 = {"preset": "ultrafast", "g": "10"}
H264 = Encoding(codec_options=GOP_10)
INDEX_FIRST = replace(H264, container_options={"movflags": "faststart"})
FRAGMENTS = replace(H264, container_options={"movflags": "frag_keyframe+empty_moov"})
REORDERED = Encoding(codec_options={"preset": "medium", "bf": "3", "g": "10"})
VP8 = Encoding(codec="libvpx", codec_options={"deadline": "realtime", "cpu-used": "8", "g": "10"})
MPEG4 = Encoding(codec="mpeg4", time_base=Fraction(1, 25), codec_options={"g": "10"})
MPEG2 = Encoding(codec="mpeg2video", time_base=Fraction(1, 25), codec_options={"g": "10"})
ENCODINGS = {
    "mp4": H264,
    "reordered.mp4": REORDERED,
    "index-first.mp4": INDEX_FIRST,
    "fragments.mp4": FRAGMENTS,
    "mkv": H264,
    "webm": VP8,
    "avi": MPEG4,
    "ts": H264,
    "mpg": MPEG2,
}
KINDS = ("index-first.mp4", "fragments.mp4", "mkv", "webm", "avi", "ts", "mpg")

MEMORY = BROKEN | {"media.out_of_memory"}
Surgery = Callable[[bytes], bytes]
WHOLE = done(TWO_SECONDS_MS, timed=True)


@functools.cache
def clip(kind: str, length_s: float = 2.0) -> bytes:
    """Return a clip of one of the kinds above, with time codes, a key frame every ten."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"clip.{kind}")
        times = clips.constant_times(25, length_s)
        return clips.write_timed(path, times, ENCODINGS[kind]).read_bytes()


def operated(path: Path, kind: str, surgery: Surgery, length_s: float = 2.0) -> None:
    """Write a clip whose bytes were changed."""
    path.write_bytes(surgery(clip(kind, length_s)))


def damaged(
    name: str, kind: str, surgery: Surgery, outcome: Outcome, length_s: float = 2.0
) -> Entry:
    """The entry of a clip whose bytes were changed; `kind` also ends its name."""
    make = given(operated, kind=kind, surgery=surgery, length_s=length_s)
    return entry(f"{name}.{kind}", make, outcome)


def entries() -> list[Entry]:
    """Every damage to every kind of file that it fits."""
    return [*_cut_off(), *_overwritten(), *_indexes(), *_added_to(), *_transport_streams()]


def _mp4(name: str, surgery: Surgery, outcome: Outcome, kind: str = "mp4") -> Entry:
    return damaged(name, kind, surgery, outcome)


def _cut_off() -> list[Entry]:
    found = []
    for kind in KINDS:
        # A stream has no header that says how long it is: its end is where it is cut.
        whole = kind in {"ts", "mpg"}
        for percent, frames in ((10, (1, 2)), (50, (4, 8)), (90, (8, 10))):
            right = partial(frames=frames)
            if whole:
                right = _loose(right, done(None, frames=frames))
            elif percent == 10:
                right = either(right, failed(*CUT_OFF))
            keep = given(_first_part, part=percent / 100)
            found.append(damaged(f"first-{percent}-percent", kind, keep, right, 5.0))
        right = _loose(WHOLE, partial(frames=(4, 4)))
        found.append(damaged("without-its-last-byte", kind, _without_its_last_byte, right))
    return [
        *found,
        _mp4("index-missing", lambda data: _first_part(data, 0.5), failed(*CUT_OFF)),
        _mp4("index-only", _header_only, failed(*CUT_OFF), "index-first.mp4"),
        _mp4("pictures-only", _without_index, failed(*CUT_OFF)),
    ]


def _overwritten() -> list[Entry]:
    found = []
    slightly = replace(survived(), frames=(3, 6), duration_ms=(1_500, 3_500))
    for kind in KINDS:
        # In a stream of fragments the zeros are a box that reaches to the end of the file.
        frames = (3, 6) if kind == "fragments.mp4" else (4, 6)
        # AVI only counts its frames: what follows those that are lost comes early.
        zeros = partial(frames=frames, timed=kind != "avi")
        surgeries: dict[str, tuple[Surgery, Outcome]] = {
            "zeros-in-the-middle": (_zeros, zeros),
            "few-bit-errors": (given(_bit_errors, per_million=30), slightly),
            "many-bit-errors": (given(_bit_errors, per_million=10_000), survived()),
            "first-kilobyte-gone": (lambda data: bytes(1024) + data[1024:], survived()),
        }
        for name, (surgery, right) in surgeries.items():
            found.append(damaged(name, kind, surgery, right, 3.0))
    return [
        *found,
        _mp4("first-shots-gone", _first_gops_gone, partial(frames=(2, 5))),
        _mp4("all-pictures-gone", _pictures_zeroed, failed(*BROKEN)),
        _mp4("codec-settings-gone", _settings_gone, failed(*BROKEN)),
    ]


def _loose(*outcomes: Outcome) -> Outcome:
    """Any of these, of which the whole one needs no warning."""
    return replace(either(*outcomes), warnings=frozenset())


def _indexes() -> list[Entry]:
    absurd = b"\xff\xff\xff\xf0"
    lost = either(partial(timed=False, size=None), failed(*BROKEN))
    return [
        _mp4("offsets-behind-the-end", _tables({b"stco": (16, absurd)}), failed(*BROKEN)),
        _mp4("offsets-into-the-index", _tables({b"stco": (16, b"\0\0\0\x04")}), survived()),
        _mp4("offsets-counted-wrong", _tables({b"stco": (12, absurd)}), survived()),
        _mp4("sizes-absurd", _tables({b"stsz": (20, absurd * 3)}), lost),
        _mp4("sizes-all-alike", _tables({b"stsz": (12, b"\x7f\xff\xff\xff")}), survived()),
        _mp4("sizes-zero", _tables({b"stsz": (20 + 4 * 20, bytes(4 * 5))}), survived()),
        _mp4("sizes-counted-wrong", _tables({b"stsz": (16, absurd)}), survived()),
        _mp4("times-counted-wrong", _tables({b"stts": (12, absurd)}), survived(MEMORY)),
        _mp4("chunks-absurd", _tables({b"stsc": (16, absurd * 3)}), survived()),
        _mp4("settings-counted-wrong", _tables({b"stsd": (12, absurd)}), survived()),
        _mp4("key-frames-absurd", _tables({b"stss": (16, absurd)}), either(WHOLE, survived())),
        _mp4("boxes-without-end", lambda data: data + boxes.box(b"free", b"")[:4] + b"\0", WHOLE),
        _mp4("boxes-a-thousand-deep", _deep, either(WHOLE, failed(*BROKEN))),
        _mp4("boxes-of-negative-length", _negative_box, survived()),
        damaged("cues-absurd", "mkv", _cues_absurd, WHOLE),
        damaged("index-absurd", "avi", _idx1_absurd, survived()),
        damaged(
            "index-missing",
            "avi",
            lambda data: data[: data.rindex(b"idx1")],
            _loose(WHOLE, partial(frames=(4, 4))),
        ),
    ]


def _added_to() -> list[Entry]:
    noise = random.Random(7).randbytes(3_000)
    # A stream without a table of contents has no end: what follows it may be lost packets.
    whole = _loose(WHOLE, partial(frames=(4, 5)))
    joined = _loose(done(None, frames=(4, 8)), partial(frames=(4, 8)))
    found = []
    for kind in KINDS:
        found += [
            damaged("rubbish-behind", kind, lambda data: data + noise, whole),
            damaged("rubbish-before", kind, lambda data: noise + data, survived()),
            damaged("twice", kind, lambda data: data + data, joined),
        ]
    return found


def _transport_streams() -> list[Entry]:
    def ts(name: str, surgery: Surgery, outcome: Outcome) -> Entry:
        return damaged(name, "ts", surgery, outcome, 3.0)

    return [
        ts("every-tenth-packet-lost", _every_tenth_lost, partial(frames=(3, 6))),
        ts("shuffled", _shuffled, survived()),
        ts("starts-in-the-middle", _second_half, replace(survived(), frames=(2, 4))),
        ts("starts-inside-a-packet", lambda data: data[100:], replace(survived(), frames=(4, 6))),
        ts("without-its-tables", _without_tables, survived()),
    ]


def _first_part(data: bytes, part: float) -> bytes:
    return data[: int(len(data) * part)]


def _without_its_last_byte(data: bytes) -> bytes:
    return data[:-1]


def _header_only(data: bytes) -> bytes:
    start, _ = boxes.find(data, b"mdat")
    return data[: start + 8]


def _without_index(data: bytes) -> bytes:
    return data[: boxes.find(data, b"moov")[0]]


def _zeros(data: bytes) -> bytes:
    first, last = int(len(data) * 0.45), int(len(data) * 0.55)
    return data[:first] + bytes(last - first) + data[last:]


def _bit_errors(data: bytes, per_million: int) -> bytes:
    """Flip bits everywhere but in the first kilobyte, which holds what can't be decoded without."""
    chance = random.Random(5)
    damaged = bytearray(data)
    for _ in range(max(3, (len(data) - 1024) * per_million // 10**6)):
        damaged[chance.randrange(1024, len(data))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _first_gops_gone(data: bytes) -> bytes:
    start, end = boxes.find(data, b"mdat")
    gone = (end - start) * 2 // 5
    return data[: start + 8] + bytes(gone) + data[start + 8 + gone :]


def _pictures_zeroed(data: bytes) -> bytes:
    start, end = boxes.find(data, b"mdat")
    return data[: start + 8] + bytes(end - start - 8) + data[end:]


def _settings_gone(data: bytes) -> bytes:
    at = data.index(b"avcC") + 4
    return data[:at] + bytes(40) + data[at + 40 :]


def _tables(changes: dict[bytes, tuple[int, bytes]]) -> Surgery:
    def surgery(data: bytes) -> bytes:
        for kind, (offset, value) in changes.items():
            data = boxes.overwrite(data, kind, offset, value)
        return data

    return surgery


def _deep(data: bytes) -> bytes:
    nested = b""
    for _ in range(1_000):
        nested = boxes.box(b"udta", boxes.box(b"meta", bytes(4) + nested))
    return boxes.insert_in(data, b"moov", nested)


def _negative_box(data: bytes) -> bytes:
    start, _ = boxes.find(data, b"mdat")
    large = struct.pack(">I4sQ", 1, b"free", 2**64 - 16)
    return data[:start] + large + data[start:]


def _cues_absurd(data: bytes) -> bytes:
    at = data.rindex(b"\x1c\x53\xbb\x6b") + 12
    return data[:at] + b"\xff" * (len(data) - at)


def _idx1_absurd(data: bytes) -> bytes:
    at = data.rindex(b"idx1") + 8
    return data[:at] + b"\xff" * (len(data) - at)


def _every_tenth_lost(data: bytes) -> bytes:
    packets = boxes.ts_packets(data)
    return b"".join(packet for index, packet in enumerate(packets) if index % 10 != 9)


def _shuffled(data: bytes) -> bytes:
    packets = boxes.ts_packets(data)
    random.Random(3).shuffle(packets)
    return b"".join(packets)


def _second_half(data: bytes) -> bytes:
    packets = boxes.ts_packets(data)
    return b"".join(packets[len(packets) // 2 :])


def _without_tables(data: bytes) -> bytes:
    """Drop every packet of the tables that say which stream is what (PIDs 0, 17 and 4096)."""
    kept = [
        packet
        for packet in boxes.ts_packets(data)
        if (int.from_bytes(packet[1:3]) & 0x1FFF) not in {0, 17, 4096}
    ]
    return b"".join(kept)
