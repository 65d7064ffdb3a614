"""Whose blob store it is: a process with the wrong one must say so, and blame no video."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from ingest.blobs import BlobStore
from ingest.claiming import (
    claim_blobs,
    claim_stores,
    join_stores,
    require_blobs,
    require_blobs_at_start,
)
from ingest.database import Database
from ingest.errors import (
    BlobStoreNotOurs,
    BlobStoreTaken,
    BlobStoreUnavailable,
    MediaNotFound,
    QueueTaken,
)
from ingest.keys import media_key, pixels_root
from ingest.originals import open_original
from ingest.queue.presence import Presence, State, announce_presence
from ingest.settings import StoreSettings
from ingest.stores import Stores
from ingest.submissions import installation_id, unfinished_of
from tests.ingest.submitting import HOST, IN_PLACE, WORK, embed_job, submit_to
from tests.worker.fake_encoder import FakeEncoder
from worker.embedding import EmbeddingJobs
from worker.sweeping import sweep_pixels

CONTENT = b"the bytes of a video"
THIS = WORK.model_copy(update={"media_sha256": hashlib.sha256(CONTENT).hexdigest()})
COPY = media_key(THIS.tenant, THIS.media_sha256)


@pytest.fixture
def wrong(stores: Stores, tmp_path: Path) -> Stores:
    """The same installation as a host sees it whose blob store is another, empty folder."""
    return Stores(stores.redis, stores.database, BlobStore(str(tmp_path / "mistyped")))


def marker(stores: Stores) -> str:
    return f"installation/{installation_id(stores.database)}"


def presence() -> Presence:
    return Presence(
        name="sample.a.1",
        role="sample",
        host="a",
        pid=1,
        state=State.IDLE,
        jobs_done=0,
        rss_bytes=1,
    )


@pytest.mark.every_backend
def test_a_new_installation_names_its_stores_and_is_found_to_own_them(stores: Stores) -> None:
    stores.blobs.delete(marker(stores))
    claim_stores(stores)
    assert stores.blobs.exists(marker(stores))
    claim_stores(stores)
    join_stores(stores)
    require_blobs(stores)
    stores.redis.set("clipwarden:installation", "somebody else")
    for check in (claim_stores, join_stores):
        with pytest.raises(QueueTaken):
            check(stores)


@pytest.mark.every_backend
def test_the_name_is_no_tenant_whose_pixels_are_swept(stores: Stores) -> None:
    stores.blobs.put(f"{pixels_root('default')}/left/behind/here/000000.npz", b"pixels")
    assert sweep_pixels(stores) == 1
    assert stores.blobs.exists(marker(stores))


def test_an_empty_store_is_refused_once_there_are_videos(stores: Stores, wrong: Stores) -> None:
    submit_to(stores)
    for check in (claim_blobs, claim_stores, join_stores, require_blobs, require_blobs_at_start):
        with pytest.raises(BlobStoreNotOurs) as caught:
            check(wrong)
    assert "CLIPWARDEN_BLOB_URL" in caught.value.cure
    assert not wrong.blobs.exists(marker(stores))
    # As the cure says: the old one is lost for good.
    assert marker(stores) in caught.value.cure
    wrong.blobs.put(marker(stores), b"")
    claim_stores(wrong)
    require_blobs(wrong)


def test_an_empty_store_is_refused_while_somebody_is_at_work(wrong: Stores) -> None:
    announce_presence(wrong.redis, presence())
    with pytest.raises(BlobStoreNotOurs):
        claim_blobs(wrong)


def test_joining_names_no_store(wrong: Stores) -> None:
    with pytest.raises(BlobStoreNotOurs):
        join_stores(wrong)
    assert wrong.blobs.children("") == []


@pytest.mark.every_backend
def test_a_store_of_the_release_before_is_known_by_what_it_holds(stores: Stores) -> None:
    stores.blobs.delete(marker(stores))
    # The newest of them stayed where it was.
    submit_to(stores, THIS, in_place=None)
    submit_to(stores, WORK, in_place=IN_PLACE)
    stores.blobs.put(COPY, CONTENT)
    claim_blobs(stores)
    require_blobs(stores)


@pytest.mark.every_backend
def test_the_store_of_another_installation_is_refused(stores: Stores) -> None:
    stores.blobs.delete(marker(stores))
    stores.blobs.put(f"installation/{'f' * 32}", b"")
    for check in (claim_blobs, join_stores, require_blobs, require_blobs_at_start):
        with pytest.raises(BlobStoreTaken, match="ffffffff") as caught:
            check(stores)
    assert not stores.blobs.exists(marker(stores))
    # As the cure says: that one is gone for good.
    assert f"installation/{'f' * 32}" in caught.value.cure
    stores.blobs.delete(f"installation/{'f' * 32}")
    claim_blobs(stores)


def test_a_copy_that_is_missing_with_its_whole_store_is_an_outage(
    stores: Stores, tmp_path: Path, store_settings: StoreSettings
) -> None:
    submit_to(stores, THIS, in_place=None)
    stores.blobs.put(COPY, CONTENT)
    rows = unfinished_of(stores.database, THIS)
    root = Path(store_settings.blob_url)
    mounted = root.rename(tmp_path / "mounted elsewhere")
    root.mkdir()
    with (
        pytest.raises(BlobStoreUnavailable) as caught,
        open_original(stores, THIS, rows, HOST),
    ):
        pass
    assert "Mount it" in caught.value.cure
    root.rmdir()
    mounted.rename(root)
    with open_original(stores, THIS, rows, HOST) as original:
        assert original.path.read_bytes() == CONTENT
    shutil.rmtree(root / "default")
    with pytest.raises(MediaNotFound), open_original(stores, THIS, rows, HOST):
        pass


def test_pixels_that_are_missing_with_their_whole_store_are_an_outage(
    stores: Stores, wrong: Stores
) -> None:
    submit_to(stores)
    job = embed_job()
    with pytest.raises(BlobStoreUnavailable):
        EmbeddingJobs(wrong, FakeEncoder()).load_chunk(job.model_dump())
    assert EmbeddingJobs(stores, FakeEncoder()).load_chunk(job.model_dump()) is None


def test_a_process_that_starts_waits_out_an_outage_of_the_database(
    stores: Stores, tmp_path: Path
) -> None:
    gone = Stores(
        stores.redis, Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing"), stores.blobs
    )
    require_blobs_at_start(gone)
    gone.database.close()
