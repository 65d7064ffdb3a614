"""Scores of frame classifiers are made beside the vectors, kept like them, and made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.errors import JobRefused
from ingest.queue.claims import Interrupted
from ingest.queue.meters import Meter, read_meters
from ingest.queue.payloads import EmbedJob
from ingest.stores import Stores
from ingest.submissions import submit
from ingest.tables import DEFAULT_TENANT, Status, Submission
from prompts.label import Label
from prompts.schema import PromptSet
from tests.ingest.submitting import never, wish
from tests.worker.chain import COLOUR_SET, EMBED_QUEUE, Chain, Submitted, prompt_set
from tests.worker.fake_encoder import COLOURS
from tests.worker.frames_by_hand import decode_by_hand
from worker.classifiers.load import classifier_key, load_classifier
from worker.classifiers.protocol import Scores
from worker.encoders.protocol import BeforeEach, Pixels, nothing
from worker.errors import ClassifierUnavailable, EmbeddingsMissing
from worker.frame_scores import FrameScoring
from worker.frames import EmbeddedFrames, load_frames
from worker.retention import delete_expired, purge
from worker.settings import Retention
from worker.tables import Embedding, FrameScore

DAY_S = 24 * 3600.0
NAME: Final = "open_nsfw"
NSFW_SET = prompt_set(
    Label(id="nudity", classifier=NAME, threshold=0.6, min_frames=1, nsfw=True), name="classified"
)
FRAMES = [("red",), ("green",), *[("blue", "red")] * 70]
"""72 frames and 142 pictures in three chunks."""
PICTURES = [name for frame in FRAMES for name in frame]
PICTURES_OF_CHUNK = (64, 64, 14)


def nothing_at(_picture: int) -> None:
    """Let every picture be scored."""


class RedShare:
    """Gives a picture the share of red in it, one at a time; `act` is told which one is next."""

    name = NAME
    key = classifier_key(NAME)

    def __init__(self, act: Callable[[int], None] = nothing_at) -> None:
        self.scored = 0
        self.loaded = 0
        self._act = act

    def load(self, name: str) -> RedShare:
        """Stand where the real one is loaded."""
        assert name == NAME
        self.loaded += 1
        return self

    def score(self, pixels: Pixels, before_each: BeforeEach = nothing) -> Scores:
        """Score uint8 `[n, size, size, 3]`."""
        for _ in pixels:
            before_each()
            self.scored += 1
            self._act(self.scored)
        return np.asarray(pixels[..., 0].mean(axis=(1, 2)) / 255, np.float32)


def red_shares(names: Sequence[str]) -> list[object]:
    return [pytest.approx(COLOURS[name][0] / 255, abs=1e-6) for name in names]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is decoded to FRAMES."""
    decode_by_hand(monkeypatch, FRAMES)
    path = tmp_path / "film"
    path.write_bytes(b"film")
    return path


@pytest.fixture
def red_share(chain: Chain) -> RedShare:
    """The classifier that the chain's embedding worker loads."""
    classifier = RedShare()
    chain.load = classifier.load
    return classifier


def analysed(chain: Chain, path: Path, *prompt_sets: PromptSet) -> Submitted:
    submitted = chain.submit(path, prompt_sets)
    chain.run()
    assert chain.status(submitted) == Status.DONE
    return submitted


def frames_of(chain: Chain, submitted: Submitted) -> EmbeddedFrames:
    return load_frames(chain.stores, submitted.work, (NAME,))


