"""Confidences over time become segments: hysteresis, bridged gaps, a minimum of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.media.spec import Strategy
from prompts.label import Label
from worker.segments import Confidences, FrameTimes, Segment, Times, cut_segments

STEP_US = 100_000

unhurried = settings(deadline=None)


def label(
    threshold: float = 0.5,
    exit_threshold: float = 0.25,
    min_frames: int = 1,
    max_gap_ms: int = 0,
) -> Label:
    return Label(
        id="thing",
        prompts=("a thing",),
        threshold=threshold,
        exit_threshold=exit_threshold,
        min_frames=min_frames,
        max_gap_ms=max_gap_ms,
    )


def cut(one: Label, confidences: Sequence[float]) -> list[tuple[int, int, int]]:
    """Start, end and frames of each segment, in steps, for frames a step apart."""
    starts = np.arange(len(confidences), dtype=np.int64) * STEP_US
    times = FrameTimes.of(starts, len(confidences) * STEP_US)
    return [
        (found.start_us // STEP_US, found.end_us // STEP_US, found.frames)
        for found in cut_segments(one, np.array(confidences, np.float32), times)
    ]


@pytest.mark.parametrize(
    ("confidences", "expected"),
    [
        ([], []),
        ([0.9], [(0, 1, 1)]),
        ([0.1], []),
        ([0.9, 0.9, 0.9], [(0, 3, 3)]),
        ([0.9, 0.3, 0.3, 0.1], [(0, 3, 3)]),  # goes on above the exit threshold
        ([0.3, 0.3, 0.9, 0.1], [(2, 3, 1)]),  # a lead-in below the threshold is not part of it
        ([0.3, 0.4, 0.49, 0.3], []),  # nothing ever begins
        ([0.9, 0.1, 0.3, 0.4], [(0, 1, 1)]),  # and what ended doesn't begin at the exit threshold
        ([0.9, 0.1, 0.9], [(0, 1, 1), (2, 3, 1)]),
        ([0.9, 0.3, 0.9], [(0, 3, 3)]),  # one scene near the threshold is one segment
    ],
)
def test_a_label_begins_at_its_threshold_and_ends_below_its_exit_threshold(
    confidences: list[float], expected: list[tuple[int, int, int]]
) -> None:
    assert cut(label(), confidences) == expected


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.35, 0.6, 0.7, 0.9])
def test_a_confidence_of_just_the_threshold_reaches_it(threshold: float) -> None:
    assert cut(label(threshold, threshold), [threshold]) == [(0, 1, 1)]
    below = float(np.nextafter(np.float32(threshold), np.float32(0)))
    assert cut(label(threshold, threshold), [below]) == []


@pytest.mark.parametrize(
    ("gap_frames", "max_gap_ms", "segments"),
    [(1, 0, 2), (1, 99, 2), (1, 100, 1), (3, 299, 2), (3, 300, 1), (3, 10_000, 1)],
)
def test_a_gap_is_bridged_up_to_its_length_and_not_beyond(
    gap_frames: int, max_gap_ms: int, segments: int
) -> None:
    confidences = [0.9, *[0.1] * gap_frames, 0.9]
    found = cut(label(max_gap_ms=max_gap_ms), confidences)
    assert len(found) == segments
    # Frames in a bridged gap are covered but not counted: they showed nothing.
    assert sum(frames for *_, frames in found) == 2


def test_a_gap_is_bridged_to_a_frame_that_only_goes_on() -> None:
    assert cut(label(max_gap_ms=100), [0.9, 0.1, 0.3]) == [(0, 3, 2)]


@pytest.mark.parametrize(("min_frames", "segments"), [(1, 2), (2, 2), (3, 1), (4, 0)])
def test_segments_of_too_few_frames_are_dropped(min_frames: int, segments: int) -> None:
    found = cut(label(min_frames=min_frames), [0.9, 0.3, 0.1, 0.9, 0.3, 0.9, 0.1])
    assert len(found) == segments


def test_a_lead_in_does_not_count_towards_the_minimum_of_frames() -> None:
    assert cut(label(min_frames=3), [0.3, 0.3, 0.9, 0.3, 0.1]) == []


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_no_more_frames_are_asked_for_than_the_video_has(frames: int) -> None:
    assert cut(label(min_frames=4), [0.9] * frames) == [(0, frames, frames)]
    assert cut(label(min_frames=4), [*[0.9] * frames, 0.1]) == []


def steps(*places: int) -> Times:
    return np.array(places, np.int64) * STEP_US


def in_steps(times: Times) -> list[float]:
    return [float(time_us) / STEP_US for time_us in times]


@pytest.mark.parametrize(
    ("cuts", "starts", "ends"),
    [
        ((), [0, 2, 6], [2, 6, 12]),
        ((2,), [0, 2, 6], [2, 6, 12]),
        # On a frame: that is where the shot begins.
        ((4,), [0, 4, 6], [4, 6, 12]),
        ((6, 10), [0, 2, 6], [2, 6, 10]),
        # A shot without a frame: nobody speaks for it.
        ((5, 7), [0, 2, 7], [2, 5, 12]),
        ((1, 2, 3, 11, 20), [0, 3, 6], [1, 6, 11]),
    ],
)
def test_a_frame_speaks_for_its_own_shot_only(
    cuts: tuple[int, ...], starts: list[int], ends: list[int]
) -> None:
    times = FrameTimes.of(steps(0, 4, 8), 12 * STEP_US, steps(*cuts).tolist(), "shots")
    assert in_steps(times.shown_us) == [0, 4, 8]
    assert in_steps(times.starts_us) == starts
    assert in_steps(times.ends_us) == ends


def test_the_first_frame_speaks_from_the_beginning_even_if_it_is_shown_later() -> None:
    times = FrameTimes.of(steps(3, 8), 12 * STEP_US, [6 * STEP_US], "shots")
    assert (in_steps(times.starts_us), in_steps(times.ends_us)) == ([0, 6], [6, 12])


def test_a_segment_begins_and_ends_at_cuts_and_its_peak_is_a_frame() -> None:
    times = FrameTimes.of(steps(0, 5, 10), 15 * STEP_US, steps(3, 8).tolist(), "shots")
    [found] = cut_segments(label(), np.array([0.1, 0.9, 0.1], np.float32), times)
    assert (found.start_us, found.end_us) == (3 * STEP_US, 8 * STEP_US)
    assert (found.peak, times.shown_us[found.peak]) == (1, 5 * STEP_US)


@pytest.mark.parametrize(
    ("confidences", "frames"),
    [
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], [1]),  # the only one of its shot
        ([0.1, 0.9, 0.1, 0.1, 0.1, 0.1], []),  # one of two
        ([0.1, 0.9, 0.9, 0.1, 0.1, 0.1], [2]),  # all of its shot
        ([0.1, 0.1, 0.1, 0.9, 0.9, 0.1], []),  # two of three, where three are asked for
        ([0.1, 0.1, 0.9, 0.9, 0.1, 0.1], []),  # part of two shots
        ([0.1, 0.1, 0.9, 0.9, 0.9, 0.1], [3]),  # as many as asked for, across a cut
    ],
)
def test_all_frames_of_a_shot_are_enough_where_it_was_given_no_more(
    confidences: list[float], frames: list[int]
) -> None:
    shown, cuts = steps(0, 1, 2, 3, 4, 5), steps(1, 3).tolist()
    of_shots = FrameTimes.of(shown, 6 * STEP_US, cuts, "shots")
    found = cut_segments(label(min_frames=3), np.array(confidences, np.float32), of_shots)
    assert [one.frames for one in found] == frames


def test_key_frames_are_not_counted_by_shot() -> None:
    times = FrameTimes.of(steps(0, 1, 2), 3 * STEP_US, steps(1, 2).tolist(), "keyframes")
    confidences = np.array([0.1, 0.9, 0.1], np.float32)
    assert cut_segments(label(min_frames=2), confidences, times) == []
    assert len(cut_segments(label(min_frames=1), confidences, times)) == 1


def test_the_last_frame_lasts_to_the_end_of_the_video() -> None:
    times = FrameTimes.of(np.array([0, 500_000], np.int64), 3_200_000)
    assert times.ends_us.tolist() == [500_000, 3_200_000]
    [found] = cut_segments(label(), np.array([0.1, 0.9], np.float32), times)
    assert (found.start_us, found.end_us) == (500_000, 3_200_000)


def test_a_duration_before_the_last_frame_gives_no_negative_length() -> None:
    times = FrameTimes.of(np.array([0, 500_000], np.int64), 400_000)
    assert times.ends_us.tolist() == [500_000, 500_000]


def test_the_peak_is_the_first_frame_of_the_highest_confidence() -> None:
    confidences = np.array([0.3, 0.5, 0.75, 0.25, 0.75, 0.1], np.float32)
    times = FrameTimes.of(np.arange(6, dtype=np.int64) * STEP_US, 6 * STEP_US)
    [found] = cut_segments(label(), confidences, times)
    assert (found.first, found.last, found.peak, found.frames) == (1, 4, 2, 4)
    assert found.confidence == 0.75
    assert found.mean_confidence == pytest.approx((0.5 + 0.75 + 0.25 + 0.75) / 4)


@dataclass(frozen=True)
class Track:
    """A label's confidences over the frames of some video."""

    confidences: Confidences
    times: FrameTimes
    duration_us: int


