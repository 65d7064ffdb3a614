"""The result document: what a program can rely on, however the submission ended."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from ingest.endings import fail
from ingest.errors import BlobMissing, MediaUnreadable
from ingest.evidence import read_picture
from ingest.sampling import FRAMES_VERSION
from ingest.tables import DEFAULT_TENANT
from prompts.actions import Action
from prompts.label import Label
from tests.clips import RED, write_scenes
from tests.worker.chain import COLOUR_SET, Chain, prompt_set
from tests.worker.fake_encoder import FAKE_CARD
from worker.document import Flags, ResultDocument, Timings
from worker.errors import ResultMissing
from worker.results import read_document, read_scores
from worker.tables import Embedding, Result

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result-1.schema.json").read_text())


def checked(document: ResultDocument) -> ResultDocument:
    """Check a document against the published schema, as whoever reads it would."""
    text = document.to_json()
    jsonschema.validate(json.loads(text), SCHEMA, cls=jsonschema.Draft202012Validator)
    assert ResultDocument.model_validate_json(text) == document
    return document


def apart_from_submission(document: ResultDocument) -> ResultDocument:
    """All of a document but its submission's id and the time it took."""
    video = document.video.model_copy(update={"id": ""})
    return document.model_copy(update={"video": video, "timings": Timings()})


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return write_scenes(tmp_path / "red.mp4", [(RED, 1.0)], width=64, height=48)


def found_by(chain: Chain, path: Path, *labels: Label) -> ResultDocument:
    return checked(chain.analyze(path, [prompt_set(*labels)], sampling="fps:5"))


def red_label(
    label_id: str = "red", *, action: Action = Action.REVIEW, nsfw: bool = False
) -> Label:
    return Label(id=label_id, prompts=("red",), action=action, nsfw=nsfw)


def test_a_result_says_how_it_was_made(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes, sampling="fps:5/2")
    chain.run()
    document = checked(chain.document(submitted))
    assert document.video.id == submitted.id
    assert document.video.source == three_scenes.name
    assert document.video.sha256 == submitted.work.media_sha256
    assert document.video.codec == "h264"
    assert (document.model.id, document.model.key) == ("fake", FAKE_CARD.key)
    assert document.model.weights_sha256 == FAKE_CARD.weights_sha256
    assert document.sampling.model_dump() == {
        "strategy": "fps",
        "spec": "fps:5/2",
        "fps": 2.5,
        "geometry": "squash-32-bicubic",
        "version": FRAMES_VERSION,
    }
    [asked] = document.prompt_sets
    assert (asked.name, asked.version, asked.sha256) == ("colours", "1", COLOUR_SET.sha256)
    assert asked.calibration is None
    assert document.video.cuts_ms == ()


def test_two_results_that_differ_in_nothing_they_depend_on_are_equal(
    chain: Chain, three_scenes: Path
) -> None:
    first, second = (chain.analyze(three_scenes) for _ in range(2))
    assert first.video.id != second.video.id
    assert apart_from_submission(first) == apart_from_submission(second)


@pytest.mark.parametrize(
    ("action", "flagged"),
    [
        (Action.ALLOW, ()),
        (Action.NOTE, ()),
        (Action.REVIEW, ("red",)),
        (Action.BLOCK, ("red",)),
    ],
)
def test_a_label_flags_its_video_when_somebody_must_look(
    chain: Chain, red: Path, action: Action, flagged: tuple[str, ...]
) -> None:
    document = found_by(chain, red, red_label(action=action))
    assert [one.action for one in document.segments] == [action]
    assert document.flags.labels == flagged
    assert document.flags.action == action
    assert document.flags.nsfw is False


def test_an_nsfw_label_flags_its_video_whatever_its_action(chain: Chain, red: Path) -> None:
    document = found_by(chain, red, red_label(action=Action.NOTE, nsfw=True))
    assert document.flags.nsfw is True
    assert document.flags.labels == ("red",)
    assert document.flags.action == Action.NOTE
    assert document.segments[0].nsfw is True


def test_the_strongest_action_wins_and_what_was_not_found_has_no_say(
    chain: Chain, red: Path
) -> None:
    blue = Label(id="blue", prompts=("blue",), action=Action.BLOCK, nsfw=True)
    document = found_by(chain, red, red_label("a", action=Action.NOTE), red_label("b"), blue)
    assert document.flags.action == Action.REVIEW
    assert document.flags.nsfw is False
    assert document.flags.labels == ("b",)


