"""A video is finished once, when its last chunk is embedded, for everybody who waits for it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.queue.gate import Gate
from ingest.queue.jobs import EMBED, FINISH, SAMPLE
from ingest.queue.names import FINISH_QUEUE
from ingest.tables import Sampling, Status
from ingest.works import embed_job_id
from tests.worker.chain import EMBED_QUEUE, SAMPLE_QUEUE, Chain, Submitted, write_three_scenes
from tests.worker.fake_encoder import FakeEncoder
from worker.tables import Embedding, Result, SegmentRow


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
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    chunks = chain.payloads(EMBED_QUEUE)
    chain.deliver(EMBED_QUEUE, EMBED, [*chunks, *reversed(chunks)])
    chain.embed()
    assert sum(chain.encoder.batches) == 150
    assert [job["submission_id"] for job in chain.payloads(FINISH_QUEUE)] == [submitted.id]
    assert chain.pixels() == []
    chain.finish()
    assert chain.submission(submitted).status == Status.DONE
    # Once more, now that the video is finished: nobody is left to finish it for.
    chain.deliver(EMBED_QUEUE, EMBED, chunks)
    chain.embed()
    assert chain.payloads(FINISH_QUEUE) == []
    assert sum(chain.encoder.batches) == 150


def test_a_chunk_killed_after_storing_its_vectors_is_not_embedded_again(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    [first, *others] = chain.payloads(EMBED_QUEUE)
    pixels = {key: chain.stores.blobs.read(key) for key in chain.pixels()}
    chain.deliver(EMBED_QUEUE, EMBED, [first])
    chain.embed()
    # As if the worker had died before it deleted the pixels and closed the chunk.
    for key, content in pixels.items():
        chain.stores.blobs.put(key, content)
    job_id = embed_job_id(submitted.work, first["attempt"], 0)
    Gate(chain.stores.redis, submitted.work).open([job_id])
    chain.deliver(EMBED_QUEUE, EMBED, [*others, first])
    chain.embed()
    chain.finish()
    assert sum(chain.encoder.batches) == 150
    assert chain.pixels() == []
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


@pytest.mark.parametrize("harm", ["deleted", "changed"])
@pytest.mark.parametrize("vanished", [0, 1])
def test_who_harms_his_own_copy_does_no_harm_to_another(
    chain: Chain, tmp_path: Path, vanished: int, harm: str
) -> None:
    copies = [write_three_scenes(tmp_path / "a.mp4"), tmp_path / "b.mp4"]
    copies[1].write_bytes(copies[0].read_bytes())
    both = [chain.submit(path) for path in copies]
    if harm == "deleted":
        copies[vanished].unlink()
    else:
        copies[vanished].write_bytes(b"something else")
    chain.run()
    assert [chain.status(one) for one in both] == [Status.DONE, Status.DONE]


@pytest.mark.parametrize("steps", ["nothing", "sampled", "partly embedded", "embedded"])
def test_jobs_of_a_cancelled_video_end_without_embedding(
    chain: Chain, three_scenes: Path, steps: str
) -> None:
    submitted = chain.submit(three_scenes)
    if steps != "nothing":
        chain.sample()
    if steps == "partly embedded":
        chain.embed(max_jobs=2)
    if steps == "embedded":
        chain.embed()
    embedded = sum(chain.encoder.batches)
    chain.cancel(submitted)
    assert [key for key in chain.traces() if not key.startswith("rq:job:text-")] == []
    chain.run()
    assert chain.submission(submitted).status == Status.CANCELLED
    assert sum(chain.encoder.batches) == embedded
    assert chain.pixels() == []
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
    first = chain.submit(three_scenes)
    chain.sample()
    # Its end is recorded, and nothing more yet.
    with chain.stores.database.begin() as session:
        session.merge(chain.submission(first)).status = Status.CANCELLED
    Gate(chain.stores.redis, first.work).leave(first.id)
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
    chain.deliver(SAMPLE_QUEUE, SAMPLE, [job, job])
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
    other = Chain(chain.stores, FakeEncoder(batch_size=64))
    with chain.stores.database.begin() as session:
        for row in session.query(Embedding):
            session.delete(row)
    again = other.analyze(three_scenes)
    assert other.encoder.batches == [64, 64, 22]
    assert again.segments == document.segments


def test_the_same_content_many_times_is_sampled_once_by_whoever_comes_when(
    chain: Chain, three_scenes: Path
) -> None:
    submitted = [chain.submit(three_scenes)]
    sampling = chain.take(SAMPLE_QUEUE)
    submitted.append(chain.submit(three_scenes))
    sampling.run()
    sampling.end()
    submitted.append(chain.submit(three_scenes))
    chain.embed(max_jobs=2)
    submitted.append(chain.submit(three_scenes))
    chain.embed()
    submitted.append(chain.submit(three_scenes))
    chain.finish()
    submitted.append(chain.submit(three_scenes))
    assert chain.payloads(SAMPLE_QUEUE) == []
    chain.run()
    assert {chain.document(one).video.id for one in submitted} == {one.id for one in submitted}
    assert {chain.status(one) for one in submitted} == {Status.DONE}
    assert sum(chain.encoder.batches) == 150
    assert len(chain.rows(Sampling)) == len(chain.rows(Result)) == 1
    assert chain.traces() == []


def test_two_who_submit_in_one_moment_share_one_sampling(chain: Chain, three_scenes: Path) -> None:
    found = together(lambda: chain.submit(three_scenes), times=4)
    [payload] = chain.payloads(SAMPLE_QUEUE)
    assert payload["work"]["media_sha256"] == found[0].work.media_sha256
    chain.sample()
    assert len({payload["attempt"] for payload in chain.payloads(EMBED_QUEUE)}) == 1
    chain.run()
    assert {chain.status(one) for one in found} == {Status.DONE}
    assert sum(chain.encoder.batches) == 150


def together(act: Callable[[], Submitted], times: int) -> list[Submitted]:
    """Do the same in several threads in one moment."""
    barrier = threading.Barrier(times)

    def one(_: int) -> Submitted:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))