def of_steps(largest: int) -> st.SearchStrategy[int]:
    """Multiples of a step, so that gaps are often just as long as allowed; and others."""
    return st.one_of(
        st.integers(1, largest).map(lambda steps: steps * STEP_US),
        st.integers(1, largest * STEP_US),
    )


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    confidences = draw(st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0]), max_size=40))
    strategy = draw(st.sampled_from(get_args(Strategy)))
    steps_us = draw(st.lists(of_steps(8), min_size=len(confidences), max_size=len(confidences)))
    starts = np.cumsum([0, *steps_us], dtype=np.int64)
    duration_us = int(starts[-1])
    cuts_us = sorted(draw(st.sets(st.integers(1, max(duration_us, 1)), max_size=12)))
    times = FrameTimes.of(starts[:-1], duration_us, cuts_us, strategy)
    return Track(np.array(confidences, np.float32), times, duration_us)


@st.composite
def labels(draw: st.DrawFn) -> Label:
    low, high = sorted(draw(st.tuples(levels, levels)))
    return label(high, low, draw(st.integers(1, 5)), 100 * draw(st.integers(0, 12)))


levels = st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def cut_step_by_step(one: Label, track: Track) -> list[Segment]:
    """The same by walking from frame to frame, as one would tell it."""
    starts, ends = track.times.starts_us.tolist(), track.times.ends_us.tolist()
    confidences = track.confidences.tolist()
    enter, leave = float(np.float32(one.threshold)), float(np.float32(one.exit_threshold))
    open_frames: list[int] = []
    closed: list[list[int]] = []
    for index, confidence in enumerate(confidences):
        if open_frames and starts[index] - ends[open_frames[-1]] > one.max_gap_ms * 1000:
            closed.append(open_frames)
            open_frames = []
        if confidence >= (leave if open_frames else enter):
            open_frames.append(index)
    closed.append(open_frames)
    return [
        Segment(
            start_us=starts[frames[0]],
            end_us=ends[frames[-1]],
            first=frames[0],
            last=frames[-1],
            peak=max(frames, key=lambda index: confidences[index]),
            frames=len(frames),
            confidence=max(confidences[index] for index in frames),
            mean_confidence=float(np.mean(track.confidences[frames])),
            members=np.array(frames),
        )
        for frames in closed
        if frames and is_long_enough(one, frames, track)
    ]