def test_open_nsfw_scores_the_pictures_that_were_embedded(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_by_hand(monkeypatch, [("red", "grey"), ("green",), ("blue",)])
    path = tmp_path / "film"
    path.write_bytes(b"film")
    anything = Label(id="nudity", classifier=NAME, threshold=1e-5, min_frames=1, nsfw=True)
    submitted = analysed(chain, path, prompt_set(anything), COLOUR_SET)
    squares = [np.full((32, 32, 3), COLOURS[one]) for one in ("red", "grey", "green", "blue")]
    expected = load_classifier(NAME).score(np.array(squares, np.uint8))
    frames = frames_of(chain, submitted)
    np.testing.assert_array_equal(frames.classifier_scores[NAME], expected)
    document = chain.document(submitted)
    assert document.flags.nsfw
    [segment] = [one for one in document.segments if one.label == "nudity"]
    peaks = np.maximum.reduceat(expected, [0, 2, 3])
    assert segment.confidence == pytest.approx(peaks.max(), abs=1e-4)


@pytest.mark.every_backend
def test_every_picture_of_every_chunk_has_its_score(
    chain: Chain, film: Path, red_share: RedShare
) -> None:
    submitted = analysed(chain, film, NSFW_SET)
    frames = frames_of(chain, submitted)
    assert frames.classifier_scores[NAME].tolist() == red_shares(PICTURES)
    assert frames.classifier_scores[NAME].dtype == np.float32
    assert frames.pictures_of_chunk == PICTURES_OF_CHUNK
    vectors, scores = frames.vector_blobs, frames.score_blobs[NAME]
    assert len(vectors) == len(scores) == 3
    for length, vector_blob, score_blob in zip(PICTURES_OF_CHUNK, vectors, scores, strict=True):
        assert len(unpack_arrays(chain.stores.blobs.get(vector_blob))["vectors"]) == length
        assert len(unpack_arrays(chain.stores.blobs.get(score_blob))["scores"]) == length
    assert chain.document(submitted).flags.nsfw


def test_rows_and_meters_say_what_was_scored(chain: Chain, film: Path, red_share: RedShare) -> None:
    analysed(chain, film, NSFW_SET)
    rows = chain.rows(FrameScore)
    embedded = chain.rows(Embedding)
    assert [row.pixels_sha256 for row in rows] == [row.pixels_sha256 for row in embedded]
    assert [row.frames for row in rows] == [row.frames for row in embedded]
    assert {(row.classifier, row.classifier_key) for row in rows} == {(NAME, red_share.key)}
    assert all(row.blob_sha256[:16] in row.blob_key for row in rows)
    meters = read_meters(chain.stores.redis)
    assert meters[Meter.FRAMES, NAME] == len(FRAMES)
    assert meters[Meter.SECONDS, NAME] == pytest.approx(sum(row.score_s for row in rows))


def test_who_wants_no_classifier_gets_none(chain: Chain, film: Path, red_share: RedShare) -> None:
    submitted = analysed(chain, film, COLOUR_SET)
    assert (red_share.loaded, chain.rows(FrameScore)) == (0, [])
    frames = load_frames(chain.stores, submitted.work)
    assert (frames.classifier_scores, frames.score_blobs) == ({}, {})
    with pytest.raises(EmbeddingsMissing, match="open_nsfw has scored 0 of 3 chunks") as caught:
        frames_of(chain, submitted)
    assert "`clipwarden analyze`" in caught.value.cure
    assert "needs open_nsfw" in caught.value.cure


def test_a_video_that_was_analysed_without_is_scored_later_and_not_embedded_again(
    chain: Chain, film: Path, red_share: RedShare
) -> None:
    analysed(chain, film, COLOUR_SET)
    embedded = [row.blob_key for row in chain.rows(Embedding)]
    submitted = analysed(chain, film, NSFW_SET)
    assert frames_of(chain, submitted).classifier_scores[NAME].tolist() == red_shares(PICTURES)
    assert [row.blob_key for row in chain.rows(Embedding)] == embedded
    assert sum(chain.encoder.batches) == red_share.scored == len(PICTURES)
    assert chain.traces() == []
    assert chain.pixels() == []


def test_scores_are_made_once(chain: Chain, film: Path, red_share: RedShare) -> None:
    analysed(chain, film, NSFW_SET)
    analysed(chain, film, NSFW_SET, COLOUR_SET)
    assert red_share.scored == len(PICTURES)


@pytest.mark.parametrize("sampled", [False, True])
def test_who_joins_one_that_wants_no_classifier_is_served_all_the_same(
    chain: Chain, film: Path, red_share: RedShare, sampled: bool
) -> None:
    first = chain.submit(film)
    if sampled:
        chain.sample()
    second = chain.submit(film, [NSFW_SET])
    chain.run()
    assert [chain.status(one) for one in (first, second)] == [Status.DONE] * 2
    assert chain.document(second).flags.nsfw
    assert not chain.document(first).flags.nsfw
    assert sum(chain.encoder.batches) == red_share.scored == len(PICTURES)


def test_a_repeated_job_scores_nothing_twice(chain: Chain, film: Path, red_share: RedShare) -> None:
    submitted = chain.submit(film, [NSFW_SET])
    chain.sample()
    taken = chain.take(EMBED_QUEUE)
    taken.run()
    taken.lapse()
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert red_share.scored == len(PICTURES)


def test_a_job_that_breaks_between_vectors_and_scores_makes_the_scores_next_time(
    chain: Chain, film: Path
) -> None:
    def break_once(picture: int) -> None:
        if picture == 10:
            raise RuntimeError("the network fell over")

    classifier = RedShare(break_once)
    chain.load = classifier.load
    submitted = analysed(chain, film, NSFW_SET)
    assert frames_of(chain, submitted).classifier_scores[NAME].tolist() == red_shares(PICTURES)
    assert sum(chain.encoder.batches) == len(PICTURES)
    assert classifier.scored == len(PICTURES) + 10


def test_nothing_is_scored_after_a_cancel(chain: Chain, film: Path) -> None:
    submitted = chain.submit(film, [NSFW_SET])
    chain.sample()

    def cancel_at_the_fifth(picture: int) -> None:
        if picture == 5:
            chain.cancel(submitted)

    classifier = RedShare(cancel_at_the_fifth)
    chain.load = classifier.load
    chain.run()
    assert chain.status(submitted) == Status.CANCELLED
    assert classifier.scored == 5
    assert (chain.rows(FrameScore), chain.blobs_under("default/frame-scores")) == ([], [])
    assert chain.traces() == []


def test_who_lost_his_lease_stops_and_stores_no_scores(chain: Chain, film: Path) -> None:
    submitted = chain.submit(film, [NSFW_SET])
    chain.embed()
    chain.sample()
    taken = chain.take(EMBED_QUEUE)

    def lapse_at_the_fifth(picture: int) -> None:
        if picture == 5:
            taken.lapse()

    frozen = RedShare(lapse_at_the_fifth)
    chain.load = frozen.load
    with pytest.raises(Interrupted):
        taken.run()
    assert (frozen.scored, chain.rows(FrameScore)) == (5, [])
    successor = RedShare()
    chain.load = successor.load
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert successor.scored == len(PICTURES)


def test_without_its_package_a_job_fails_at_once_and_says_the_cure(
    chain: Chain, film: Path
) -> None:
    def refuse(name: str) -> RedShare:
        raise ClassifierUnavailable(f"{name} is not installed.", "pip install it")

    chain.load = refuse
    submitted = chain.submit(film, [NSFW_SET])
    chain.run()
    row = chain.submission(submitted)
    assert (row.status, row.error_code) == (Status.FAILED, "classifier.unavailable")
    assert row.error_cure == "pip install it"
    # Nothing was embedded in vain.
    assert chain.encoder.batches == []


def test_without_its_package_who_needs_no_classifier_is_served_all_the_same(
    chain: Chain, film: Path
) -> None:
    def refuse(name: str) -> RedShare:
        raise ClassifierUnavailable(f"{name} is not installed.", "pip install it")

    chain.load = refuse
    needing, other = chain.submit(film, [NSFW_SET]), chain.submit(film, [COLOUR_SET])
    chain.run()
    assert [chain.status(one) for one in (needing, other)] == [Status.FAILED, Status.DONE]
    assert chain.submission(needing).error_code == "classifier.unavailable"
    assert (chain.traces(), chain.pixels()) == ([], [])


def test_scores_that_nobody_makes_are_not_asked_for_without_end(
    chain: Chain, film: Path, red_share: RedShare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FrameScoring, "missing", lambda *_: ())
    submitted = chain.submit(film, [NSFW_SET])
    chain.run()
    row = chain.submission(submitted)
    assert (row.status, row.error_code) == (Status.FAILED, "worker.embeddings_missing")
    assert row.error_message == f"open_nsfw has scored 0 of 3 chunks of {row.media_sha256[:12]}."
    assert sum(chain.encoder.batches) == len(PICTURES)
    assert chain.traces() == []


def delete_blob(chain: Chain, row: FrameScore) -> None:
    chain.stores.blobs.delete(row.blob_key)


def overwrite_blob(chain: Chain, row: FrameScore) -> None:
    chain.stores.blobs.put(row.blob_key, b"something else")


def shorten_scores(chain: Chain, row: FrameScore) -> None:
    stored = chain.stores.blobs.put(row.blob_key, pack_arrays(scores=np.zeros(3, np.float32)))
    with chain.stores.database.begin() as session:
        session.merge(row).blob_sha256 = stored.sha256


def forget_row(chain: Chain, row: FrameScore) -> None:
    with chain.stores.database.begin() as session:
        session.delete(session.merge(row))


def say_other_pixels(chain: Chain, row: FrameScore) -> None:
    with chain.stores.database.begin() as session:
        session.merge(row).pixels_sha256 = "0" * 64


@pytest.mark.parametrize(
    "lose", [delete_blob, overwrite_blob, shorten_scores, forget_row, say_other_pixels]
)
def test_scores_that_are_lost_are_made_anew_for_their_chunk_alone(
    chain: Chain, film: Path, red_share: RedShare, lose: Callable[[Chain, FrameScore], None]
) -> None:
    submitted = analysed(chain, film, NSFW_SET)
    lose(chain, chain.rows(FrameScore)[2])
    with pytest.raises(EmbeddingsMissing) as caught:
        frames_of(chain, submitted)
    assert "`clipwarden analyze`" in caught.value.cure
    analysed(chain, film, NSFW_SET)
    assert frames_of(chain, submitted).classifier_scores[NAME].tolist() == red_shares(PICTURES)
    assert red_share.scored == len(PICTURES) + PICTURES_OF_CHUNK[2]
    assert sum(chain.encoder.batches) == len(PICTURES)


def finish_days_ago(chain: Chain, submitted: Submitted, days: float) -> None:
    with chain.stores.database.begin() as session:
        row = session.get_one(Submission, (DEFAULT_TENANT, submitted.id))
        row.finished_at = datetime.now(UTC) - timedelta(days=days)


def scores_left(chain: Chain) -> tuple[int, int]:
    return len(chain.rows(FrameScore)), len(chain.blobs_under("default/frame-scores"))


def test_a_purge_leaves_no_scores(chain: Chain, film: Path, red_share: RedShare) -> None:
    submitted = analysed(chain, film, NSFW_SET)
    assert scores_left(chain) == (3, 3)
    purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
    assert scores_left(chain) == (0, 0)


@pytest.mark.parametrize(
    ("retention", "left"),
    [
        (Retention(media_s=DAY_S), 3),
        (Retention(embeddings_s=3 * DAY_S), 3),
        (Retention(embeddings_s=DAY_S), 0),
        (Retention(results_s=DAY_S), 0),
    ],
    ids=["media", "not yet", "embeddings", "results"],
)
def test_scores_are_kept_as_long_as_vectors(
    chain: Chain, film: Path, red_share: RedShare, retention: Retention, left: int
) -> None:
    finish_days_ago(chain, analysed(chain, film, NSFW_SET), 2)
    delete_expired(chain.stores, retention)
    assert scores_left(chain) == (left, left)
    assert len(chain.rows(Embedding)) == left


def test_scores_without_vectors_expire_too(chain: Chain, film: Path, red_share: RedShare) -> None:
    finish_days_ago(chain, analysed(chain, film, NSFW_SET), 2)
    with chain.stores.database.begin() as session:
        session.query(Embedding).delete()
    assert delete_expired(chain.stores, Retention(embeddings_s=DAY_S)) == 1
    assert scores_left(chain) == (0, 0)
    assert delete_expired(chain.stores, Retention(embeddings_s=DAY_S)) == 0


def test_a_wish_tells_its_submission_which_classifiers_it_needs(stores: Stores) -> None:
    submitted = submit(stores, replace(wish(), classifiers=(NAME,)), never)
    with stores.database.read() as session:
        row = session.get_one(Submission, (DEFAULT_TENANT, submitted.id))
        assert row.classifiers == [NAME]


JOB = EmbedJob.model_validate(
    {
        "work": {
            "tenant": "default",
            "media_sha256": "a" * 64,
            "sampling_key": "fps-2.centre-224-bicubic.v2",
            "model_key": "0123456789abcdef",
        },
        "attempt": "01234567",
        "chunk": 0,
        "frames": 4,
        "pixels_sha256": "d" * 64,
    }
)


def test_a_job_of_an_earlier_release_wants_no_classifier() -> None:
    args = JOB.to_args()
    assert args.pop("classifiers") == []
    assert EmbedJob.from_args(args).classifiers == ()


@pytest.mark.parametrize("names", ["open_nsfw", ["Open NSFW"], [1], ["../open_nsfw"]])
def test_a_job_with_names_that_are_none_is_refused(names: object) -> None:
    with pytest.raises(JobRefused, match="classifiers"):
        EmbedJob.from_args({**JOB.to_args(), "classifiers": names})
