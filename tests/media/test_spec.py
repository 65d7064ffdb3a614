"""Sampling and geometry: how they are written and what they compute."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ingest.errors import InvalidSampling
from ingest.geometry import Geometry
from ingest.media.spec import SamplingSpec


@pytest.mark.parametrize(
    ("text", "rate", "name"),
    [
        ("fps:2", Fraction(2), "fps:2"),
        ("fps:0.5", Fraction(1, 2), "fps:1/2"),
        ("fps:1/3", Fraction(1, 3), "fps:1/3"),
        ("fps:30000/1001", Fraction(30000, 1001), "fps:30000/1001"),
        ("fps:2.0", Fraction(2), "fps:2"),
        ("fps:60", Fraction(60), "fps:60"),
        ("fps:1/3600", Fraction(1, 3600), "fps:1/3600"),
    ],
)
def test_a_rate_is_read_exactly_and_has_one_name(text: str, rate: Fraction, name: str) -> None:
    spec = SamplingSpec.parse(text)
    assert (spec.rate, spec.name) == (rate, name)
    assert SamplingSpec.parse(spec.name) == spec


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "fps", "fps:", "fps:-1", "fps:1/0", "fps:1e3", "fps: 2", "fps:2 ", "fps:٢"),
        *("FPS:2", "fps:nan", "fps:1_0", "fps:.5", "keyframes:2", "fps:2,slow", "fps:2,fast,fast"),
        *("shots:0", "shots:10", "shots:", "adaptive:1", "adaptive:-4", "adaptive:1-", "adaptive:"),
        "fps:" + "9" * 5000,
    ],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidSampling) as caught:
        SamplingSpec.parse(text)
    assert caught.value.code == "sampling.invalid"
    assert "fps:2" in caught.value.cure
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["fps:0", "fps:61", "fps:1/3601", "fps:60.01"])
def test_rates_out_of_bounds_are_refused_with_the_bounds(text: str) -> None:
    with pytest.raises(InvalidSampling, match="out of bounds") as caught:
        SamplingSpec.parse(text)
    assert "fps:1/3600" in caught.value.cure


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fps:0.5,fast", "fps:1/2,fast"),
        ("keyframes", "keyframes"),
        ("shots", "shots:1"),
        ("shots:9", "shots:9"),
        ("adaptive", "adaptive:1/2-4"),
        ("adaptive:1-8", "adaptive:1-8"),
    ],
)
def test_every_strategy_has_one_name(text: str, name: str) -> None:
    spec = SamplingSpec.parse(text)
    assert spec.name == name
    assert SamplingSpec.parse(name) == spec


def test_adaptive_rates_stand_in_order() -> None:
    with pytest.raises(InvalidSampling, match="adaptive sampling from 4 down to 1"):
        SamplingSpec.parse("adaptive:4-1")


@pytest.mark.parametrize(
    ("text", "keyframes", "frames"),
    [
        ("adaptive:1-4", None, 480),
        ("keyframes", 33, 33),
        ("keyframes", 3600, 240),
        ("keyframes", None, 24),
        ("shots:2", None, 60),
    ],
)
def test_every_strategy_has_an_estimate(text: str, keyframes: int | None, frames: int) -> None:
    assert SamplingSpec.parse(text).estimated_frames(120_000_000, keyframes) == frames


@pytest.mark.parametrize(
    ("duration_us", "frames"), [(1, 1), (500_000, 1), (500_001, 2), (10_000_000, 20)]
)
def test_the_estimate_counts_instants_inside_the_video(duration_us: int, frames: int) -> None:
    assert SamplingSpec.parse("fps:2").estimated_frames(duration_us) == frames


@pytest.mark.parametrize(
    ("text", "frames"), [("fps:60", 1200), ("fps:2", 240), ("adaptive:1-30", 1200), ("shots", 30)]
)
def test_no_more_frames_are_expected_than_the_video_has(text: str, frames: int) -> None:
    spec = SamplingSpec.parse(text)
    assert spec.estimated_frames(120_000_000, None, Fraction(10)) == frames


@pytest.mark.parametrize(
    ("displayed", "scaled"),
    [
        ((640, 272), (527, 224)),
        ((272, 640), (224, 527)),
        ((224, 224), (224, 224)),
        ((1, 1), (224, 224)),
        ((100_000, 2), (224 * 16, 224)),
        ((2, 100_000), (224, 224 * 16)),
    ],
)
def test_centre_scales_the_shorter_side_to_size(
    displayed: tuple[int, int], scaled: tuple[int, int]
) -> None:
    geometry = Geometry(crop="centre", size_px=224)
    assert geometry.scaled_size(*displayed) == scaled
    left, top, right, bottom = geometry.square_in(*scaled)
    assert (right - left, bottom - top) == (224, 224)
    assert abs(left - (scaled[0] - right)) <= 1
    assert abs(top - (scaled[1] - bottom)) <= 1


def test_squash_scales_both_sides_and_cuts_nothing() -> None:
    geometry = Geometry(crop="squash", size_px=256)
    assert geometry.scaled_size(1920, 1080) == (256, 256)
    assert geometry.square_in(256, 256) == (0, 0, 256, 256)


def test_a_geometry_is_read_back_from_its_name() -> None:
    for geometry in (Geometry("centre", 224), Geometry("squash", 384)):
        assert Geometry.parse(geometry.name) == geometry
    for text in ("centre-224", "middle-224-bicubic", "centre-0-bicubic", "centre-99999-bicubic"):
        with pytest.raises(ValueError, match="centre-224-bicubic"):
            Geometry.parse(text)
