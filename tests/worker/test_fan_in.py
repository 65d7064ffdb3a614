"""A video is finished once, when its last chunk is embedded, for everybody who waits for it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.queue.connection import FINISH_QUEUE, SAMPLE_QUEUE
from ingest.queue.gate import Gate
from ingest.queue.jobs import EMBED, FINISH, SAMPLE
from ingest.submissions import cancel_unfinished
from ingest.tables import DEFAULT_TENANT, Sampling, Status
from tests.worker.chain import EMBED_QUEUE, Chain, write_three_scenes
from tests.worker.fake_encoder import FakeEncoder
from worker.tables import Embedding, Result, SegmentRow


def pixels_left(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "data").rglob("pixels/**/*") if path.is_file()]


def segments(chain: Chain) -> list[tuple[str, int, int, float, str]]:
    return [
        (row.label, row.start_us, row.end_us, row.confidence, row.evidence)
        for row in chain.rows(SegmentRow)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_last_chunk_queues_the_finish_whatever_the_order(
    chain: Chain, three_scenes: Path, order: Sequence[int]
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chunks = chain.payloads(EMBED_QUEUE)
    chain.embed(max_jobs=1)  # the texts
    for done, number in enumerate(order, start=1):
        chain.deliver(EMBED_QUEUE, EMBED, [chunks[number]])
        chain.embed()
        expected = [submitted.id] if done == len(order) else []
        assert [job["submission_id"] for job in chain.payloads(FINISH_QUEUE)] == expected
    chain.finish()
    assert [one.label for one in chain.document(submitted).segments] == ["red", "green", "blue"]


def test_chunks_delivered_twice_are_embedded_once_and_queue_one_finish(
    chain: Chain, three_scenes: Path, tmp_path: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chunks = chain.payloads(EMBED_QUEUE)
    chain.deliver(EMBED_QUEUE, EMBED, [*chunks, *reversed(chunks)])
    chain.embed()
    assert sum(chain.encoder.batches) == 150
    assert [job["submission_id"] for job in chain.payloads(FINISH_QUEUE)] == [submitted.id]
    assert pixels_left(tmp_path) == []
    chain.finish()
    assert chain.submission(submitted).status == Status.DONE
    # Once more, now that the video is finished: nobody is left to finish it for.
    chain.deliver(EMBED_QUEUE, EMBED, chunks)
    chain.embed()
    assert chain.payloads(FINISH_QUEUE) == []
    assert sum(chain.encoder.batches) == 150


def test_a_chunk_killed_after_storing_its_vectors_is_not_embedded_again(
    chain: Chain, three_scenes: Path, tmp_path: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    [first, *others] = chain.payloads(EMBED_QUEUE)
    pixels = {path: path.read_bytes() for path in pixels_left(tmp_path)}
    chain.deliver(EMBED_QUEUE, EMBED, [first])
    chain.embed()
    # As if the worker had died before it deleted the pixels and closed the chunk.
    for path, content in pixels.items():
        path.write_bytes(content)
    Gate(chain.stores.redis, submitted.work).open(["chunk:0"])
    chain.deliver(EMBED_QUEUE, EMBED, [*others, first])
    chain.embed()
    chain.finish()
    assert sum(chain.encoder.batches) == 150
    assert pixels_left(tmp_path) == []
    assert chain.submission(submitted).status == Status.DONE


def test_two_who_wait_for_one_work_are_both_finished_and_it_is_embedded_once(
    chain: Chain, three_scenes: Path
) -> None:
    both = [chain.submit(three_scenes), chain.submit(three_scenes)]
    chain.run()
    assert [chain.submission(one).status for one in both] == [Status.DONE, Status.DONE]
    assert sum(chain.encoder.batches) == 150
    first, second = (chain.document(one) for one in both)
    assert first.segments == second.segments != ()
    assert len(chain.rows(Result)) == 1


def test_one_who_comes_while_chunks_are_embedded_is_finished_too(
    chain: Chain, three_scenes: Path
) -> None:
    first = chain.submit(three_scenes)
    chain.sample()
    chain.embed(max_jobs=2)
    second = chain.submit(three_scenes)
    chain.run()
    for one in (first, second):
        assert chain.submission(one).status == Status.DONE
    assert sum(chain.encoder.batches) == 150


@pytest.mark.parametrize("embedded_first", [False, True])
def test_a_second_copy_that_vanished_fails_alone(
    chain: Chain, tmp_path: Path, embedded_first: bool
) -> None:
    original = write_three_scenes(tmp_path / "original.mp4")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(original.read_bytes())
    first, second = chain.submit(original), chain.submit(copy)
    copy.unlink()
    chain.sample(max_jobs=1)
    if embedded_first:
        chain.embed()
    chain.run()
    assert chain.submission(first).status == Status.DONE
    assert chain.submission(second).error_code == "media.not_found"


def test_a_first_copy_that_vanished_fails_alone(chain: Chain, tmp_path: Path) -> None:
    original = write_three_scenes(tmp_path / "original.mp4")
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(original.read_bytes())
    first, second = chain.submit(original), chain.submit(copy)
    original.unlink()
    chain.run()
    assert chain.submission(first).error_code == "media.not_found"
    assert chain.submission(second).status == Status.DONE


@pytest.mark.parametrize("steps", ["nothing", "sampled", "partly embedded", "embedded"])
def test_jobs_of_a_cancelled_video_end_without_embedding(
    chain: Chain, three_scenes: Path, tmp_path: Path, steps: str
) -> None:
    submitted = chain.submit(three_scenes)
    if steps != "nothing":
        chain.sample()
    if steps == "partly embedded":
        chain.embed(max_jobs=2)
    if steps == "embedded":
        chain.embed()
    embedded = sum(chain.encoder.batches)
    assert cancel_unfinished(chain.stores.database, chain.stores.redis, DEFAULT_TENANT) == 1
    chain.run()
    assert chain.submission(submitted).status == Status.CANCELLED
    assert sum(chain.encoder.batches) == embedded
    assert pixels_left(tmp_path) == []
    assert chain.rows(Result) == []
    for queue in (SAMPLE_QUEUE, EMBED_QUEUE, FINISH_QUEUE):
        assert chain.payloads(queue) == []
    # And what was cancelled can be had after all.
    assert chain.analyze(three_scenes).status == "done"
    assert sum(chain.encoder.batches) == 150


@pytest.mark.parametrize("dropped", [1, 2])
def test_one_who_comes_while_a_cancelled_video_is_dropped_gets_every_frame(
    chain: Chain, three_scenes: Path, dropped: int
) -> None:
    chain.submit(three_scenes)
    chain.sample()
    cancel_unfinished(chain.stores.database, chain.stores.redis, DEFAULT_TENANT)
    chain.embed(max_jobs=1 + dropped)
    second = chain.submit(three_scenes)
    # The embedder and the finisher are faster than the sampler, which has other videos to do.
    chain.embed()
    chain.finish()
    chain.run()
    assert chain.submission(second).error_message is None
    assert chain.document(second).video.frames_embedded == 150


def test_a_repeated_sampling_changes_nothing(chain: Chain, three_scenes: Path) -> None:
    submitted = chain.submit(three_scenes)
    [job] = chain.payloads(SAMPLE_QUEUE)
    chain.sample()
    chain.embed(max_jobs=2)
    chain.deliver(SAMPLE_QUEUE, SAMPLE, [job])
    chain.run()
    assert chain.submission(submitted).status == Status.DONE
    assert sum(chain.encoder.batches) == 150
    before = [row.finished_at for row in chain.rows(Sampling)]
    chain.deliver(SAMPLE_QUEUE, SAMPLE, [job])
    chain.run()
    assert [row.finished_at for row in chain.rows(Sampling)] == before


def test_a_repeated_finish_leaves_equal_rows(chain: Chain, three_scenes: Path) -> None:
    both = [chain.submit(three_scenes), chain.submit(three_scenes)]
    chain.sample()
    chain.embed()
    jobs = chain.payloads(FINISH_QUEUE)
    assert sorted(job["submission_id"] for job in jobs) == sorted(one.id for one in both)
    found = []
    for job in itertools.chain(jobs, jobs):
        chain.deliver(FINISH_QUEUE, FINISH, [job])
        chain.finish()
        found.append((segments(chain), [row.scores_sha256 for row in chain.rows(Result)]))
    assert all(one == found[0] for one in found)
    assert len(found[0][0]) == 3
    assert len({row.id for row in chain.rows(Result)}) == 1


def test_batches_of_another_size_give_the_same_segments(chain: Chain, three_scenes: Path) -> None:
    document = chain.analyze(three_scenes)
    other = Chain(chain.stores, FakeEncoder(), batch_size=64)
    with chain.stores.database.begin() as session:
        for row in session.query(Embedding):
            session.delete(row)
    again = other.analyze(three_scenes)
    assert other.encoder.batches == [64, 64, 22]
    assert again.segments == document.segments
