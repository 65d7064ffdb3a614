"""Times of frames whose timestamps are late, missing, repeated or going back."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ingest.media.clock import FrameClock, InstantSampler

MILLISECOND = Fraction(1, 1000)
RATES = st.fractions(min_value=Fraction(1, 60), max_value=Fraction(60), max_denominator=1001)


def clock(nominal_rate: Fraction | None = Fraction(25)) -> FrameClock:
    return FrameClock(MILLISECOND, nominal_rate)


def test_the_first_frame_is_at_zero_wherever_it_starts() -> None:
    for start in (0, 1_400, -37, 2**33):
        times = clock()
        assert [times.show(start + step, 40) for step in (0, 40, 80)] == [0, 40, 80]
        assert times.duration_us == 120_000


def test_a_frame_without_a_time_follows_the_one_before() -> None:
    times = clock()
    shown = [times.show(stamp, 0) for stamp in (100, 150, None, None, 300)]
    assert shown == [0, 50, 100, 150, 200]
    assert times.missing == 2


def test_frames_that_never_have_a_time_are_counted_at_the_nominal_rate() -> None:
    times = clock()
    assert [times.show(None, 0) for _ in range(4)] == [0, 40, 80, 120]
    assert times.missing == 4
    assert times.duration_us == 160_000


def test_a_frame_slightly_out_of_order_never_goes_back() -> None:
    times = clock()
    assert [times.show(stamp, 40) for stamp in (0, 40, 80, 60, 120)] == [0, 40, 80, 80, 120]
    assert (times.out_of_order, times.jumps_back) == (1, 0)


def test_a_joined_recording_goes_on_where_the_first_one_ended() -> None:
    times = clock()
    shown = [times.show(stamp, 40) for stamp in (5000, 5040, 6040, 0, 40, 80)]
    assert shown == [0, 40, 1040, 1080, 1120, 1160]
    assert (times.out_of_order, times.jumps_back) == (0, 1)


def test_a_single_frame_has_its_own_short_duration() -> None:
    with_duration, without, without_rate = clock(), clock(), clock(nominal_rate=None)
    with_duration.show(7, 500)
    without.show(7, 0)
    without_rate.show(7, 0)
    assert with_duration.duration_us == 500_000
    assert without.duration_us == 40_000
    assert without_rate.duration_us == 40_000


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), max_size=60))
def test_times_never_go_back_whatever_the_stamps(stamps: list[int | None]) -> None:
    times = clock()
    shown = [times.show(stamp, 40) for stamp in stamps]
    assert shown == sorted(shown)
    assert all(time >= 0 for time in shown)
    assert not shown or shown[0] == 0
    assert times.duration_us >= (times.microseconds(shown[-1]) if shown else 0)


def test_the_first_frame_not_before_each_instant_is_taken() -> None:
    sampler = InstantSampler(Fraction(2), MILLISECOND)
    stamps = [0, 40, 480, 520, 560, 1000, 1040, 3700, 3740, 4000]
    assert [s for s in stamps if sampler.takes(s)] == [0, 520, 1000, 3700, 4000]


def test_rounded_timestamps_lose_no_frame_at_the_video_s_own_rate() -> None:
    for rate in (Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)):
        sampler = InstantSampler(rate, MILLISECOND)
        stamps = [round(index / rate * 1000) for index in range(500)]
        assert all(sampler.takes(stamp) for stamp in stamps)


@given(RATES, st.lists(st.integers(0, 400), min_size=1, max_size=80))
def test_every_instant_has_its_frame_and_no_frame_is_taken_twice(
    rate: Fraction, steps: list[int]
) -> None:
    stamps = [sum(steps[:index]) for index in range(len(steps))]
    sampler = InstantSampler(rate, MILLISECOND)
    taken = [stamp for stamp in stamps if sampler.takes(stamp)]
    half = Fraction(1, 2)
    instants = range(int(stamps[-1] * MILLISECOND * rate) + 1)
    wanted = {
        next(stamp for stamp in stamps if stamp + half >= instant / rate / MILLISECOND)
        for instant in instants
    }
    assert len(taken) == len(set(taken))
    assert wanted <= set(taken)
    assert len(set(taken) - wanted) <= 1


def test_a_clock_of_33_bits_that_starts_again_is_counted_on() -> None:
    times = FrameClock(Fraction(1, 90_000), Fraction(25), wrap=2**33)
    stamps = [(2**33 - 7200 + 3600 * index) % 2**33 for index in range(5)]
    assert [times.show(stamp, 3600) for stamp in stamps] == [0, 3600, 7200, 10800, 14400]
    assert (times.jumps, times.out_of_order) == (0, 0)


def test_a_jump_ahead_of_hours_is_taken_for_a_joined_recording() -> None:
    times = clock()
    hours = 5 * 3600 * 1000
    shown = [times.show(stamp, 40) for stamp in (0, 40, 80, hours, hours + 40, 120, 160)]
    assert shown == [0, 40, 80, 120, 160, 200, 240]
    assert (times.jumps_ahead, times.jumps_back) == (1, 1)


def test_a_gap_that_is_proven_or_short_stays() -> None:
    minutes, hours = 9 * 60 * 1000, 5 * 3600 * 1000
    short, by_length, by_header = clock(), clock(), FrameClock(MILLISECOND, None, header_end=hours)
    assert [short.show(stamp, 40) for stamp in (0, minutes)] == [0, minutes]
    assert [by_length.show(0, hours), by_length.show(hours, 40)] == [0, hours]
    assert [by_header.show(stamp, 40) for stamp in (0, hours)] == [0, hours]
    assert short.jumps == by_length.jumps == by_header.jumps == 0


def test_a_frame_that_leaps_ahead_alone_costs_no_time() -> None:
    times = clock()
    shown = [times.show(stamp, 40) for stamp in (0, 40, 80, 900, 120, 160, 920, 940)]
    assert shown == [0, 40, 80, 900, 900, 900, 920, 940]
    assert (times.out_of_order, times.jumps) == (2, 0)


def test_what_starts_again_before_any_leap_is_a_joined_recording() -> None:
    times = clock()
    first = [times.show(stamp, 40) for stamp in range(0, 2_000, 40)]
    second = [times.show(stamp, 40) for stamp in range(20, 2_020, 40)]
    assert [*first, *second] == [40 * index for index in range(100)]
    assert (times.jumps_back, times.out_of_order) == (1, 0)


def test_a_leap_that_others_follow_is_forgotten() -> None:
    times = clock()
    shown = [times.show(stamp, 40) for stamp in (0, 40, 540, 580, 100, 140)]
    assert shown == [0, 40, 540, 580, 620, 660]
    assert (times.jumps_back, times.out_of_order) == (1, 0)


def test_frames_crowded_into_one_time_are_counted_at_the_nominal_rate() -> None:
    times = clock()
    shown = [times.show(1_000, 0) for _ in range(20)]
    assert shown[:8] == [0] * 8
    assert shown[8:] == [40 * index for index in range(1, 13)]
    assert times.show(1_040, 0) == 520
    assert times.missing == 12


def test_a_rate_beyond_belief_is_not_counted_by() -> None:
    million = Fraction(1_000_000)
    times = FrameClock(1 / million, million)
    shown = [times.show(stamp, 1) for stamp in range(50)]
    assert shown[8:11] == [40_007, 80_007, 120_007]


def test_a_thousand_frames_a_second_keep_their_times() -> None:
    for base in (MILLISECOND, Fraction(1, 90_000), Fraction(1, 12_800)):
        times = FrameClock(base, Fraction(1_000))
        stamps = [round(Fraction(index, 1_000) / base) for index in range(3_000)]
        assert [times.show(stamp, 0) for stamp in stamps] == stamps
        assert times.missing == 0


def test_frames_that_share_a_long_tick_keep_their_times() -> None:
    times = FrameClock(Fraction(1), Fraction(25))
    stamps = [index // 25 for index in range(100)]
    assert [times.show(stamp, 0) for stamp in stamps] == stamps


def test_a_leap_to_the_limit_is_closed_unless_the_header_knows_of_it() -> None:
    hour = 3_600_000
    limited = FrameClock(MILLISECOND, Fraction(25), limit=hour)
    before = [tenth * hour // 10 for tenth in range(10)]
    shown = [limited.show(stamp, 40) for stamp in (*before, hour, hour + 40)]
    assert shown == [*before, before[-1] + 40, before[-1] + 80]
    assert limited.leaps_over_limit == limited.jumps_ahead == 1
    known = FrameClock(MILLISECOND, Fraction(25), header_end=2 * hour, limit=hour)
    assert [known.show(stamp, 40) for stamp in (0, 2 * hour)] == [0, 2 * hour]
    assert known.leaps_over_limit == 0


def test_a_duration_beyond_the_limit_is_not_believed() -> None:
    hour = 3_600_000
    times = FrameClock(MILLISECOND, Fraction(25), limit=hour)
    assert times.show(0, 100 * hour) == 0
    assert times.duration_us == 40_000
    assert times.show(40, 40) == 40
