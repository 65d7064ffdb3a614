"""What is found in a video does not depend on how it is sampled, shifted, framed or encoded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clips import real_clip
from tests.clipwarden.command import Product
from tests.variants import (
    after_a_black_second,
    at_a_lower_bit_rate,
    later_by_a_second,
    with_bars,
)

STEP_MS = 500 + 40
"""One sampling step at 2 frames a second; a frame is taken when it comes, 25 times a second."""

CLIPS = ("bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4")
OTHERS = os.environ.get("CLIPWARDEN_TEST_VIDEOS", "")
"""A folder with more videos, to be tried with the moderation set."""

Variant = Callable[[Path, Path], Path]
VARIANTS: dict[str, tuple[Variant, int]] = {
    "later": (later_by_a_second, 0),
    "bars": (with_bars, 0),
    "coarse": (at_a_lower_bit_rate, 0),
    "black": (after_a_black_second, 1000),
}
"""How each is made, and by how much later things are found in it."""


def check_same(base: Any, other: Any, later_ms: int = 0) -> None:
    """Check that both are flagged for the same, by segments a sampling step apart at most."""
    flags = [
        {key: one["flags"][key] for key in ("nsfw", "action", "labels")} for one in (base, other)
    ]
    assert flags[0] == flags[1]
    wanted, found = spans(base, later_ms), spans(other, 0)
    assert [one[0] for one in wanted] == [one[0] for one in found], (wanted, found)
    for (label, *before), (_, *after) in zip(wanted, found, strict=True):
        moved = [abs(a - b) for a, b in zip(before, after, strict=True)]
        assert max(moved) <= STEP_MS, (label, before, after)


def spans(document: Any, later_ms: int) -> list[tuple[str, int, int]]:
    return sorted(
        (one["label"], one["start_ms"] + later_ms, one["end_ms"] + later_ms)
        for one in document["segments"]
        # What flags nothing may hover about its threshold.
        if one["label"] in document["flags"]["labels"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("prompts", ["standin", *(["moderation"] if OTHERS else [])])
def test_nothing_changes_in_other_clothes(product: Product, tmp_path: Path, prompts: str) -> None:
    own = [real_clip(name) for name in CLIPS]
    videos = own if prompts == "standin" else sorted(Path(OTHERS).glob("*.mp4"))
    check_variants(product, tmp_path, videos, prompts)


def check_variants(product: Product, folder: Path, videos: list[Path], prompts: str) -> None:
    """Analyse all videos and their variants in one run, then each at twice the rate."""
    inputs: dict[str, Path] = {}
    for number, video in enumerate(videos):
        inputs[f"{number} base"] = video
        for name, (make, _) in VARIANTS.items():
            inputs[f"{number} {name}"] = make(video, folder / f"{number}-{name}.mp4")
    asked = ("--prompts", prompts, "--no-report")
    found = dict(zip(inputs, product.analyze(*asked, *inputs.values()), strict=True))
    twice = product.analyze(*asked, "--sample", "fps:4", *videos)
    # One alone is no list.
    twice = twice if isinstance(twice, list) else [twice]
    for number, at_twice in enumerate(twice):
        base = found[f"{number} base"]
        assert base["status"] == "done"
        check_same(base, at_twice)
        for name, (_, later_ms) in VARIANTS.items():
            check_same(base, found[f"{number} {name}"], later_ms)
    assert any(one["segments"] for one in twice)