def test_a_video_in_which_nothing_is_found_is_allowed(chain: Chain, red: Path) -> None:
    document = found_by(chain, red, Label(id="blue", prompts=("blue",), nsfw=True))
    assert document.status == "done"
    assert document.segments == ()
    assert document.flags == Flags(nsfw=False, action=Action.ALLOW, labels=(), reasons=())


def test_segments_are_sorted_by_start_then_label_and_know_their_parent(
    chain: Chain, red: Path
) -> None:
    document = found_by(chain, red, red_label("warm.red"), red_label("a"), red_label("a.b.c"))
    assert [(one.label, one.parent) for one in document.segments] == [
        ("a", None),
        ("a.b.c", "a.b"),
        ("warm.red", "warm"),
    ]


def test_segments_of_several_sets_are_sorted_together(chain: Chain, three_scenes: Path) -> None:
    late = (Label(id="blue", prompts=("blue",)), Label(id="warm", prompts=("red", "green")))
    sets = [prompt_set(*late, name="late"), COLOUR_SET]
    document = checked(chain.analyze(three_scenes, sets))
    assert [one.name for one in document.prompt_sets] == ["late", "colours"]
    assert [(one.label, one.prompt_set) for one in document.segments] == [
        ("red", "colours"),
        ("warm", "late"),
        ("green", "colours"),
        ("blue", "late"),
        ("blue", "colours"),
    ]


def test_every_segment_points_at_a_picture(chain: Chain, three_scenes: Path) -> None:
    for segment in chain.analyze(three_scenes, sampling="fps:5").segments:
        assert read_picture(chain.stores.blobs, segment.evidence).startswith(b"\xff\xd8")


def test_a_failed_submission_says_why_and_what_to_do(chain: Chain, red: Path) -> None:
    submitted = chain.submit(red)
    error = MediaUnreadable("red.mp4 is no video.", "Convert it.")
    fail(chain.stores, submitted.work, submitted.id, error)
    document = checked(chain.document(submitted))
    assert document.status == "failed"
    assert document.error is not None
    assert document.error.model_dump() == {
        "code": "media.unreadable",
        "message": "red.mp4 is no video.",
        "cure": "Convert it.",
    }
    assert document.video.id == submitted.id
    assert document.video.duration_ms is None
    assert document.model.device is None
    assert document.segments == ()
    assert document.flags.action == Action.ALLOW
    assert [one.name for one in document.prompt_sets] == ["colours"]


def test_a_cancelled_submission_is_told_as_failed_with_a_code_of_its_own(
    chain: Chain, red: Path
) -> None:
    submitted = chain.submit(red)
    chain.cancel(submitted)
    document = checked(chain.document(submitted))
    assert document.status == "failed"
    assert document.error is not None
    assert document.error.code == "run.cancelled"
    assert document.error.cure


def test_what_has_not_ended_or_never_was_has_no_result(chain: Chain, red: Path) -> None:
    submitted = chain.submit(red)
    for missing in (submitted.id, "0" * 32):
        with pytest.raises(ResultMissing, match=missing):
            read_document(chain.stores, DEFAULT_TENANT, missing)


def test_one_tenant_does_not_see_anothers_results(chain: Chain, red: Path) -> None:
    submitted = chain.submit(red)
    chain.run()
    with pytest.raises(ResultMissing):
        read_document(chain.stores, "other", submitted.id)


def test_scores_that_were_deleted_are_named(chain: Chain, red: Path) -> None:
    submitted = chain.submit(red)
    chain.run()
    [result] = chain.rows(Result)
    chain.stores.blobs.delete(result.scores_key)
    with pytest.raises(BlobMissing, match="scores"):
        read_scores(chain.stores, DEFAULT_TENANT, submitted.id)


def test_a_result_tells_how_it_was_made_when_its_embeddings_are_gone(
    chain: Chain, red: Path
) -> None:
    submitted = chain.submit(red)
    chain.run()
    before = chain.document(submitted)
    with chain.stores.database.begin() as session:
        session.query(Embedding).delete()
    assert chain.document(submitted) == before
    assert before.video.frames_embedded == before.video.frames_sampled > 0


def test_a_result_names_every_card_that_took_part(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed()
    cards = ["a-card-of-a-long-name:0", "a-card-of-a-long-name:1", "cpu"]
    with chain.stores.database.begin() as session:
        for row in session.query(Embedding):
            row.device = cards[row.chunk]
    chain.finish()
    assert checked(chain.document(submitted)).model.device == ",".join(cards)
