"""A copy is there for as long as somebody's submission needs it, and is never left unfindable."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipwarden import intake
from clipwarden.cli.jobs import try_again
from clipwarden.intake import Request, accept
from clipwarden.purging import find_doomed, purge_doomed
from ingest.endings import fail
from ingest.errors import DatabaseUnavailable
from ingest.identity import identify
from ingest.keys import media_key
from ingest.media.spec import SamplingSpec
from ingest.queue.leases import Outcome, settle
from ingest.stores import Stores
from ingest.submissions import Submitted, Wish, submit
from ingest.tables import DEFAULT_TENANT
from ingest.works import IsEmbedded
from tests.clips import BLUE, write_scenes
from tests.worker.chain import COLOUR_SET, TEXT_QUEUE, Chain
from tests.worker.fake_encoder import FAKE_CARD
from worker.errors import TextVectorsUnavailable

REQUEST = Request(FAKE_CARD, SamplingSpec.parse("fps:2"), (COLOUR_SET,))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_scenes(tmp_path / "clip.mp4", [(BLUE, 0.5)], width=64, height=48)


@pytest.fixture
def key(clip: Path) -> str:
    return media_key(DEFAULT_TENANT, identify(clip, "clip.mp4").sha256)


@pytest.mark.every_backend
def test_a_copy_that_retention_deleted_meanwhile_is_made_again(
    stores: Stores, clip: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(stores, REQUEST, clip)

    def deleted_meanwhile(stores: Stores, wish: Wish, is_embedded: IsEmbedded) -> Submitted:
        stores.blobs.delete(key)
        return submit(stores, wish, is_embedded)

    monkeypatch.setattr(intake, "submit", deleted_meanwhile)
    accept(stores, REQUEST, clip)
    assert stores.blobs.read(key) == clip.read_bytes()


@pytest.mark.every_backend
def test_a_copy_whose_submission_was_never_recorded_can_be_purged(
    stores: Stores, clip: Path, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> Submitted:
        raise DatabaseUnavailable("It is gone.", "Wait.")

    monkeypatch.setattr(intake, "submit", killed)
    with pytest.raises(DatabaseUnavailable):
        accept(stores, REQUEST, clip)
    assert stores.blobs.exists(key)
    doomed = find_doomed(stores, tmp_path, identify(clip, "clip.mp4").sha256)
    purge_doomed(stores, doomed)
    assert not stores.blobs.exists(key)


def test_a_retry_asks_again_for_texts_that_could_not_be_embedded(
    stores: Stores, clip: Path
) -> None:
    chain = Chain(stores)
    submitted = chain.submit(clip)
    settle(stores.redis, chain.take(TEXT_QUEUE).lease, Outcome.DEAD)
    chain.sample()
    chain.embed()
    fail(stores, submitted.work, submitted.id, TextVectorsUnavailable("None.", "Mend it."))
    try_again(stores, submitted.id)
    chain.run()
    assert chain.status(submitted) == "done"
