"""Scoring stored embeddings anew: the same as analysing anew, beside what was there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete

from clipwarden.calibration_choice import CalibrationChoice
from clipwarden.errors import ModelNotServed
from clipwarden.rescoring.works import StoredWork, count_works, stored_models, stored_works
from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.settings import StoreSettings
from ingest.tables import DEFAULT_TENANT, Submission
from prompts.actions import Action
from prompts.calibration import Calibration, LabelCalibration
from prompts.errors import CalibrationUnfit
from prompts.label import Label
from prompts.links import Logistic
from prompts.schema import PromptSet
from tests.rescoring.scored_anew import (
    ONLY_RED,
    WARM,
    colours,
    embed_texts,
    everything_stored,
    finished_by_hand,
    rescorer,
    rescoring,
    result_of,
    segments_of,
)
from tests.worker.chain import COLOUR_SET, Chain, prompt_set
from tests.worker.fake_encoder import FAKE_CARD
from tests.worker.mortal import Killed, Life, mortal
from worker.calibrations import list_calibrations, store_calibration
from worker.errors import UnknownModel
from worker.rescoring import store_version
from worker.results import read_document
from worker.retention import delete_expired, purge
from worker.settings import Retention
from worker.tables import Embedding, Result, SegmentRow
from worker.versions import Version, versions_of


def fitted(of: PromptSet, scale: float = 5.0, model_key: str = FAKE_CARD.key) -> Calibration:
    """A calibration of all of a set's labels that has no thresholds."""
    return Calibration(
        model_key=model_key,
        model_id="fake",
        prompt_set=of.name,
        prompt_set_version=of.version,
        prompt_set_sha256=of.sha256,
        sampling="fps:25",
        created_at="2026-11-22T00:00:00Z",
        labels={
            label.id: LabelCalibration(
                link=Logistic(scale=scale, bias=-0.5), scoring_sha256=of.scoring_sha256(label)
            )
            for label in of.labels
        },
    )


