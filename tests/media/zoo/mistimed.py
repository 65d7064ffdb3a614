"""Whole pictures with times that are late, early, wrapped, missing, repeated or lied about."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from functools import partial as given
from pathlib import Path

import av

from tests import clips
from tests.clips import Encoding
from tests.media.zoo import matroska
from tests.media.zoo.damaged import (
    H264,
    MPEG2,
    MPEG4,
    REORDERED,
    VP8,
    WHOLE,
    clip,
)
from tests.media.zoo.entry import (
    ANY_WARNING,
    BROKEN,
    TWO_SECONDS_MS,
    Entry,
    Outcome,
    done,
    either,
    entry,
    partial,
    survived,
)
from tests.media.zoo.packets import vp8_packets, write_with_sound

FPS_30 = Fraction(30000, 1001)
WRAP_S = 2**33 // 90_000
TIMES_WARNED = ("media.times_jump_back", "media.times_out_of_order", "media.times_guessed")

LONG = BROKEN | {"media.too_long"}

TWO_S = (1_900.0, 2_100.0)


def entries() -> list[Entry]:
    """Every trap of time."""
    return [*_starts(), *_jumps(), *_rates(), *_by_hand()]


def _timed(
    name: str,
    times: list[Fraction],
    outcome: Outcome,
    encoding: Encoding = H264,
) -> Entry:
    return entry(name, given(clips.write_timed, times_s=times, encoding=encoding), outcome)


def _starts() -> list[Entry]:
    whole = replace(WHOLE, duration_ms=TWO_S)
    longer = done(None, frames=(6, 6), duration_ms=(2_900, 3_100), timed=True)
    return [
        _timed("starts-at-77-s.ts", clips.constant_times(25, 2, 77), whole),
        _timed("starts-at-77-s.mkv", clips.constant_times(25, 2, 77), whole),
        _timed("starts-at-a-day.mkv", clips.constant_times(25, 2, 86_400), whole),
        _timed("starts-below-zero.mp4", clips.constant_times(25, 3, -1), whole, REORDERED),
        _timed("clock-wraps.ts", clips.constant_times(25, 2, WRAP_S - 2), whole),
        _timed("clock-wraps-later.ts", clips.constant_times(25, 3, WRAP_S - 3), longer),
        _timed("clock-wraps.mpg", clips.constant_times(25, 2, WRAP_S - 1), whole, MPEG2),
        _timed("one-frame.mp4", [Fraction(0)], done((0,), duration_ms=(1, 1_000))),
        _timed("one-frame.mkv", [Fraction(0)], done((0,), duration_ms=(1, 1_000))),
        _timed("one-frame.webm", [Fraction(0)], done((0,), duration_ms=(1, 1_000)), VP8),
        _timed("one-frame.ts", [Fraction(0)], done((0,), duration_ms=(1, 1_000))),
        _timed("one-frame.avi", [Fraction(0)], done((0,), duration_ms=(1, 1_000)), MPEG4),
        _timed("one-frame.mpg", [Fraction(0)], done((0,), duration_ms=(1, 1_000)), MPEG2),
        _timed("two-frames.mp4", [Fraction(0), Fraction(1, 25)], done((0,))),
    ]  # fmt: skip


def _jumps() -> list[Entry]:
    second = [Fraction(index, 25) for index in range(25)]
    late = [*second, *(time + 3_000 for time in second)]
    joined = replace(done(None, frames=(7, 9), duration_ms=(3_900, 4_200)), timed=False)
    backward = replace(joined, warnings=frozenset(TIMES_WARNED))
    goes_on = replace(
        either(joined, partial()), frames=(4, 9), duration_ms=None, warnings=ANY_WARNING
    )
    gap = done((0, 500, 3_000_000, 3_000_500), timed=True)
    return [
        entry("jumps-back.ts", given(_twice, kind="ts"), backward),
        entry("jumps-back.mpg", given(_twice, kind="mpg"), backward),
        # What goes on under another number is not to be lost, or at least not silently.
        entry(
            "goes-on-under-another-number.ts",
            _other_number,
            partial(frames=(4, 4), warnings=["media.other_streams"]),
        ),
        entry(
            "sound-joins-later.ts",
            _sound_later,
            replace(backward, warnings=frozenset({"media.times_jump_back"})),
        ),
        entry("codec-changes.ts", _codec_changes, goes_on),
        _timed("fifty-minutes-missing.mkv", late, gap),
        _timed("fifty-minutes-missing.mp4", late, gap),
        # A gap may be taken for what it says, or closed with a word about it.
        _timed("fifty-minutes-missing.ts", late, replace(survived(LONG), frames=(4, 5))),
        entry(
            "a-month-missing.mkv",
            given(_write_ticks, ticks=[0, 500, 3_000_000_000, 3_000_000_500]),
            replace(survived(LONG), frames=(4, 4)),
        ),
    ]


def _rates() -> list[Entry]:
    slow = [Fraction(index) for index in range(4)]
    fast = [4 + Fraction(index, 240) for index in range(480)]
    quarter = done(tuple(range(0, 2_000, 500)), frames=(4, 4), timed=True)
    return [
        _timed("one-a-second-then-240.mp4", slow + fast,
               done((0, 1_000, 2_000, 3_000, 4_000, 4_500, 5_000, 5_500), timed=True)),
        _timed("one-a-second-then-240.mkv", slow + fast,
               done((0, 1_000, 2_000, 3_000, 4_000, 4_500, 5_000, 5_500), timed=True)),
entry("thousand-a-second.mkv", _write_thousand_a_second, quarter),
        _timed("one-in-a-minute.mp4", [Fraction(60 * index) for index in range(4)],
               done((0, 60_000, 120_000, 180_000), timed=True)),
        _timed("ntsc.mp4", clips.constant_times(FPS_30, 2), done(TWO_SECONDS_MS, timed=True)),
        _timed("ticks-of-a-seventh.mp4", [Fraction(index, 7) for index in range(14)],
               done((0, 571, 1_000, 1_571), timed=True),
               replace(H264, time_base=Fraction(1, 7))),
        _timed("ticks-of-a-second.mkv", [Fraction(index) for index in range(4)],
               done((0, 1_000, 2_000, 3_000), timed=True),
               replace(H264, time_base=Fraction(1, 1))),
        _timed("no-times-of-its-own.avi", clips.constant_times(25, 2), WHOLE,
               replace(REORDERED, time_base=Fraction(1, 25))),
        _timed("reordered.mp4", clips.constant_times(25, 2), WHOLE, REORDERED),
        _timed("reordered.ts", clips.constant_times(25, 2), WHOLE, REORDERED),
    ]  # fmt: skip


def _by_hand() -> list[Entry]:
    steps = [index * 40 for index in range(50)]
    back = [*steps[:25], *(step - 3_000 for step in steps[25:])]
    return [
        entry("by-hand.mkv", given(_write_ticks, ticks=steps), WHOLE),
        # Whoever shows every frame at once must not be believed: the rest would never be seen.
        entry("all-at-once.mkv", given(_write_ticks, ticks=[0] * 50),
              replace(done(None, frames=(4, 4)), warnings=frozenset({"media.times_guessed"}))),
        entry("each-time-twice.mkv", given(_write_ticks, ticks=[step // 80 * 80 for step in steps]),
              done((0, 560, 1_040, 1_520))),
        entry("backward.mkv", given(_write_ticks, ticks=steps[::-1]),
              replace(done(None, frames=(4, 4)), warnings=frozenset(TIMES_WARNED))),
        entry("jumps-below-zero.mkv", given(_write_ticks, ticks=back),
              replace(survived(), warnings=frozenset(TIMES_WARNED))),
        entry("three-hundred-million-years.mkv", given(_write_ticks, ticks=[0, 40, 2**63 - 41_000]),
              survived(LONG)),
        entry("ticks-of-nothing.mkv", given(_write_ticks, ticks=steps, tick_ns=0), survived()),
        entry("ticks-of-centuries.mkv", given(_write_ticks, ticks=steps, tick_ns=2**62),
              survived(LONG)),
        entry("ticks-of-a-nanosecond.mkv",
              given(_write_ticks, ticks=[step * 1_000_000 for step in steps], tick_ns=1), WHOLE),
    ]  # fmt: skip


def _twice(path: Path, kind: str) -> None:
    path.write_bytes(clip(kind) * 2)


def _other_number(path: Path) -> None:
    """Two seconds on the usual packet identifier, and two on another."""
    first = clip("ts")
    with (
        av.open(io.BytesIO(first), "r") as source,
        av.open(str(path), "w", options={"mpegts_start_pid": "400"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    path.write_bytes(first + path.read_bytes())


def _sound_later(path: Path) -> None:
    """Two seconds without sound, and two with it."""
    write_with_sound(path, 2, 2)
    path.write_bytes(clip("ts") + path.read_bytes())


def _codec_changes(path: Path) -> None:
    clips.write_timed(path, clips.constant_times(25, 2), MPEG2)
    path.write_bytes(clip("ts") + path.read_bytes())


def _write_thousand_a_second(path: Path) -> None:
    """Two seconds, each picture of which is the code of the fortieth of a second it stands in."""
    packets = vp8_packets(tuple(range(0, 2_000, 25)), gop=1)
    blocks = [matroska.Block(tick, packets[tick // 25].data) for tick in range(2_000)]
    path.write_bytes(matroska.Matroska(blocks).written())


def _write_ticks(path: Path, ticks: list[int], tick_ns: int = 1_000_000) -> None:
    packets = vp8_packets(tuple(index * 40 for index in range(len(ticks))))
    blocks = [
        matroska.Block(tick, packet.data, packet.keyframe)
        for tick, packet in zip(ticks, packets, strict=True)
    ]
    path.write_bytes(matroska.Matroska(blocks, tick_ns=tick_ns).written())
