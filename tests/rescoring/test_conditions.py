"""`--where`: which stored videos are chosen, and what is told of a condition that can't be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clipwarden.rescoring.conditions import Conditions
from clipwarden.rescoring.errors import InvalidCondition
from ingest.tables import DEFAULT_TENANT, Submission
from prompts.actions import Action
from prompts.label import Label
from prompts.schema import PromptSet
from tests.rescoring.scored_anew import embed_texts, finished_by_hand, rescoring
from tests.worker.chain import Chain, Submitted, prompt_set

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

WATCHED = prompt_set(
    Label(id="weapons.firearm", prompts=("red",), action=Action.BLOCK),
    Label(id="nudity", prompts=("blue",), nsfw=True, action=Action.ALLOW),
    Label(id="meadow", prompts=("green",), action=Action.NOTE),
    name="watched",
)


@pytest.fixture
def videos(chain: Chain) -> dict[str, Submitted]:
    """Four videos that ended a day apart, each of one colour."""
    embed_texts(chain, WATCHED)
    made = {}
    for days_ago, colour in enumerate(("red", "blue", "green", "grey")):
        made[colour] = finished_by_hand(chain, f"/clips/{colour}.mp4", [colour] * 5, WATCHED)
        with chain.stores.database.begin() as session:
            row = session.get_one(Submission, (DEFAULT_TENANT, made[colour].id))
            row.finished_at = datetime.now(UTC) - timedelta(days=days_ago)
    return made


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([], {"red", "blue", "green", "grey"}),
        (["label=weapons"], {"red"}),
        (["label=weapons.firearm"], {"red"}),
        # Found, but no reason to flag a video.
        (["label=meadow"], set()),
        (["label=weap"], set()),
        (["flagged=yes"], {"red", "blue"}),
        (["flagged=no"], {"green", "grey"}),
        (["nsfw=yes"], {"blue"}),
        (["nsfw=no", "flagged=yes"], {"red"}),
        (["action=block"], {"red"}),
        (["action=note"], {"green"}),
        (["action=allow"], {"blue", "grey"}),
        (["source=*.mp4"], {"red", "blue", "green", "grey"}),
        (["source=/clips/gr*"], {"green", "grey"}),
        (["source=gr[!a-d]y.mp4"], {"grey"}),
        (["since=36h"], {"red", "blue"}),
        (["until=36h"], {"green", "grey"}),
        (["since=60h", "until=36h"], {"green"}),
        (["since=2099-01-01"], set()),
        (["until=2099-01-01"], {"red", "blue", "green", "grey"}),
        (["prompts=watched"], {"red", "blue", "green", "grey"}),
        (["prompts=others"], set()),
    ],
)
def test_every_condition_must_hold(
    chain: Chain, videos: dict[str, Submitted], where: list[str], expected: set[str]
) -> None:
    # Of the same name, so that whatever is chosen changes: nothing is found any more.
    none = stricter(WATCHED)
    preview = rescoring(chain.stores, none, where).preview(10)
    assert preview.counts.videos == len(expected)
    sources = {one.source for one in preview.changes}
    changing = expected - {"grey"}
    assert sources == {f"/clips/{colour}.mp4" for colour in changing}


def stricter(of: PromptSet) -> PromptSet:
    """The same texts, so that their vectors can be used, and thresholds that nothing reaches."""
    labels = tuple(one.model_copy(update={"threshold": 0.999999}) for one in of.labels)
    return of.model_copy(update={"version": "2", "labels": labels})


def test_an_id_may_be_its_beginning(chain: Chain, videos: dict[str, Submitted]) -> None:
    submission_id = videos["blue"].id
    for text in (submission_id, submission_id[:8], submission_id[:8].upper()):
        assert rescoring(chain.stores, WATCHED, [f"id={text}"]).preview(0).counts.videos == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("label", "KEY is one of label, flagged, nsfw, action, source, since, until, id, prompts"),
        ("label=", "Write KEY=VALUE"),
        ("colour=red", "KEY is one of label"),
        ("flagged=maybe", "flagged=yes or flagged=no"),
        ("nsfw=1", "nsfw=yes or nsfw=no"),
        ("action=ban", "There are allow, note, review, block"),
        ("since=yesterday", "7d, 4w, or a date"),
        ("until=2026-13-01", "7d, 4w, or a date"),
        ("since=999999w", "7d, 4w, or a date"),
        ("id=xyz", "hex digits"),
    ],
)
def test_what_can_t_be_read_is_told_with_what_there_is(text: str, told: str) -> None:
    with pytest.raises(InvalidCondition) as raised:
        Conditions.parse([text], NOW)
    assert told in str(raised.value)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("text", "finished_at", "holds"),
    [
        ("since=2026-11-21", "2026-11-21T00:00:00", True),
        ("since=2026-11-21", "2026-11-20T23:59:59", False),
        ("until=2026-11-21", "2026-11-21T23:59:59", True),
        ("until=2026-11-21", "2026-11-22T00:00:00", False),
        ("until=20261121", "2026-11-21T23:59:59", True),
        ("until=2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00", True),
        ("until=2026-11-21T10:00:00+02:00", "2026-11-21T08:00:01", False),
        ("since=12h", "2026-11-22T00:00:00", True),
        ("since=12h", "2026-11-21T23:59:59", False),
    ],
)
def test_a_day_is_a_whole_one_in_utc(text: str, finished_at: str, holds: bool) -> None:
    row = Submission(finished_at=datetime.fromisoformat(finished_at).replace(tzinfo=UTC))
    assert Conditions.parse([text], NOW).hold(row, list) is holds


def test_labels_and_sets_that_nobody_knows_are_told_with_those_that_are() -> None:
    for text, told in (
        ("label=wepons", "They know nudity, weapons.firearm."),
        ("prompts=mine", "They know watched."),
    ):
        with pytest.raises(InvalidCondition) as raised:
            Conditions.parse([text], NOW).check({"weapons.firearm", "nudity"}, {"watched"})
        assert told in str(raised.value)
    Conditions.parse(["label=weapons", "prompts=watched"], NOW).check(
        {"weapons.firearm"}, {"watched"}
    )
