"""What holds of every evaluation, whatever was found."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipwarden.evaluation.estimate import Estimate
from clipwarden.evaluation.observation import Observed
from clipwarden.evaluation.run import Figures, measure
from tests.evaluation.observed import LABELS, Span, picture, scene, video

halves = st.integers(0, 40).map(lambda n: n / 4)
spans = st.tuples(halves, halves, st.sampled_from(LABELS)).map(
    lambda one: (min(one[0], one[1]), max(one[0], one[1]) + 0.25, one[2])
)
truths = st.lists(st.tuples(spans, st.booleans(), st.booleans()), max_size=4)
pictures = st.tuples(
    st.lists(st.sampled_from(LABELS), max_size=2, unique=True),
    st.lists(st.sampled_from(LABELS), max_size=2, unique=True),
)


@st.composite
def observations(draw: st.DrawFn) -> list[Observed]:
    files: list[Observed] = []
    for _ in range(draw(st.integers(0, 3))):
        scenes = [
            scene(start, end, *([label] if flagged else []), hard=hard)
            for (start, end, label), flagged, hard in draw(truths)
        ]
        found: list[Span] = draw(st.lists(spans, max_size=4))
        files.append(video(scenes, found, index=len(files)))
    for tags, labels in draw(st.lists(pictures, max_size=3)):
        files.append(picture(tags, labels, index=len(files)))
    return files


def estimates(figures: Figures) -> dict[str, Estimate]:
    found = {}
    for row in (figures.overall, *figures.labels):
        for part in (row.scenes, row.files, row.curve):
            if part is None:
                continue
            for field in dataclasses.fields(part):
                value = getattr(part, field.name)
                if isinstance(value, Estimate):
                    found[f"{row.label} {type(part).__name__} {field.name}"] = value
    return found


@settings(max_examples=60)
@given(observations())
def test_shares_lie_between_0_and_1_inside_their_intervals(files: list[Observed]) -> None:
    for name, one in estimates(measure(files, LABELS)).items():
        assert one.value is None or one.value >= 0, name
        if "_ms" not in name and "per_hour" not in name:
            assert one.value is None or one.value <= 1 + 1e-9, name
            assert one.high is None or one.high <= 1 + 1e-9, name
        assert (one.low is None) == (one.high is None), name
        if one.low is not None and one.high is not None:
            assert 0 <= one.low <= one.high, name


@settings(max_examples=40)
@given(observations(), st.randoms(use_true_random=False))
def test_the_order_of_files_and_scenes_is_no_matter(files: list[Observed], random: object) -> None:
    shuffle = random.shuffle  # type: ignore[attr-defined]
    shuffled = []
    for one in files:
        scenes = list(one.media.scenes)
        shuffle(scenes)
        media = dataclasses.replace(one.media, scenes=tuple(scenes))
        shuffled.append(dataclasses.replace(one, media=media))
    shuffle(shuffled)
    before, after = measure(files, LABELS), measure(shuffled, LABELS)
    first, second = estimates(before), estimates(after)
    assert first.keys() == second.keys()
    for name, estimate in first.items():
        assert estimate.value == pytest.approx(second[name].value), name
        assert estimate.n == pytest.approx(second[name].n), name
    assert len(before.mistakes) == len(after.mistakes)


@settings(max_examples=40)
@given(observations())
def test_found_and_missed_are_all_that_was_wanted(files: list[Observed]) -> None:
    figures = measure(files, LABELS)
    missed = [one for one in figures.mistakes if one.kind == "missed"]
    wanted = sum(len(scene.wanted) for one in files for scene in one.media.scenes)
    timed = 0.0
    if figures.overall.scenes is not None:
        for share in (figures.overall.scenes.recall, figures.overall.scenes.hard_recall):
            timed += share.n * (share.value or 0)
    whole = sum(
        any(wanted.accepts(found.label) for found in one.found)
        for one in files
        if one.media.is_whole
        for wanted in one.media.scenes[0].wanted
    )
    assert timed + whole + len(missed) == pytest.approx(wanted)
