"""A job that fails is tried again; one that goes on failing ends its submission with a code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.arrays import pack_arrays
from ingest.queue.attempts import FAILURE_BUDGET
from ingest.queue.jobs import FINISH, SAMPLE, TEXT
from ingest.queue.leases import counted
from ingest.queue.names import FINISH_QUEUE
from ingest.queue.payloads import FinishJob
from ingest.tables import DEFAULT_TENANT, Status
from prompts.label import Label
from tests.clips import BLUE, write_scenes, write_sound_only
from tests.worker.chain import (
    COLOUR_SET,
    EMBED_QUEUE,
    SAMPLE_QUEUE,
    TEXT_QUEUE,
    Chain,
    prompt_set,
)
from tests.worker.fake_encoder import FAKE_CARD, FakeEncoder
from worker.errors import DeviceFailed, TextVectorsUnavailable
from worker.tables import Embedding, Result
from worker.texts import load_stored_prompt_set, request_text_vectors

ATTEMPTS = 1 + FAILURE_BUDGET
NAMELESS = prompt_set(Label(id="sound", prompts=("a sound",)), name="nameless")


def files_of(chain_data: Path, kind: str) -> list[Path]:
    return [path for path in (chain_data / "data").rglob(f"{kind}/**/*") if path.is_file()]


@pytest.mark.parametrize("failures", [1, FAILURE_BUDGET])
def test_an_encoder_that_recovers_costs_attempts_and_not_the_video(
    chain: Chain, three_scenes: Path, failures: int
) -> None:
    chain.encoder = FakeEncoder(failures)
    document = chain.analyze(three_scenes)
    assert document.status == "done"
    assert len(document.segments) == 3
    assert len(chain.encoder.batches) == failures + 17


def test_an_encoder_that_goes_on_failing_fails_all_who_wait_and_leaves_nothing(
    chain: Chain, three_scenes: Path, tmp_path: Path
) -> None:
    chain.encoder = FakeEncoder(failures=1000)
    both = [chain.submit(three_scenes), chain.submit(three_scenes)]
    chain.run()
    for one in both:
        row = chain.submission(one)
        assert (row.status, row.error_code) == (Status.FAILED, "queue.job_failed")
        assert row.error_message is not None
        assert "RuntimeError" in row.error_message
        assert row.error_cure
        assert row.finished_at is not None
    # When the first of three chunks failed for good nobody waited for the others any more.
    assert len(chain.encoder.batches) == 3 * FAILURE_BUDGET + 1
    assert chain.rows(Embedding) == []
    assert files_of(tmp_path, "pixels") == []
    for queue in (SAMPLE_QUEUE, EMBED_QUEUE, FINISH_QUEUE):
        assert chain.payloads(queue) == []
    assert [key for key in chain.traces() if not key.startswith("rq:job:embed-")] == []


class _BreakingEncoder(FakeEncoder):
    """On a card whose first batches break it."""

    def run_batch(self, size: int) -> None:
        try:
            super().run_batch(size)
        except RuntimeError as error:
            raise DeviceFailed("the card failed.", "Look at it.") from error


def test_a_card_that_breaks_ends_its_worker_and_costs_the_video_no_attempt(
    chain: Chain, three_scenes: Path
) -> None:
    breaks = FAILURE_BUDGET + 2
    chain.encoder = _BreakingEncoder(breaks)
    submitted = chain.submit(three_scenes)
    chain.sample()
    waiting = chain.payloads(EMBED_QUEUE)
    chain.embed()
    # It takes no other job, and gives back the one at hand and the one taken ahead, in order.
    assert len(chain.encoder.batches) == 1
    assert chain.payloads(EMBED_QUEUE) == waiting
    assert len(waiting) == 3
    chain.run()
    assert chain.submission(submitted).status == Status.DONE
    assert len(chain.encoder.batches) == breaks + 17


def test_an_unforeseen_error_is_told_in_one_line(chain: Chain, three_scenes: Path) -> None:
    chain.encoder = FakeEncoder(failures=1000)
    submitted = chain.submit(three_scenes)
    chain.run()
    assert "\n" not in str(chain.submission(submitted).error_message)


def test_a_failed_video_can_be_submitted_again_and_keeps_what_was_embedded(
    chain: Chain, three_scenes: Path
) -> None:
    failed = chain.submit(three_scenes)
    chain.sample()
    chain.embed(max_jobs=2)  # the texts and the first chunk
    chain.encoder = FakeEncoder(failures=1000)
    chain.run()
    assert chain.submission(failed).status == Status.FAILED
    chain.encoder = FakeEncoder()
    assert chain.analyze(three_scenes).status == "done"
    assert sum(chain.encoder.batches) == 150 - 64


@pytest.mark.parametrize("kind", ["missing", "text", "sound"])
def test_a_bad_input_fails_at_once_without_another_attempt(
    chain: Chain, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "input.mp4"
    if kind == "text":
        path.write_text("this is no video\n" * 100)
    if kind == "sound":
        write_sound_only(path)
    submitted = chain.submit(path)
    chain.sample(max_jobs=1)
    row = chain.submission(submitted)
    codes = {"missing": "not_found", "text": "unreadable", "sound": "no_video_stream"}
    assert (row.status, row.error_code) == (Status.FAILED, f"media.{codes[kind]}")
    assert row.error_message is not None
    assert "input.mp4" in row.error_message
    assert chain.payloads(SAMPLE_QUEUE) == []
    chain.run()
    assert chain.rows(Embedding) == []


def test_one_bad_video_ends_itself_and_not_its_neighbours(
    chain: Chain, three_scenes: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.mp4").write_text("this is no video\n" * 100)
    before = chain.submit(three_scenes)
    bad = chain.submit(tmp_path / "bad.mp4")
    after = chain.submit(write_scenes(tmp_path / "blue.mp4", [(BLUE, 1.0)], width=64, height=48))
    chain.run()
    statuses = [chain.submission(one).status for one in (before, bad, after)]
    assert statuses == [Status.DONE, Status.FAILED, Status.DONE]


@pytest.mark.parametrize("damage", ["changed", "deleted"])
def test_pixels_that_were_lost_are_made_anew_and_only_they_are_embedded_again(
    chain: Chain, three_scenes: Path, tmp_path: Path, damage: str
) -> None:
    both = [chain.submit(three_scenes), chain.submit(three_scenes)]
    chain.sample()
    [first, *_] = sorted(files_of(tmp_path, "pixels"))
    if damage == "changed":
        first.write_bytes(first.read_bytes()[:-100])
    else:
        first.unlink()
    chain.run()
    assert [chain.status(one) for one in both] == [Status.DONE, Status.DONE]
    assert sum(chain.encoder.batches) == 150
    assert chain.traces() == []
    assert chain.pixels() == []


def test_a_store_that_loses_pixels_again_and_again_fails_every_submission_in_the_end(
    chain: Chain, three_scenes: Path
) -> None:
    # More of them than samplings are done again: each of those is for all.
    all_of_them = [chain.submit(three_scenes) for _ in range(5)]
    samplings = 0
    while any(chain.status(one) == Status.QUEUED for one in all_of_them):
        chain.sample()
        samplings += bool(chain.pixels())
        chain.stores.blobs.delete_tree("default/pixels")
        chain.embed()
        chain.finish()
        chain.release_retries()
    assert samplings == 1 + 3
    for one in all_of_them:
        row = chain.submission(one)
        assert (row.status, row.error_code) == (Status.FAILED, "worker.embeddings_missing")
    assert chain.encoder.batches == []
    # Once the store keeps them it can be analysed.
    assert chain.analyze(three_scenes).status == "done"


def test_vectors_that_vanished_are_made_anew(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed()
    chain.stores.blobs.delete(chain.rows(Embedding)[1].blob_key)
    chain.finish()
    assert chain.status(submitted) == Status.QUEUED
    assert chain.rows(Result) == []
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert sum(chain.encoder.batches) == 150 + 64


def test_a_finish_before_all_is_embedded_waits_for_the_rest(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed(max_jobs=2)
    job = FinishJob(submission_id=submitted.id, work=submitted.work)
    chain.deliver(FINISH_QUEUE, FINISH, [job.to_args()])
    chain.finish()
    assert chain.status(submitted) == Status.QUEUED
    assert chain.payloads(SAMPLE_QUEUE) == []
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert sum(chain.encoder.batches) == 150


@pytest.mark.parametrize("damage", ["missing", "no JSON", "another set", "not a set"])
def test_a_prompt_set_that_is_not_what_was_submitted_fails_with_a_code(
    chain: Chain, three_scenes: Path, tmp_path: Path, damage: str
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed()
    [stored] = files_of(tmp_path, "prompt-sets")
    content = {
        "no JSON": "{",
        "another set": prompt_set(Label(id="red", prompts=("red",))).model_dump_json(),
        "not a set": "{}",
    }
    if damage == "missing":
        stored.unlink()
    else:
        stored.write_text(content[damage])
    chain.run()
    row = chain.submission(submitted)
    expected = "blob.missing" if damage == "missing" else "blob.corrupt"
    assert (row.status, row.error_code) == (Status.FAILED, expected)
    assert "\n" not in str(row.error_message)
    assert chain.rows(Result) == []


def test_a_malformed_job_is_refused_and_the_worker_goes_on(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    [good] = chain.payloads(SAMPLE_QUEUE)
    chain.deliver(SAMPLE_QUEUE, SAMPLE, [good | {"schema": "clipwarden.job/2"}, {}, good])
    chain.run()
    assert chain.submission(submitted).status == Status.DONE


def test_texts_are_asked_for_once_and_embedded_once(chain: Chain, three_scenes: Path) -> None:
    chain.submit(three_scenes)
    chain.submit(three_scenes)
    [job] = chain.payloads(TEXT_QUEUE)
    chain.deliver(TEXT_QUEUE, TEXT, [job, job])
    chain.run()
    request_text_vectors(chain.stores, DEFAULT_TENANT, FAKE_CARD.key, COLOUR_SET.sha256)
    assert chain.payloads(TEXT_QUEUE) == []
    assert chain.encoder.texts == [("blue", "grey", "green", "red")]


def test_a_finish_without_texts_is_put_off_at_no_cost_and_others_go_on(
    chain: Chain, three_scenes: Path
) -> None:
    waiting = chain.submit(three_scenes, [prompt_set(Label(id="red", prompts=("red",)), name="a")])
    chain.sample()
    other = chain.submit(three_scenes)
    texts = chain.payloads(TEXT_QUEUE)
    chain.embed()
    chain.stores.blobs.delete_tree("default/text-vectors")
    chain.deliver(TEXT_QUEUE, TEXT, [texts[1]])
    chain.embed()
    for _ in range(2 * FAILURE_BUDGET):
        chain.finish()
        chain.release_retries()
    assert chain.status(other) == Status.DONE
    assert chain.status(waiting) == Status.QUEUED
    assert counted(chain.stores.redis, f"finish-{waiting.id}") == (0, 0)
    # It asked for them itself.
    assert chain.payloads(TEXT_QUEUE) == [texts[0]]
    chain.run()
    assert chain.status(waiting) == Status.DONE


@pytest.mark.parametrize("damage", ["no archive", "too few"])
def test_damaged_text_vectors_are_made_anew(
    chain: Chain, three_scenes: Path, tmp_path: Path, damage: str
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed()
    [stored] = files_of(tmp_path, "text-vectors")
    content = b"no archive" * 100
    if damage == "too few":
        content = pack_arrays(vectors=np.ones((1, 3), np.float32))
    stored.write_bytes(content)
    chain.run()
    assert chain.status(submitted) == Status.DONE
    assert len(chain.encoder.texts) == 2


def test_texts_that_can_not_be_embedded_fail_all_who_wait_for_them(
    chain: Chain, three_scenes: Path
) -> None:
    both = [chain.submit(three_scenes, [NAMELESS]) for _ in range(2)]
    chain.run()
    assert len(chain.encoder.texts) == ATTEMPTS
    for one in both:
        row = chain.submission(one)
        assert (row.status, row.error_code) == (Status.FAILED, TextVectorsUnavailable.code)
        assert "nameless" in str(row.error_message)


def test_a_stored_prompt_set_is_read_as_it_was_stored(chain: Chain, three_scenes: Path) -> None:
    chain.submit(three_scenes)
    stored = load_stored_prompt_set(chain.stores, DEFAULT_TENANT, COLOUR_SET.sha256)
    assert stored == COLOUR_SET
