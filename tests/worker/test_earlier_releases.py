"""What earlier releases stored can be read, and what was lost since is told as what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import delete

from ingest.arrays import pack_arrays, unpack_arrays
from ingest.blobs import BlobRef
from ingest.errors import BlobCorrupt, BlobMissing
from ingest.queue.attempts import FAILURE_BUDGET
from ingest.tables import DEFAULT_TENANT, Chunk, Sampling, Status, Submission
from prompts.actions import Action
from prompts.calibration import Calibration
from prompts.label import Label
from tests.clips import BLUE, RED, write_scenes
from tests.worker.chain import COLOUR_SET, Chain, Submitted, prompt_set
from tests.worker.fake_encoder import FAKE_CARD
from worker.calibrations import load_calibration, store_calibration
from worker.document import ResultDocument
from worker.results import read_document, read_scores
from worker.tables import Embedding, Result


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second each of red and blue."""
    return write_scenes(tmp_path / "clip.mp4", [(RED, 1.0), (BLUE, 1.0)], width=64, height=48)


def calibration_of_red() -> Calibration:
    return Calibration.model_validate(
        {
            "schema": "clipwarden.calibration/1",
            "model_key": FAKE_CARD.key,
            "model_id": FAKE_CARD.id,
            "prompt_set": COLOUR_SET.name,
            "prompt_set_version": COLOUR_SET.version,
            "prompt_set_sha256": COLOUR_SET.sha256,
            "sampling": "fps:5",
            "created_at": "2026-11-22T00:00:00Z",
            "labels": {
                "red": {
                    "link": {"kind": "logistic", "scale": 5.0, "bias": 0.1},
                    "scoring_sha256": COLOUR_SET.scoring_sha256(COLOUR_SET.label("red")),
                }
            },
        }
    )


def write_as_the_release_before(chain: Chain, submitted: Submitted) -> None:
    """Leave of a result what was stored before there were calibrations and explanations."""
    stores = chain.stores
    with stores.database.begin() as session:
        row = session.get_one(Submission, (DEFAULT_TENANT, submitted.id))
        row.calibrations, row.classifiers = [], []
        card = json.loads(row.model_card)
        del card["logit_scale"], card["logit_bias"], card["score_scale"]["floor"]
        row.model_card = json.dumps(card)
        for result in session.query(Result):
            known = unpack_arrays(
                stores.blobs.get(BlobRef(result.scores_key, result.scores_sha256))
            )
            kept = pack_arrays(pts_us=known["pts_us"], confidences=known["confidences"])
            stored = stores.blobs.put(f"{result.scores_key}.old", kept)
            result.scores_key, result.scores_sha256 = stored.key, stored.sha256


def test_a_result_of_the_release_before_is_read_without_explanations(
    chain: Chain, clip: Path
) -> None:
    submitted = chain.submit(clip, sampling="fps:5")
    chain.run()
    now = chain.document(submitted)
    [scores] = read_scores(chain.stores, DEFAULT_TENANT, submitted.id)
    write_as_the_release_before(chain, submitted)
    then = chain.document(submitted)
    assert [one.explanation for one in then.segments] == [None, None]
    assert then.scoring == ()
    plain = [one.model_copy(update={"explanation": None}) for one in now.segments]
    assert list(then.segments) == plain
    assert (then.flags, then.prompt_sets) == (now.flags, now.prompt_sets)
    [old] = read_scores(chain.stores, DEFAULT_TENANT, submitted.id)
    assert old.confidences.tolist() == scores.confidences.tolist()
    assert ResultDocument.model_validate_json(then.to_json()) == then


def test_what_the_release_before_had_under_way_is_finished_uncalibrated(
    chain: Chain, clip: Path
) -> None:
    submitted = chain.submit(clip, sampling="fps:5")
    with chain.stores.database.begin() as session:
        session.get_one(Submission, (DEFAULT_TENANT, submitted.id)).calibrations = []
    chain.run()
    document = chain.document(submitted)
    assert document.status == "done"
    assert [one.calibration for one in document.prompt_sets] == [None]
    assert all(one.explanation is not None for one in document.segments)


def submit_calibrated(chain: Chain, clip: Path, calibration: Calibration) -> Submitted:
    submitted = chain.submit(clip, sampling="fps:5")
    with chain.stores.database.begin() as session:
        row = session.get_one(Submission, (DEFAULT_TENANT, submitted.id))
        row.calibrations = [calibration.sha256]
    return submitted


@pytest.mark.parametrize(("content", "code"), [(None, "blob.missing"), (b"{}", "blob.corrupt")])
def test_a_lost_calibration_fails_the_video_with_the_cure_and_is_mended_by_its_file(
    chain: Chain, clip: Path, content: bytes | None, code: str
) -> None:
    calibration = calibration_of_red()
    store_calibration(chain.stores, DEFAULT_TENANT, calibration, activate=True)
    key = f"{DEFAULT_TENANT}/calibrations/{calibration.sha256}.json"
    if content is None:
        chain.stores.blobs.delete(key)
    else:
        chain.stores.blobs.put(key, content)
    submitted = submit_calibrated(chain, clip, calibration)
    attempts = 0
    while chain.status(submitted) == Status.QUEUED:
        chain.sample()
        chain.embed()
        chain.finish(max_jobs=1)
        chain.release_retries()
        attempts += 1
        assert attempts <= FAILURE_BUDGET + 2
    row = chain.submission(submitted)
    assert (row.status, row.error_code) == (Status.FAILED, code)
    assert calibration.sha256[:12] in str(row.error_message)
    assert "--calibration none" in str(row.error_cure)
    assert chain.rows(Result) == []
    assert chain.document(submitted).status == "failed"
    with pytest.raises((BlobMissing, BlobCorrupt)):
        load_calibration(chain.stores, DEFAULT_TENANT, calibration.sha256)

    store_calibration(chain.stores, DEFAULT_TENANT, calibration, activate=False)
    again = submit_calibrated(chain, clip, calibration)
    chain.run()
    assert chain.document(again).prompt_sets[0].calibration == calibration.sha256


def test_two_runs_over_everything_anew_tell_the_same(chain: Chain, clip: Path) -> None:
    colours = prompt_set(
        Label(id="blue", prompts=("blue",)),
        Label(id="warm", prompts=("red", "green"), contrast=("blue",), action=Action.BLOCK),
        name="warmth",
    )
    documents = []
    for _ in range(2):
        submitted = chain.submit(clip, [colours, COLOUR_SET], sampling="fps:25")
        chain.run()
        document = read_document(chain.stores, DEFAULT_TENANT, submitted.id)
        documents.append(document.model_dump(exclude={"timings": True, "video": {"id"}}))
        with chain.stores.database.begin() as session:
            for table in (Result, Embedding, Chunk, Sampling):
                session.execute(delete(table))
    assert documents[0]["segments"]
    assert documents[0] == documents[1]