@pytest.mark.every_backend
def test_rescoring_is_bit_for_bit_what_a_fresh_analysis_makes(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    batches = list(chain.encoder.batches)
    embed_texts(chain, WARM)
    stored = rescoring(chain.stores, WARM).store(make_current=False)
    assert (stored.videos, stored.left, stored.vanished) == (1, 0, 0)
    again = result_of(chain, WARM)
    made = (again.scores_key, again.scores_sha256, segments_of(chain, again))
    assert len(made[2]) == 1
    assert chain.encoder.batches == batches

    with chain.stores.database.begin() as session:
        session.execute(delete(SegmentRow))
        session.execute(delete(Result))
    chain.stores.blobs.delete_tree("default/scores")
    chain.analyze(three_scenes, [WARM])
    fresh = result_of(chain, WARM)
    assert (fresh.scores_key, fresh.scores_sha256, segments_of(chain, fresh)) == made
    assert fresh.id != again.id


def test_versions_lie_side_by_side_and_the_videos_own_result_stays(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.run()
    before, old = chain.document(submitted), result_of(chain, COLOUR_SET)
    kept = (old.scores_sha256, segments_of(chain, old))
    embed_texts(chain, WARM)
    rescoring(chain.stores, WARM).store(make_current=False)
    assert chain.document(submitted) == before
    old = result_of(chain, COLOUR_SET)
    assert (old.scores_sha256, segments_of(chain, old)) == kept
    other = read_document(chain.stores, DEFAULT_TENANT, submitted.id, [Version(WARM.sha256)])
    assert [(one.label, one.start_ms, one.end_ms) for one in other.segments] == [("warm", 0, 4000)]
    assert other.flags.nsfw
    assert other.segments[0].explanation is not None


def test_current_takes_the_place_of_the_set_of_its_name_alone(
    chain: Chain, three_scenes: Path
) -> None:
    cold = prompt_set(Label(id="cold", prompts=("blue",)), name="cold")
    submitted = chain.submit(three_scenes, [COLOUR_SET, cold])
    chain.run()
    assert chain.submission(submitted).calibrations == []
    embed_texts(chain, WARM)
    assert rescoring(chain.stores, WARM).store(make_current=True).shown
    row = chain.submission(submitted)
    assert versions_of(row) == [Version(WARM.sha256), Version(cold.sha256)]
    document = chain.document(submitted)
    assert [one.label for one in document.segments] == ["warm", "cold"]
    assert [one.version for one in document.prompt_sets] == ["2", "1"]
    # Again, and there is nothing left to change.
    preview = rescoring(chain.stores, WARM).preview(10)
    assert (preview.counts.videos, preview.counts.changed) == (1, 0)
    rescoring(chain.stores, WARM).store(make_current=True)
    assert versions_of(chain.submission(submitted)) == versions_of(row)


def test_current_adds_a_set_of_another_name(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    chain.run()
    cold = prompt_set(Label(id="cold", prompts=("blue",)), name="cold")
    embed_texts(chain, cold)
    rescoring(chain.stores, cold).store(make_current=True)
    assert versions_of(chain.submission(submitted)) == [
        Version(COLOUR_SET.sha256),
        Version(cold.sha256),
    ]


def test_a_preview_tells_what_would_change_and_stores_nothing(chain: Chain) -> None:
    for one in (COLOUR_SET, ONLY_RED):
        embed_texts(chain, one)
    red = finished_by_hand(chain, "red.mp4", ["red"] * 50)
    blue = finished_by_hand(chain, "blue.mp4", ["blue"] * 50)
    grey = finished_by_hand(chain, "grey.mp4", ["grey"] * 50)
    before = everything_stored(chain)
    preview = rescoring(chain.stores, ONLY_RED).preview(10)
    assert everything_stored(chain) == before
    counts = preview.counts
    assert (counts.videos, counts.changed) == (3, 2)
    assert (counts.newly_flagged, counts.no_longer_flagged, counts.action_changed) == (0, 1, 2)
    changes = {one.id: one for one in preview.changes}
    assert changes.keys() == {red.id, blue.id}
    assert grey.id not in changes
    assert changes[red.id].after.action is Action.BLOCK
    assert changes[red.id].segments == ()
    assert changes[blue.id].after.action is Action.ALLOW
    assert [one.kind for one in changes[blue.id].segments] == ["disappeared"]
    labels = {one.label: (one.videos_before, one.videos_after) for one in counts.labels}
    assert labels == {"red": (1, 1), "blue": (1, 0)}
    assert len(rescoring(chain.stores, ONLY_RED).preview(1).changes) == 1


def test_a_work_of_two_submissions_is_scored_once_and_shown_where_it_was_chosen(
    chain: Chain, three_scenes: Path
) -> None:
    first = chain.submit(three_scenes)
    second = chain.submit(three_scenes)
    chain.run()
    assert first.id != second.id
    embed_texts(chain, WARM)
    assert count_works(chain.stores, DEFAULT_TENANT) == 1
    preview = rescoring(chain.stores, WARM).preview(10)
    assert preview.counts.videos == 1
    assert preview.changes[0].submissions == 2
    run = rescoring(chain.stores, WARM, [f"id={first.id}"])
    assert run.store(make_current=True).videos == 1
    assert versions_of(chain.submission(first)) == [Version(WARM.sha256)]
    assert versions_of(chain.submission(second)) == [Version(COLOUR_SET.sha256)]


def test_a_calibration_changes_confidences_and_no_margin(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    chain.run()
    calibration = fitted(COLOUR_SET)
    choice = CalibrationChoice("fitted.json", calibration)
    run = rescoring(chain.stores, COLOUR_SET, choice=choice)
    run.preview(0)
    assert list_calibrations(chain.stores, DEFAULT_TENANT) == []
    run.store(make_current=False)
    assert [one.is_active for one in list_calibrations(chain.stores, DEFAULT_TENANT)] == [False]
    plain = scores(chain, result_of(chain, COLOUR_SET))
    anew = scores(chain, result_of(chain, COLOUR_SET, calibration.sha256))
    assert np.array_equal(plain["margins"], anew["margins"])
    expected = Logistic(scale=5.0, bias=-0.5).confidences(plain["margins"])
    assert np.array_equal(anew["confidences"], expected)
    assert not np.array_equal(plain["confidences"], anew["confidences"])
    version = Version(COLOUR_SET.sha256, calibration.sha256)
    document = read_document(chain.stores, DEFAULT_TENANT, submitted.id, [version])
    assert document.prompt_sets[0].calibration == calibration.sha256


def scores(chain: Chain, result: Result) -> dict[str, np.ndarray]:
    ref = BlobRef(result.scores_key, result.scores_sha256)
    return dict(unpack_arrays(chain.stores.blobs.get(ref)))


def test_the_active_calibration_is_taken_unless_none_is_asked_for(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    calibration = fitted(COLOUR_SET)
    store_calibration(chain.stores, DEFAULT_TENANT, calibration, activate=True)
    [ready] = rescorer(chain.stores, COLOUR_SET).models.values()
    assert ready.calibration == calibration
    none = rescorer(chain.stores, COLOUR_SET, CalibrationChoice("none"))
    assert [one.calibration for one in none.versions] == [None]


@pytest.mark.parametrize(
    "calibration",
    [fitted(COLOUR_SET, model_key="0" * 16), fitted(prompt_set(Label(id="x", prompts=("red",))))],
    ids=["of another model", "of other labels"],
)
def test_a_calibration_that_does_not_fit_is_refused_and_not_stored(
    chain: Chain, three_scenes: Path, calibration: Calibration
) -> None:
    chain.analyze(three_scenes)
    with pytest.raises(CalibrationUnfit):
        rescorer(chain.stores, COLOUR_SET, CalibrationChoice("its.json", calibration))
    assert list_calibrations(chain.stores, DEFAULT_TENANT) == []


def test_what_lacks_vectors_or_classifier_scores_is_left_with_the_command_that_makes_them(
    chain: Chain,
) -> None:
    embed_texts(chain, COLOUR_SET)
    embed_texts(chain, WARM)
    lost = finished_by_hand(chain, "lost it.mp4", ["red"] * 50)
    finished_by_hand(chain, "kept.mp4", ["red"] * 50)
    [blob] = [row for row in chain.rows(Embedding) if row.media_sha256 == lost.work.media_sha256]
    chain.stores.blobs.delete(blob.blob_key)
    run = rescoring(chain.stores, WARM)
    preview = run.preview(10)
    assert (preview.counts.videos, preview.left_count, preview.vanished) == (1, 1, 0)
    [left] = preview.left
    assert (left.id, left.error.code) == (lost.id, "worker.embeddings_missing")
    assert left.command == (
        "clipwarden analyze --prompts mine.yaml --model nowhere --sample fps:25 'lost it.mp4'"
    )
    stored = run.store(make_current=False)
    assert (stored.videos, stored.left) == (1, 1)

    nudity = colours("4", Label(id="nudity", classifier="open_nsfw", nsfw=True))
    preview = rescoring(chain.stores, nudity).preview(10)
    assert (preview.counts.videos, preview.left_count) == (0, 2)
    assert any("open_nsfw has scored 0 of 1" in one.error.message for one in preview.left)


def test_what_is_purged_meanwhile_is_counted_and_leaves_nothing(chain: Chain) -> None:
    for one in (COLOUR_SET, WARM):
        embed_texts(chain, one)
    names = ["a.mp4", "b.mp4", "c.mp4"]
    videos = {finished_by_hand(chain, name, ["red"] * 50).work.media_sha256 for name in names}

    class Purging:
        """Deletes what comes last once the first is done."""

        def begin(self, _what: str, works: int) -> None:
            assert works == len(names)

        def advanced(self) -> None:
            purge(chain.stores, DEFAULT_TENANT, max(videos))

    stored = rescoring(chain.stores, WARM, watcher=Purging()).store(make_current=True)
    assert (stored.videos, stored.left, stored.vanished) == (2, 0, 1)
    rows, blobs = everything_stored(chain)
    assert not any(max(videos) in str(one) for one in (*rows, *blobs))


@pytest.mark.every_backend
def test_a_result_that_comes_after_the_purge_is_taken_back(chain: Chain) -> None:
    for one in (COLOUR_SET, WARM):
        embed_texts(chain, one)
    submitted = finished_by_hand(chain, "gone.mp4", ["red"] * 50)
    stored = StoredWork(submitted.work, (chain.submission(submitted),))
    scored = rescorer(chain.stores, WARM).score(chain.stores, stored)
    purge(chain.stores, DEFAULT_TENANT, submitted.work.media_sha256)
    assert not store_version(chain.stores, scored, [submitted.id])
    assert chain.rows(Result) == []
    assert chain.rows(SegmentRow) == []
    assert chain.blobs_under("default/scores") == []


def test_what_retention_deletes_of_vectors_is_left_and_its_result_stays(chain: Chain) -> None:
    for one in (COLOUR_SET, WARM):
        embed_texts(chain, one)
    submitted = finished_by_hand(chain, "old.mp4", ["red"] * 50)
    before = chain.document(submitted)
    assert delete_expired(chain.stores, Retention(embeddings_s=0.0)) == 1
    preview = rescoring(chain.stores, WARM).preview(10)
    assert (preview.counts.videos, preview.left_count) == (0, 1)
    assert chain.document(submitted) == before


def test_whatever_kills_it_another_run_finishes_the_rest(
    chain: Chain, store_settings: StoreSettings
) -> None:
    for one in (COLOUR_SET, WARM):
        embed_texts(chain, one)
    submitted = [finished_by_hand(chain, f"{one}.mp4", [one] * 50) for one in ("red", "blue")]
    deaths = 0
    for dies_at in range(1, 100):
        with chain.stores.database.begin() as session:
            session.execute(delete(SegmentRow))
            session.execute(delete(Result).where(Result.prompt_set_sha256 == WARM.sha256))
            for row in session.query(Submission):
                row.prompt_sets, row.calibrations = [COLOUR_SET.sha256], []
        try:
            with mortal(store_settings, Life(dies_at)) as stores:
                rescoring(stores, WARM).store(make_current=True)
        except Killed:
            deaths += 1
        for video in submitted:
            # What a submission shows is there, however far the killed run got.
            assert chain.document(video).status == "done"
        rescoring(chain.stores, WARM).store(make_current=True)
        for video in submitted:
            assert versions_of(chain.submission(video)) == [Version(WARM.sha256)]
        assert len(segments_of(chain, by_work(chain, submitted[0].work.media_sha256))) == 1
        if deaths < dies_at:
            break
    assert deaths > len(submitted) * 4


def by_work(chain: Chain, media_sha256: str) -> Result:
    [row] = [
        row
        for row in chain.rows(Result)
        if (row.media_sha256, row.prompt_set_sha256) == (media_sha256, WARM.sha256)
    ]
    return row


def test_works_come_in_pages_each_once(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipwarden.rescoring.works._PAGE", 2)
    embed_texts(chain, COLOUR_SET)
    made = [finished_by_hand(chain, f"{one}.mp4", ["red"] * 3) for one in range(5)]
    found = list(stored_works(chain.stores, DEFAULT_TENANT))
    assert sorted(one.work.id for one in found if one) == sorted(one.work.id for one in made)
    assert list(stored_works(chain.stores, DEFAULT_TENANT, ["0" * 16])) == []


def test_a_model_is_named_by_its_key_or_id(chain: Chain) -> None:
    embed_texts(chain, COLOUR_SET)
    finished_by_hand(chain, "red.mp4", ["red"] * 3)
    for name in (FAKE_CARD.key, "fake", None):
        assert stored_models(chain.stores, DEFAULT_TENANT, name) == {FAKE_CARD.key: FAKE_CARD}
    with pytest.raises(UnknownModel, match=f"There are videos of fake .{FAKE_CARD.key}"):
        stored_models(chain.stores, DEFAULT_TENANT, "starter")


def test_texts_of_a_model_that_nobody_has_say_so(chain: Chain, three_scenes: Path) -> None:
    chain.analyze(three_scenes)
    with pytest.raises(ModelNotServed, match="clipwarden serve --model nowhere"):
        rescorer(chain.stores, WARM)


def test_a_set_of_the_same_texts_needs_no_model_and_a_dry_run_keeps_nothing(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    strict = colours(
        "5",
        *(one.model_copy(update={"threshold": 0.9999, "exit_threshold": 0.9999}) for one in
          COLOUR_SET.labels),
    )  # fmt: skip
    before = everything_stored(chain)
    run = rescoring(chain.stores, strict)
    assert run.preview(10).counts.no_longer_flagged == 1
    assert everything_stored(chain) == before
    run.store(make_current=False)
    made = result_of(chain, strict).scores_sha256
    texts = len(chain.encoder.texts)
    chain.analyze(three_scenes, [strict])
    assert len(chain.encoder.texts) == texts
    assert result_of(chain, strict).scores_sha256 == made
