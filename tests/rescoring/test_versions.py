"""Stored versions: how they are called, listed and compared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clipwarden.calibration_choice import CalibrationChoice
from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.diffing import diff_versions
from clipwarden.rescoring.document import DiffDocument
from clipwarden.rescoring.errors import VersionUnknown
from clipwarden.rescoring.versions import (
    StoredVersion,
    described_versions,
    find_version,
    stored_versions,
)
from ingest.tables import DEFAULT_TENANT
from prompts.schema import PromptSet
from tests.rescoring.scored_anew import (
    ONLY_RED,
    WARM,
    Silent,
    embed_texts,
    finished_by_hand,
    rescoring,
)
from tests.rescoring.test_rescoring import fitted
from tests.worker.chain import COLOUR_SET, Chain
from worker.versions import Version

AT = datetime(2026, 11, 22, tzinfo=UTC)


def version(name: str, number: str, sha256: str, calibration: str = "") -> StoredVersion:
    padded = [one.ljust(64, "0") if one else one for one in (sha256, calibration)]
    return StoredVersion(Version(*padded), name, number, 1, AT, AT)


STORED = [
    version("moderation", "1", "aaaa1111"),
    version("moderation", "1", "aaaa1111", "cafe1234"),
    version("moderation", "2:beta", "aaaa2222"),
    version("scenes", "1", "bbbb3333"),
    version("beef", "1", "dddd4444"),
    version("other", "1", "beef5555"),
]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("scenes", 3),
        ("scenes@1", 3),
        ("bbbb", 3),
        ("bbbb3333:none", 3),
        ("moderation@1:none", 0),
        ("aaaa1:cafe", 1),
        ("moderation@1:cafe1234", 1),
        ("moderation:cafe", 1),
        ("moderation@2:beta", 2),
        ("moderation@2:beta:none", 2),
        ("beef5", 5),
    ],
)
def test_a_version_is_found_by_any_of_its_names(text: str, place: int) -> None:
    assert find_version(STORED, text) is STORED[place]


@pytest.mark.parametrize(
    ("text", "problem", "listed"),
    [
        ("moderation", "several versions", 3),
        ("moderation@1", "several versions", 2),
        ("moderation:none", "several versions", 2),
        ("aaaa", "several versions", 3),
        # A set's name, and how another's hash begins.
        ("beef", "several versions", 2),
        ("moderation@3", "no results are called", 6),
        ("bbb", "no results are called", 6),
        ("scenes:cafe", "no results are called", 6),
        ("", "no results are called", 6),
    ],
)
def test_what_is_no_version_or_several_is_told_with_those_that_are_there(
    text: str, problem: str, listed: int
) -> None:
    with pytest.raises(VersionUnknown) as raised:
        find_version(STORED, text)
    assert problem in raised.value.message
    assert raised.value.cure.count("scored)") == listed


def test_without_results_there_is_nothing_to_name() -> None:
    with pytest.raises(VersionUnknown, match="no stored results at all"):
        find_version([], "moderation")


def test_what_is_stored_is_listed_with_who_shows_it(chain: Chain) -> None:
    for one in (COLOUR_SET, WARM):
        embed_texts(chain, one)
    finished_by_hand(chain, "red.mp4", ["red"] * 5)
    finished_by_hand(chain, "blue.mp4", ["blue"] * 5)
    rescoring(chain.stores, WARM, ["source=red.mp4"]).store(make_current=True)
    found = {one.version: one for one in described_versions(chain.stores, DEFAULT_TENANT)}
    assert (found["1"].videos, found["1"].shown_by) == (2, 1)
    assert (found["2"].videos, found["2"].shown_by) == (1, 1)
    assert found["1"].first_at <= found["1"].last_at
    assert found["2"].sha256 == WARM.sha256


def diffed(
    chain: Chain, old: PromptSet, new: PromptSet, *where: str, label: str | None = None
) -> DiffDocument:
    stored = stored_versions(chain.stores, DEFAULT_TENANT)
    before, after = (find_version(stored, f"{one.sha256}:none") for one in (old, new))
    conditions = Conditions.parse(where, AT)
    return diff_versions(chain.stores, DEFAULT_TENANT, before, after, conditions, Silent(), label)


def test_two_stored_versions_are_compared_by_their_own_segments(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.run()
    for one in (WARM, ONLY_RED):
        embed_texts(chain, one)
    finished_by_hand(chain, "red.mp4", ["red"] * 5)
    rescoring(chain.stores, ONLY_RED).store(make_current=False)
    rescoring(chain.stores, WARM, [f"id={submitted.id}"]).store(make_current=False)

    document = diffed(chain, WARM, ONLY_RED)
    assert (document.only_old, document.only_new, document.counts.videos) == (0, 1, 1)
    [change] = document.changes
    assert change.id == submitted.id
    assert change.before.nsfw
    assert not change.after.nsfw
    told = [(one.kind, one.label) for one in change.segments]
    assert told == [("appeared", "red"), ("disappeared", "warm")]

    turned = diffed(chain, ONLY_RED, WARM)
    assert (turned.only_old, turned.only_new) == (1, 0)
    assert diffed(chain, COLOUR_SET, ONLY_RED).counts.videos == 2
    assert diffed(chain, COLOUR_SET, ONLY_RED, "source=red.mp4").counts.videos == 1
    only = diffed(chain, WARM, ONLY_RED, label="warm")
    assert [one.label for one in only.counts.labels] == ["warm"]
    assert only.counts.no_longer_flagged == 1


def test_a_calibrated_version_is_compared_with_the_same_set_without(chain: Chain) -> None:
    embed_texts(chain, COLOUR_SET)
    finished_by_hand(chain, "red.mp4", ["red"] * 5)
    calibration = fitted(COLOUR_SET, scale=0.001)
    choice = CalibrationChoice("fitted.json", calibration)
    rescoring(chain.stores, COLOUR_SET, choice=choice).store(make_current=False)
    stored = stored_versions(chain.stores, DEFAULT_TENANT)
    old = find_version(stored, "colours:none")
    new = find_version(stored, f"colours:{calibration.sha256[:6]}")
    document = diff_versions(chain.stores, DEFAULT_TENANT, old, new, Conditions(), Silent())
    # At that scale any frame is a little more likely than not to show any label.
    assert document.new.calibration == calibration.sha256
    assert [one.label for one in document.counts.labels] == ["blue", "green", "red"]
    assert document.counts.labels[0].appeared == 1