def is_long_enough(one: Label, frames: list[int], track: Track) -> bool:
    """Whether a shot's share of the frames is as long as asked, or as it can be."""
    groups = track.times.group.tolist()
    held = [groups[index] for index in frames]
    return len(held) >= one.min_frames or any(
        held.count(group) == groups.count(group) for group in held
    )


@unhurried
@given(labels(), tracks())
def test_segments_are_those_that_a_walk_from_frame_to_frame_finds(one: Label, track: Track) -> None:
    assert cut_segments(one, track.confidences, track.times) == cut_step_by_step(one, track)


@unhurried
@given(labels(), tracks())
def test_segments_are_in_order_apart_and_inside_the_video(one: Label, track: Track) -> None:
    edges = [0]
    for found in cut_segments(one, track.confidences, track.times):
        edges += [found.start_us, found.end_us]
        assert found.start_us < found.end_us
        assert found.start_us <= track.times.shown_us[found.peak] < found.end_us
    assert edges == sorted(edges)
    assert edges[-1] <= track.duration_us


@unhurried
@given(labels(), tracks())
def test_every_frame_at_the_threshold_is_covered_where_one_frame_is_enough(
    one: Label, track: Track
) -> None:
    lenient = one.model_copy(update={"min_frames": 1})
    entered = np.flatnonzero(track.confidences >= np.float32(one.threshold))
    assert set(entered.tolist()) <= covered(lenient, track)


