"""Whole pictures whose times were changed afterwards: by edit lists and by headers that lie."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import partial as given
from pathlib import Path

from tests.media.zoo import boxes
from tests.media.zoo.damaged import WHOLE, Surgery, clip, damaged
from tests.media.zoo.entry import Entry, Outcome, done, either, entry, survived
from tests.media.zoo.mistimed import LONG, TWO_S


def entries() -> list[Entry]:
    """Every edit and every lie."""
    return [*_edits(), *_headers()]


def _edits() -> list[Entry]:
    return [
        _edited("edit-starts-with-a-gap.mp4", [(1_000, -1), (2_000, 0)], "mp4", WHOLE),
        _edited("edit-leaves-out-a-second.mp4", [(1_000, 1_000)], "mp4",
                done((0, 500), timed=True)),
        _edited("edit-leaves-out-a-second-reordered.mp4", [(1_000, 1_000)], "reordered.mp4",
                either(done((0, 500), timed=True))),
        # Times that go back inside the media are not a video we promise to show in its order.
        _edited("edit-turns-the-halves-round.mp4", [(1_000, 1_000), (1_000, 0)], "mp4",
                survived()),
        _edited("edit-of-nothing.mp4", [(0, 0)], "mp4", survived()),
        _edited("edit-outside.mp4", [(1_000, 2**31 - 1)], "mp4", survived()),
        _edited("edit-of-half-speed.mp4", [(4_000, 0)], "mp4", survived(), rate=0x8000),
        _edited("edit-ten-thousand-times.mp4", [(1, 0)] * 10_000, "mp4", survived()),
    ]  # fmt: skip


def _headers() -> list[Entry]:
    def mp4(name: str, surgery: Surgery, outcome: Outcome) -> Entry:
        return damaged(name, "mp4", surgery, outcome)

    def mkv(name: str, value: bytes) -> Entry:
        lie = given(_matroska_duration, value=value)
        right = either(whole, replace(whole, statuses=frozenset({"partial"})))
        return damaged(name, "mkv", lie, right)

    whole = replace(WHOLE, duration_ms=TWO_S)
    # A header that promises more than there is can't be told from a file cut off: both are fair.
    promises = either(whole, replace(whole, statuses=frozenset({"partial"})))
    # Fifty frames in no time would be seen as one.
    crowded = done(None, frames=(4, 4), warnings=["media.times_guessed"])
    return [
        mp4("says-a-thousand-times-longer", given(_durations, factor=1_000), promises),
        mp4("says-no-time-at-all", given(_durations, factor=0), whole),
        mp4("says-a-tenth", given(_durations, factor=0.1), whole),
        mp4("says-it-does-not-know", given(_durations, value=2**32 - 1), promises),
        mp4("no-ticks-in-a-second", given(_timescale, value=0), survived()),
        mp4("two-thousand-million-ticks-in-a-second", given(_timescale, value=2**31 - 1),
            crowded),
        mp4("one-tick-in-a-second", given(_timescale, value=1), survived(LONG)),
        mp4("frames-of-no-length", given(_steps, value=0), survived()),
        mp4("frames-of-a-day", given(_steps, value=2**31 - 1), survived(LONG)),
        mp4("frames-of-negative-length", given(_steps, value=2**32 - 16), crowded),
        mkv("says-a-thousand-times-longer", struct.pack(">d", 2_000_000.0)),
        mkv("says-less-than-nothing", struct.pack(">d", -1.0)),
        mkv("says-no-number", struct.pack(">d", float("nan"))),
        mkv("says-without-end", struct.pack(">d", float("inf"))),
        damaged("says-another-rate", "avi", given(_avi_rate, scale=1, rate=1_000_000), crowded),
        damaged("says-no-rate", "avi", given(_avi_rate, scale=0, rate=0), survived()),
        damaged("says-more-frames", "avi", _avi_frames, promises),
    ]  # fmt: skip


def _edited(
    name: str,
    segments: list[tuple[int, int]],
    kind: str,
    outcome: Outcome,
    rate: int = 0x10000,
) -> Entry:
    return entry(name, given(_write_edits, segments=segments, kind=kind, rate=rate), outcome)


def _write_edits(path: Path, segments: list[tuple[int, int]], kind: str, rate: int) -> None:
    """Give a clip an edit list: for each part its length in ms and where it starts, or -1."""
    data = clip(kind)
    ticks_per_s = struct.unpack_from(">I", data, boxes.find(data, b"mdhd")[0] + 20)[0]
    listed = b"".join(
        struct.pack(">IiI", length, _edit_start(start, ticks_per_s), rate)
        for length, start in segments
    )
    elst = boxes.full_box(b"elst", struct.pack(">I", len(segments)) + listed)
    path.write_bytes(boxes.replace(data, b"elst", elst))


def _edit_start(start_ms: int, ticks_per_s: int) -> int:
    """Where in the media an edit starts; -1 says that it shows nothing."""
    return start_ms if start_ms == -1 else min(start_ms * ticks_per_s // 1000, 2**31 - 1)


def _durations(data: bytes, factor: float = 1, value: int | None = None) -> bytes:
    for kind, offset in ((b"mvhd", 24), (b"tkhd", 28), (b"mdhd", 24)):
        (said,) = struct.unpack_from(">I", data, boxes.find(data, kind)[0] + offset)
        lie = value if value is not None else min(int(said * factor), 2**31 - 1)
        data = boxes.overwrite(data, kind, offset, struct.pack(">I", lie))
    return data


def _timescale(data: bytes, value: int) -> bytes:
    return boxes.overwrite(data, b"mdhd", 20, struct.pack(">I", value))


def _steps(data: bytes, value: int) -> bytes:
    start, _ = boxes.find(data, b"stts")
    (count,) = struct.unpack_from(">I", data, start + 12)
    for index in range(count):
        data = boxes.overwrite(data, b"stts", 20 + 8 * index, struct.pack(">I", value))
    return data


def _matroska_duration(data: bytes, value: bytes) -> bytes:
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + value + data[at + 8 :]


def _avi_rate(data: bytes, scale: int, rate: int) -> bytes:
    at = data.index(b"strh") + 8 + 20
    return data[:at] + struct.pack("<II", scale, rate) + data[at + 8 :]


def _avi_frames(data: bytes) -> bytes:
    at = data.index(b"avih") + 8 + 16
    length = data.index(b"strh") + 8 + 32
    data = data[:at] + struct.pack("<I", 5_000_000) + data[at + 4 :]
    return data[:length] + struct.pack("<I", 5_000_000) + data[length + 4 :]
