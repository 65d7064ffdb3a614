"""Comparing documents that are made by hand: segments by label and time, flags by what is shown."""

from __future__ import annotations

import pytest

from clipwarden.rescoring.comparing import Comparison, Side, segment_changes, verdict_of
from clipwarden.rescoring.works import StoredWork
from ingest.queue.payloads import Work
from ingest.tables import Submission
from prompts.actions import Action
from prompts.label import Label
from prompts.rules import Rule
from tests.worker.chain import prompt_set
from worker.document import SegmentInfo
from worker.flagging import flags_of

SET = prompt_set(
    Label(id="weapons", prompts=("red",), action=Action.NOTE),
    Label(id="weapons.firearm", prompts=("green",), action=Action.BLOCK),
    Label(id="nudity", prompts=("blue",), nsfw=True, action=Action.ALLOW),
)


def segment(label: str, start_ms: int, end_ms: int, confidence: float = 0.9) -> SegmentInfo:
    found = SET.label(label)
    return SegmentInfo(
        prompt_set=SET.name,
        label=label,
        parent=found.parent,
        start_ms=start_ms,
        end_ms=end_ms,
        confidence=confidence,
        mean_confidence=confidence,
        peak_ms=start_ms,
        frames=2,
        nsfw=found.nsfw,
        action=found.action,
        evidence="default/evidence/x#0",
    )


def side(*segments: SegmentInfo) -> Side:
    return Side(segments, flags_of(segments, [SET]))


def stored() -> StoredWork:
    row = Submission(id="a" * 32, source="film.mp4")
    work = Work(tenant="default", media_sha256="0" * 64, sampling_key="k", model_key="0" * 16)
    return StoredWork(work, (row, row))


def kinds(before: list[SegmentInfo], after: list[SegmentInfo]) -> list[str]:
    return [f"{one.kind} {one.label}" for one in segment_changes(before, after)]


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [
        (0, 2000, []),
        (0, 1000, ["moved weapons"]),
        (0, 999, ["appeared weapons", "disappeared weapons"]),
        (1000, 4000, ["disappeared weapons", "appeared weapons"]),
        (500, 2500, ["moved weapons"]),
        (2000, 4000, ["disappeared weapons", "appeared weapons"]),
    ],
)
def test_segments_that_share_half_of_their_time_are_one_that_moved(
    start_ms: int, end_ms: int, expected: list[str]
) -> None:
    before, after = segment("weapons", 0, 2000), segment("weapons", start_ms, end_ms)
    assert kinds([before], [after]) == expected
    opposite = {"appeared": "disappeared", "disappeared": "appeared", "moved": "moved"}
    turned = [f"{opposite[one.split()[0]]} weapons" for one in expected]
    assert sorted(kinds([after], [before])) == sorted(turned)


def test_another_confidence_at_the_same_times_is_no_change() -> None:
    assert kinds([segment("weapons", 0, 9, 0.5)], [segment("weapons", 0, 9, 0.9)]) == []


def test_an_instant_is_the_same_as_itself_alone() -> None:
    assert kinds([segment("weapons", 5, 5)], [segment("weapons", 5, 5)]) == []
    assert len(kinds([segment("weapons", 5, 5)], [segment("weapons", 6, 6)])) == 2


def test_labels_are_told_apart_and_changes_come_in_order_of_time() -> None:
    before = [segment("weapons", 0, 1000), segment("nudity", 5000, 6000)]
    after = [segment("weapons.firearm", 0, 1000), segment("nudity", 5000, 6100)]
    changes = segment_changes(before, after)
    assert [(one.kind, one.label) for one in changes] == [
        ("disappeared", "weapons"),
        ("appeared", "weapons.firearm"),
        ("moved", "nudity"),
    ]
    moved = changes[-1]
    assert moved.before is not None
    assert moved.after is not None
    assert (moved.before.end_ms, moved.after.end_ms) == (6000, 6100)


def test_each_segment_has_one_partner_at_most() -> None:
    before = [segment("weapons", 0, 2000)]
    after = [segment("weapons", 0, 1000), segment("weapons", 1000, 2000)]
    assert kinds(before, after) == ["moved weapons", "appeared weapons"]
    many = [segment("weapons", at, at + 500) for at in range(0, 100_000, 1000)]
    later = [segment("weapons", at + 100, at + 600) for at in range(0, 100_000, 1000)]
    assert kinds(many, later) == ["moved weapons"] * 100
    assert kinds(many, later[50:]) == ["disappeared weapons"] * 50 + ["moved weapons"] * 50


def test_videos_are_counted_by_how_their_flags_differ() -> None:
    comparison = Comparison()
    firearm, weapon = segment("weapons.firearm", 0, 9), segment("weapons", 0, 9)
    newly = comparison.add(stored(), side(), side(firearm))
    assert newly is not None
    assert (newly.is_newly_flagged, newly.submissions) == (True, 2)
    assert newly.after.action is Action.BLOCK
    gone = comparison.add(stored(), side(segment("nudity", 0, 9)), side())
    assert gone is not None
    assert gone.is_no_longer_flagged
    assert gone.before.nsfw
    assert gone.before.action is Action.ALLOW
    # A note flags nothing, and yet it is another action.
    noted = comparison.add(stored(), side(), side(weapon))
    assert noted is not None
    assert not noted.is_newly_flagged
    assert comparison.add(stored(), side(weapon), side(weapon)) is None
    counts = comparison.counts()
    assert (counts.videos, counts.changed) == (4, 3)
    assert (counts.newly_flagged, counts.no_longer_flagged, counts.action_changed) == (1, 1, 2)
    by_label = {one.label: one for one in counts.labels}
    assert list(by_label) == ["nudity", "weapons", "weapons.firearm"]
    assert (by_label["weapons"].videos_before, by_label["weapons"].videos_after) == (1, 2)
    assert (by_label["weapons"].appeared, by_label["nudity"].disappeared) == (1, 1)


def test_a_label_leaves_out_all_but_itself_and_its_children() -> None:
    before = side(segment("nudity", 0, 9))
    after = side(segment("weapons.firearm", 0, 9), segment("nudity", 20, 29))
    change = Comparison("weapons").add(stored(), before, after)
    assert change is not None
    assert [one.label for one in change.segments] == ["weapons.firearm"]
    assert not change.before.nsfw
    assert (change.after.flagged, change.after.nsfw) == (True, False)
    assert Comparison("weapon").add(stored(), before, after) is None


def test_a_rule_of_several_labels_speaks_for_each_of_them() -> None:
    rule = Rule(
        id="much", labels=("weapons", "nudity"), min_segments=2, action=Action.BLOCK, nsfw=True
    )
    ruled = SET.model_copy(update={"rules": (rule,)})
    flags = flags_of([segment("weapons", 0, 9), segment("nudity", 0, 9)], [ruled])
    verdict = verdict_of(flags, "weapons")
    assert (verdict.flagged, verdict.action, verdict.nsfw) == (True, Action.BLOCK, True)
    assert verdict.labels == ("weapons",)
    assert not verdict_of(flags_of([segment("weapons", 0, 9)], [ruled])).flagged
