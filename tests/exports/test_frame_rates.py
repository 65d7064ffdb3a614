"""Rates and timecodes, held against OpenTimelineIO's."""

from __future__ import annotations

import math
from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.errors import ExportImpossible, FrameRateUnknown
from clipwarden.exports.frame_rates import TimecodeRate, timecode_rate
from tests.exports.samples import NTSC_30, RATES, document


@given(fps=st.sampled_from(RATES), frame=st.integers(0, 24 * 3600 * 23))
def test_timecodes_are_those_of_opentimelineio(fps: Fraction, frame: int) -> None:
    rate = TimecodeRate(fps)
    time = otio.opentime.RationalTime(frame, float(fps))
    code = rate.timecode(frame)
    assert code == otio.opentime.to_timecode(time, float(fps), drop_frame=rate.drops_frames)
    assert otio.opentime.from_timecode(code, float(fps)).value == frame


@pytest.mark.parametrize("fps", [NTSC_30, 2 * NTSC_30])
def test_drop_frame_timecodes_leave_out_numbers_and_stay_beside_the_clock(fps: Fraction) -> None:
    rate = TimecodeRate(fps)
    minute = 60 * rate.base
    last = rate.base - 1
    first = {30: 2, 60: 4}[rate.base]
    assert rate.timecode(minute - 1) == f"00:00:59;{last:02d}"
    assert rate.timecode(minute) == f"00:01:00;{first:02d}"
    ten_minutes = rate.frame_at(600_000)
    assert rate.timecode(ten_minutes) == "00:10:00;00"
    assert rate.timecode(rate.frame_at(3_600_000)) == "01:00:00;00"


def test_other_ntsc_rates_drop_nothing() -> None:
    rate = TimecodeRate(Fraction(24000, 1001))
    assert not rate.drops_frames
    assert rate.timecode(24 * 3600) == "01:00:00:00"


@pytest.mark.parametrize(
    ("fps", "name"),
    [
        (Fraction("29.97"), "29.97"),
        (Fraction("23.98"), "23.976"),
        (Fraction("59.94"), "59.94"),
        (Fraction(24), "24"),
        (Fraction(30), "30"),
        (Fraction("29.87"), "29.97"),
        (Fraction("30.02"), "30"),
        (Fraction(15), "30"),
        (Fraction("12.5"), "25"),
        (Fraction(10), "30"),
        (Fraction(120), "60"),
        (Fraction(100), "50"),
        (Fraction(48), "24"),
        (Fraction(1, 2), "24"),
    ],
)
def test_a_rate_that_editors_dont_count_in_becomes_one_that_fits_it(
    fps: Fraction, name: str
) -> None:
    assert TimecodeRate.nearest(fps).name == name


def test_the_option_goes_before_the_documents_rate() -> None:
    assert timecode_rate(document()).fps == NTSC_30
    assert timecode_rate(document(), Fraction(25)).fps == 25
    assert timecode_rate(document(frame_rate=None), Fraction(25)).fps == 25


@pytest.mark.parametrize("rate", [None, 0.0, -25.0, 1e9, 1e-9, math.nan, math.inf])
def test_no_rate_is_made_up(rate: float | None) -> None:
    one = document(())
    video = one.video.model_copy(update={"frame_rate": rate})
    with pytest.raises(FrameRateUnknown, match="--fps"):
        timecode_rate(one.model_copy(update={"video": video}))


@given(fps=st.sampled_from(RATES), start_ms=st.integers(0, 10**8), length_ms=st.integers(42, 10**5))
def test_frames_are_within_one_of_their_times(fps: Fraction, start_ms: int, length_ms: int) -> None:
    start, end = TimecodeRate(fps).frame_range(start_ms, start_ms + length_ms)
    assert start < end
    assert abs(start / fps - Fraction(start_ms, 1000)) <= 1 / fps
    assert abs(end / fps - Fraction(start_ms + length_ms, 1000)) <= 1 / fps


@given(fps=st.sampled_from(RATES), time_ms=st.integers(0, 10**8))
def test_what_has_no_length_has_one_frame(fps: Fraction, time_ms: int) -> None:
    start, end = TimecodeRate(fps).frame_range(time_ms, time_ms)
    assert end == start + 1


def test_timecodes_end_at_a_day() -> None:
    rate = TimecodeRate(Fraction(25))
    assert rate.timecode(25 * 86400 - 1) == "23:59:59:24"
    with pytest.raises(ExportImpossible, match="24 hours"):
        rate.timecode(25 * 86400)
