"""A job that fails is tried again; one that goes on failing ends its submission with a code."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ingest.queue.attempts import attempt
from ingest.queue.connection import FINISH_QUEUE, RETRIES, SAMPLE_QUEUE, open_queue
from ingest.queue.jobs import FINISH, SAMPLE, TEXT
from ingest.queue.payloads import FinishJob
from ingest.queue.worker import build_worker
from ingest.tables import DEFAULT_TENANT, Status
from prompts.schema import Label
from tests.clips import BLUE, write_scenes, write_sound_only
from tests.worker.chain import COLOUR_SET, EMBED_QUEUE, TEXT_QUEUE, Chain, prompt_set
from tests.worker.fake_encoder import FAKE_CARD, FakeEncoder
from worker.errors import TextVectorsUnavailable
from worker.finishing import FinishingJobs
from worker.tables import Embedding, Result
from worker.texts import await_text_vectors, load_stored_prompt_set, request_text_vectors

ATTEMPTS = 1 + RETRIES
NAMELESS = prompt_set(Label(id="sound", prompts=("a sound",)), name="nameless")


def files_of(chain_data: Path, kind: str) -> list[Path]:
    return [path for path in (chain_data / "data").rglob(f"{kind}/**/*") if path.is_file()]


@pytest.mark.parametrize("failures", [1, RETRIES])
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
    # A repeated job goes to the end of the queue. When the first of twice three chunks failed for
    # good nobody waited for the others any more.
    assert len(chain.encoder.batches) == 2 * 3 * RETRIES + 1
    assert chain.rows(Embedding) == []
    assert files_of(tmp_path, "pixels") == []
    for queue in (SAMPLE_QUEUE, EMBED_QUEUE, FINISH_QUEUE):
        assert chain.payloads(queue) == []


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


def test_a_chunk_that_kills_its_worker_every_time_fails_the_submission(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    queue = open_queue(EMBED_QUEUE, chain.stores.redis)
    lapsed = queue.started_job_registry
    chunk_id = queue.job_ids[0]
    for number in range(ATTEMPTS):
        worker = build_worker("test", [EMBED_QUEUE], {}, chain.stores.redis)
        chunk = queue.fetch_job(chunk_id)
        assert chunk is not None
        queue.remove(chunk)
        # The worker is killed here, with the job in its hands, and its lease runs out.
        execution = worker.prepare_execution(chunk)
        chain.stores.redis.zadd(lapsed.key, {execution.composite_key: 1})
        if number < RETRIES:
            lapsed.cleanup()
    # The next worker looks after such jobs before it takes one.
    chain.run()
    assert chain.submission(submitted).status == Status.FAILED


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


def test_pixels_that_were_changed_are_not_embedded(
    chain: Chain, three_scenes: Path, tmp_path: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    [first, *_] = sorted(files_of(tmp_path, "pixels"))
    first.write_bytes(first.read_bytes()[:-100])
    chain.run()
    assert chain.submission(submitted).error_code == "blob.corrupt"
    assert sum(chain.encoder.batches) == 150 - 64
    assert files_of(tmp_path, "pixels") == []


def test_vectors_that_vanished_fail_the_finish_once_and_are_made_anew_next_time(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed()
    chain.stores.blobs.delete(chain.rows(Embedding)[1].blob_key)
    chain.finish()
    row = chain.submission(submitted)
    assert row.error_code == "worker.embeddings_missing"
    assert "000001.npz" in str(row.error_message)
    assert chain.rows(Result) == []
    assert chain.analyze(three_scenes).status == "done"


def test_a_finish_before_all_is_embedded_says_how_much_is_missing(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chain.embed(max_jobs=2)
    job = FinishJob(submission_id=submitted.id, work=submitted.work)
    chain.deliver(FINISH_QUEUE, FINISH, [job.to_args()])
    chain.finish()
    row = chain.submission(submitted)
    assert row.error_code == "worker.embeddings_missing"
    assert "1 chunks" in str(row.error_message)
    assert "3 was sampled" in str(row.error_message)


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
    chain.finish()
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


def test_a_finish_waits_for_texts_that_are_still_to_be_embedded(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    [texts] = chain.payloads(TEXT_QUEUE)
    chain.deliver(TEXT_QUEUE, TEXT, [])
    chain.embed()
    [job] = chain.payloads(FINISH_QUEUE)
    finishing = threading.Thread(target=FinishingJobs(chain.stores).run, args=(job,))
    finishing.start()
    assert chain.submission(submitted).status == Status.QUEUED
    chain.deliver(TEXT_QUEUE, TEXT, [texts])
    chain.embed()
    finishing.join()
    assert chain.submission(submitted).status == Status.DONE


def test_texts_that_can_not_be_embedded_fail_the_submission(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes, [NAMELESS])
    chain.sample()
    chain.embed()
    assert len(chain.encoder.texts) == ATTEMPTS
    [job] = chain.payloads(FINISH_QUEUE)
    raised: list[Exception] = []

    def finish() -> None:
        try:
            attempt(FinishingJobs(chain.stores).handler, job)
        except TextVectorsUnavailable as error:
            raised.append(error)

    finishing = threading.Thread(target=finish)
    finishing.start()
    # The finish asks once more, and the embedder fails once more.
    while finishing.is_alive():
        chain.embed()
    assert [type(error) for error in raised] == [TextVectorsUnavailable]
    row = chain.submission(submitted)
    assert (row.status, row.error_code) == (Status.FAILED, "worker.text_vectors_unavailable")
    assert "nameless" in str(row.error_message)


def test_texts_that_nobody_embeds_are_waited_for_no_longer_than_allowed(
    chain: Chain, three_scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.texts._WAIT_S", 0.0)
    chain.submit(three_scenes)
    with pytest.raises(TextVectorsUnavailable, match="no embedding process answered") as caught:
        await_text_vectors(chain.stores, DEFAULT_TENANT, FAKE_CARD.key, COLOUR_SET)
    assert "embed.log" in caught.value.cure


def test_a_stored_prompt_set_is_read_as_it_was_stored(chain: Chain, three_scenes: Path) -> None:
    chain.submit(three_scenes)
    stored = load_stored_prompt_set(chain.stores, DEFAULT_TENANT, COLOUR_SET.sha256)
    assert stored == COLOUR_SET
