"""The plan against the sampler it serves: no frame too many is dropped, and none too late."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.clock import InstantSampler, NearSampler
from ingest.media.layers import has_sublayers
from ingest.media.plan import FirstNotBefore, Known, NearestAnchor

MILLISECOND = Fraction(1, 1000)
RATES = st.fractions(min_value=Fraction(1, 10), max_value=Fraction(60), max_denominator=1001)
STEPS = st.lists(st.integers(1, 400), min_size=2, max_size=80)


def times_of(steps: list[int]) -> list[int]:
    return [sum(steps[:index]) for index in range(len(steps))]


@given(RATES, STEPS, st.integers(-(2**33), 2**33))
def test_exactly_the_frames_that_the_sampler_takes_are_needed(
    rate: Fraction, steps: list[int], start: int
) -> None:
    times = times_of(steps)
    sampler = InstantSampler(rate, MILLISECOND)
    known = Known([time + start for time in times], [], offset=-start)
    choice = FirstNotBefore(InstantSampler(rate, MILLISECOND))
    needed = [time for time in times if choice.needs(time + start, known)]
    assert needed == [time for time in times if sampler.takes(time)]


@given(RATES, STEPS, st.data())
def test_near_frames_leave_no_instant_without_one(
    rate: Fraction, steps: list[int], data: st.DataObject
) -> None:
    times = times_of(steps)
    anchors = [time for time in times if time == 0 or data.draw(st.booleans())]
    sampler = NearSampler(rate, MILLISECOND)
    choice = NearestAnchor(sampler)
    known = Known(times, anchors)
    taken = [time for time in times if sampler.takes(time, choice.needs(time, known))]
    assert taken[0] == 0
    assert taken == sorted(set(taken))
    for index in range(int(times[-1] * MILLISECOND * rate) + 1):
        instant = index * sampler.step
        following = min(time for time in times if time >= instant)
        nearest = min(abs(time - instant) for time in taken)
        assert nearest <= max(sampler.reach, following - instant)


PICTURE_OF_LAYER_0, PICTURE_OF_LAYER_1 = b"\x02\x01", b"\x00\x02"
PARAMETERS, NOTE_OF_LAYER_1 = b"\x42\x01", b"\x4e\x02"
LENGTHS = b"\x01" + bytes(20) + b"\x03"


@pytest.mark.parametrize(
    ("units", "above"),
    [
        ([PARAMETERS, PICTURE_OF_LAYER_0], False),
        ([PARAMETERS, PICTURE_OF_LAYER_1], True),
        ([NOTE_OF_LAYER_1, PICTURE_OF_LAYER_0], False),
        ([PARAMETERS], False),
        ([], False),
    ],
)
def test_temporal_layers_are_read_from_the_first_picture(units: list[bytes], above: bool) -> None:
    body = b"\x80" * 9
    by_length = b"".join(len(u + body).to_bytes(4, "big") + u + body for u in units)
    by_start_code = b"".join(b"\0\0\0\1" + unit + body for unit in units)
    assert has_sublayers(memoryview(by_length), LENGTHS) is above
    assert has_sublayers(memoryview(by_start_code), b"") is above


@given(st.binary(max_size=60), st.sampled_from([LENGTHS, b""]))
def test_any_bytes_can_be_asked_for_layers(packet: bytes, extradata: bytes) -> None:
    assert has_sublayers(memoryview(packet), extradata) in {True, False}
