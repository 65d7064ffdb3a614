"""Embedding stops at once when nobody waits any more, and waits while there is no room."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from clipwarden.migrations import migrate
from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef
from ingest.queue.backlog import Backlog
from ingest.queue.gate import Gate
from ingest.queue.leases import counted
from ingest.queue.meters import Meter, read_meters
from ingest.queue.names import Priority
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.tables import Sampling, Status
from tests.clipwarden.command import wait_for
from tests.worker.chain import EMBED_QUEUE, SAMPLE_QUEUE, Chain
from tests.worker.fake_encoder import FAKE_CARD, FakeEncoder
from worker.tables import Embedding


class InterruptedEncoder(FakeEncoder):
    """Does something in the middle of one of its batches."""

    def __init__(self, batch: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._batch = batch
        self._act = act

    def run_batch(self, size: int) -> None:
        """Act while that batch is on the card."""
        super().run_batch(size)
        if len(self.batches) == self._batch:
            self._act()


@pytest.mark.parametrize("batch", [1, 3])
def test_no_batch_starts_after_a_cancel(chain: Chain, three_scenes: Path, batch: int) -> None:
    submitted = chain.submit(three_scenes)
    chain.sample()
    cancelling = threading.Thread(target=chain.cancel, args=(submitted,))

    def cancel_now() -> None:
        cancelling.start()
        wait_for(lambda: not Gate(chain.stores.redis, submitted.work).is_awaited())

    chain.encoder = InterruptedEncoder(batch, cancel_now)
    chain.embed()
    cancelling.join()
    assert len(chain.encoder.batches) == batch
    assert chain.status(submitted) == Status.CANCELLED
    assert chain.rows(Embedding) == []
    assert chain.pixels() == []
    assert chain.traces() == []


def test_a_cancel_of_one_of_two_stops_nothing(chain: Chain, three_scenes: Path) -> None:
    first, second = chain.submit(three_scenes), chain.submit(three_scenes)
    chain.sample()
    chain.encoder = InterruptedEncoder(2, lambda: chain.cancel(first))
    chain.run()
    assert [chain.status(one) for one in (first, second)] == [Status.CANCELLED, Status.DONE]
    assert sum(chain.encoder.batches) == 150
    assert chain.traces() == []


def test_who_joins_while_a_work_is_cancelled_is_analysed_all_the_same(
    chain: Chain, three_scenes: Path
) -> None:
    first = chain.submit(three_scenes)
    chain.sample()
    cancelling = threading.Thread(target=chain.cancel, args=(first,))
    seconds = []

    def cancel_and_join() -> None:
        cancelling.start()
        wait_for(lambda: not Gate(chain.stores.redis, first.work).is_awaited())
        seconds.append(chain.submit(three_scenes))

    chain.encoder = InterruptedEncoder(2, cancel_and_join)
    chain.embed()
    cancelling.join()
    chain.run()
    chain.repair()
    chain.run()
    [second] = seconds
    assert [chain.status(one) for one in (first, second)] == [Status.CANCELLED, Status.DONE]
    assert chain.document(second).video.frames_embedded == 150
    assert chain.traces() == []
    assert chain.pixels() == []


def test_the_backlog_is_empty_at_the_end(chain: Chain, three_scenes: Path) -> None:
    chain.submit(three_scenes)
    chain.sample()
    backlog = Backlog(chain.stores.redis)
    stored = sum(len(chain.stores.blobs.read(key)) for key in chain.pixels())
    assert backlog.bytes_ahead_of(FAKE_CARD.key, Priority.NORMAL) == stored > 150 * 32 * 32 * 3
    assert backlog.bytes_ahead_of(FAKE_CARD.key, Priority.HIGH) == 0
    chain.embed(max_jobs=2)
    assert 0 < backlog.bytes_ahead_of(FAKE_CARD.key, Priority.NORMAL) < stored
    chain.run()
    assert backlog.bytes_ahead_of(FAKE_CARD.key, Priority.LOW) == 0


def test_a_chunk_that_changed_is_embedded_again_and_one_that_did_not_is_not(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    with chain.stores.database.begin() as session:
        session.query(Sampling).delete()
        [first, *_] = session.query(Embedding).order_by(Embedding.chunk)
        first.pixels_sha256 = "0" * 64
    chain.analyze(three_scenes)
    assert sum(chain.encoder.batches) == 150 + 64


def test_vectors_are_stored_with_their_times_under_their_own_hash(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    for row in chain.rows(Embedding):
        arrays = unpack_arrays(chain.stores.blobs.get(BlobRef(row.blob_key, row.blob_sha256)))
        assert row.blob_sha256[:16] in row.blob_key
        np.testing.assert_allclose(np.linalg.norm(arrays["vectors"], axis=1), 1, atol=1e-6)
        assert len(arrays["pts_us"]) == row.frames


def test_more_embeddings_than_the_sampling_has_chunks_are_no_hindrance(
    chain: Chain, three_scenes: Path
) -> None:
    chain.analyze(three_scenes)
    with chain.stores.database.begin() as session:
        values = vars(session.query(Embedding).order_by(Embedding.chunk).first())
        extra = {name: value for name, value in values.items() if name[0] != "_"}
        session.add(Embedding(**extra | {"chunk": 3}))
    document = chain.analyze(three_scenes)
    assert document.video.frames_embedded == 150
    assert sum(chain.encoder.batches) == 150


@pytest.fixture
def chain_on_a_small_disk(queue_server: str, postgres_url: str, tmp_path: Path) -> Iterator[Chain]:
    """Only blobs are files of this process, so that a limit on files meets them alone."""
    stores = Stores.open(
        StoreSettings(
            redis_url=SecretStr(queue_server),
            database_url=SecretStr(postgres_url),
            blob_url=str(tmp_path / "blobs"),
        )
    )
    stores.redis.flushall()
    migrate(stores.database)
    yield Chain(stores)
    stores.redis.flushall()
    stores.close()


def test_a_full_disk_is_waited_out_and_costs_no_attempt(
    chain_on_a_small_disk: Chain, three_scenes: Path
) -> None:
    chain = chain_on_a_small_disk
    submitted = chain.submit(three_scenes)
    job_id = f"sample-{submitted.work.id}"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    while_full: list[object] = []

    def make_room() -> None:
        pauses = (Meter.PAUSES, "blob.store_full")
        wait_for(lambda: read_meters(chain.stores.redis).get(pauses))
        while_full.extend([chain.status(submitted), counted(chain.stores.redis, job_id)])
        while_full.append(chain.pixels())
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    making_room = threading.Thread(target=make_room)
    making_room.start()
    # Less than a chunk of pixels.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        chain.sample()
    finally:
        making_room.join()
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert while_full == [Status.QUEUED, (0, 0), []]
    # It went on where it was: the film's beginning was not decoded again.
    assert len({job["attempt"] for job in chain.payloads(EMBED_QUEUE)}) == 1
    assert chain.payloads(SAMPLE_QUEUE) == []
    chain.run()
    assert chain.status(submitted) == Status.DONE