@unhurried
@given(labels(), tracks(), st.data())
def test_what_is_more_lenient_covers_no_less(one: Label, track: Track, data: st.DataObject) -> None:
    low, high = sorted(data.draw(st.tuples(levels, levels)))
    lenient = one.model_copy(
        update={
            "threshold": min(one.threshold, high),
            "exit_threshold": min(one.exit_threshold, low),
            "max_gap_ms": one.max_gap_ms + data.draw(st.integers(0, 500)),
            "min_frames": data.draw(st.integers(1, one.min_frames)),
        }
    )
    assert covered(one, track) <= covered(lenient, track)


@unhurried
@given(labels(), tracks())
def test_more_frames_asked_for_only_drops_whole_segments(one: Label, track: Track) -> None:
    stricter = one.model_copy(update={"min_frames": one.min_frames + 1})
    found = cut_segments(one, track.confidences, track.times)
    left = cut_segments(stricter, track.confidences, track.times)
    assert [segment for segment in found if segment in left] == left
    assert {segment.frames for segment in found if segment not in left} <= {one.min_frames}


@unhurried
@given(labels(), tracks(), st.integers(0, 10**12))
def test_a_later_video_has_the_same_segments_later(one: Label, track: Track, by_us: int) -> None:
    times = track.times
    later = FrameTimes(
        times.shown_us + by_us,
        times.starts_us + by_us,
        times.ends_us + by_us,
        times.group,
        times.cuts_us + by_us,
    )
    assert [
        (found.start_us - by_us, found.end_us - by_us, found.first, found.last)
        for found in cut_segments(one, track.confidences, later)
    ] == [
        (found.start_us, found.end_us, found.first, found.last)
        for found in cut_segments(one, track.confidences, track.times)
    ]


def covered(one: Label, track: Track) -> set[int]:
    """The frames whose time lies in a segment."""
    return {
        index
        for found in cut_segments(one, track.confidences, track.times)
        for index in range(found.first, found.last + 1)
    }


def test_frames_seconds_apart_are_found_without_another_to_confirm_them() -> None:
    one = label(min_frames=2)
    confidences = np.array([0, 0.99, 0, 0], np.float32)
    tens = np.array([0, 10, 20, 30], np.int64) * 1_000_000
    for strategy in ("keyframes", "shots", "fps"):
        times = FrameTimes.of(tens, 40_000_000, (), strategy)
        assert len(cut_segments(one, confidences, times)) == 1
    halves = np.array([0, 1, 2, 3], np.int64) * 500_000
    assert cut_segments(one, confidences, FrameTimes.of(halves, 2_000_000)) == []


def test_long_shots_speak_as_far_back_as_ahead() -> None:
    parts = np.array([5, 15, 25, 35], np.int64) * 1_000_000
    times = FrameTimes.of(parts, 40_000_000, (), "shots")
    assert (times.starts_us // 1_000_000).tolist() == [0, 10, 20, 30]
    assert (times.ends_us // 1_000_000).tolist() == [10, 20, 30, 40]
