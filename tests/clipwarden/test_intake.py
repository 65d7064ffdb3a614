"""A copy is there for as long as somebody's submission needs it, and is never left unfindable."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from clipwarden import intake
from clipwarden.cli.jobs import try_again
from clipwarden.intake import Unfit, accept, accept_source
from clipwarden.purging import find_doomed, purge_doomed
from clipwarden.request import Request
from ingest.endings import fail
from ingest.errors import DatabaseUnavailable, LiveSource, MediaChanged, MediaNotFound
from ingest.identity import identify
from ingest.keys import media_key
from ingest.media.spec import SamplingSpec
from ingest.queue.leases import Outcome, settle
from ingest.sources.folders import list_folder
from ingest.sources.naming import LocalPath, StandardInput
from ingest.stores import Stores
from ingest.submissions import Submitted, Wish, submit
from ingest.tables import DEFAULT_TENANT, Status, Submission
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


def recorded(stores: Stores) -> list[Submission]:
    with stores.database.read() as session:
        rows = list(session.scalars(select(Submission)))
        session.expunge_all()
    return rows


def test_what_is_fetched_is_copied_also_where_files_stay_in_place(
    stores: Stores, clip: Path, key: str
) -> None:
    request = replace(REQUEST, in_place_on="here")
    with clip.open("rb") as handle:
        accept_source(stores, request, StandardInput(handle.fileno()))
    assert stores.blobs.read(key) == clip.read_bytes()
    [row] = recorded(stores)
    assert (row.source, row.location) == ("standard input", None)
    accept_source(stores, request, LocalPath(clip))
    assert {one.location for one in recorded(stores)} == {None, clip.as_uri()}


def test_what_cannot_be_had_is_refused_and_nothing_is_recorded(
    stores: Stores, tmp_path: Path
) -> None:
    playlist = tmp_path / "clip.mp4"
    playlist.write_text("#EXTM3U\nhttp://127.0.0.1/\n")
    unfit = Unfit("rtsp://camera/", LiveSource("It is live.", "Record it."))
    for source in (LocalPath(playlist), unfit):
        with pytest.raises(LiveSource):
            accept_source(stores, REQUEST, source)
    assert recorded(stores) == []
    assert stores.blobs.children("default/media") == []


def test_the_same_asked_of_the_same_content_is_one_submission_where_that_is_wanted(
    stores: Stores, clip: Path, tmp_path: Path
) -> None:
    request = replace(REQUEST, once_per_content=True)
    first = accept(stores, request, clip)
    copy = Path(shutil.copy(clip, tmp_path / "copy.mp4"))
    assert accept(stores, request, copy) == replace(
        first, is_new=False, source=str(copy), submission_id=first.submission_id
    )
    others = [
        accept(stores, replace(request, sampling=SamplingSpec.parse("fps:1")), clip),
        accept(stores, replace(request, prompt_sets=()), clip),
        accept(stores, request, write_scenes(tmp_path / "other.mp4", [(BLUE, 1.0)])),
    ]
    assert all(one.is_new for one in others)
    assert len(recorded(stores)) == 4


def test_what_failed_or_was_cancelled_is_submitted_again_and_what_is_done_is_not_copied_again(
    stores: Stores, clip: Path, key: str
) -> None:
    request = replace(REQUEST, once_per_content=True)
    first = accept(stores, request, clip)
    fail(stores, first.work, first.submission_id, MediaChanged("Other.", "Wait."))
    second = accept(stores, request, clip)
    fail(stores, second.work, second.submission_id, MediaChanged("Other.", "Wait."))
    third = accept(stores, request, clip)
    assert second.is_new
    assert third.is_new
    assert accept(stores, request, clip) == replace(third, is_new=False)
    with stores.database.begin() as session:
        session.get_one(Submission, (DEFAULT_TENANT, third.submission_id)).status = Status.DONE
    stores.blobs.delete(key)
    assert accept(stores, request, clip) == replace(third, is_new=False)
    assert not stores.blobs.exists(key)


def test_a_listed_file_in_whose_place_another_is_put_is_refused(
    stores: Stores, clip: Path, tmp_path: Path
) -> None:
    secret = write_scenes(tmp_path / "secret.mp4", [(BLUE, 1.0)])
    [state] = [state for path, state in list_folder(tmp_path).files.items() if path == clip]
    listed = LocalPath(clip, state)
    assert accept_source(stores, REQUEST, listed).is_new
    kept = clip.rename(tmp_path / "kept")

    def link(_: int) -> None:
        if clip.exists():
            clip.unlink()
        clip.symlink_to(kept)

    clip.symlink_to(secret)
    with pytest.raises(MediaChanged, match="took its place"):
        accept_source(stores, REQUEST, listed)
    clip.unlink()
    clip.hardlink_to(kept)
    # A link to the very same file, made while it is read, is one all the same.
    with pytest.raises(MediaChanged, match="took its place"):
        accept_source(stores, REQUEST, listed, link)
    clip.unlink()
    with pytest.raises(MediaNotFound):
        accept_source(stores, REQUEST, listed)
    assert len(recorded(stores)) == 1


def test_a_file_that_is_deleted_after_it_was_looked_at_fails_alone(
    stores: Stores, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "check_input", Path.unlink)
    with pytest.raises(MediaNotFound, match=r"clip\.mp4"):
        accept(stores, REQUEST, clip)


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
