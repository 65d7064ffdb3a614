"""The file behind a work: its copy, or where somebody left it, whichever still is what it was."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from pathlib import Path

import pytest

from ingest.errors import BlobCorrupt, MediaChanged, MediaNotFound
from ingest.keys import media_key
from ingest.originals import open_original, remove_leftovers
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.submissions import InPlace, unfinished_of
from ingest.tables import Submission
from tests.ingest.submitting import HOST, WORK, submit_to

CONTENT = b"not a video, but that is not asked here" * 1000
THIS = WORK.model_copy(update={"media_sha256": hashlib.sha256(CONTENT).hexdigest()})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "the file"
    path.write_bytes(CONTENT)
    return path


def wanting(stores: Stores, *places: InPlace | None, work: Work = THIS) -> list[Submission]:
    for place in places:
        submit_to(stores, work, in_place=place)
    return unfinished_of(stores.database, work)


def copy(stores: Stores, path: Path) -> str:
    return stores.blobs.put_file(media_key(THIS.tenant, THIS.media_sha256), path).key


@pytest.mark.every_backend
def test_a_copy_is_read_from_the_store_on_any_host(stores: Stores, path: Path) -> None:
    rows = wanting(stores, None)
    copy(stores, path)
    path.unlink()
    with open_original(stores, THIS, rows, "another host") as original:
        found = original.path
        assert found.read_bytes() == CONTENT
        assert original.source == "a clip.mp4"
        original.check_unchanged()
    is_local = stores.blobs.local_path(media_key(THIS.tenant, THIS.media_sha256)) is not None
    # What was fetched is not left behind.
    assert found.exists() is is_local


@pytest.mark.every_backend
def test_a_damaged_copy_does_not_pass(stores: Stores, path: Path) -> None:
    rows = wanting(stores, None)
    stores.blobs.put(media_key(THIS.tenant, THIS.media_sha256), b"something else")
    with (
        pytest.raises((BlobCorrupt, MediaChanged)),
        open_original(stores, THIS, rows, HOST),
    ):
        pass


@pytest.mark.every_backend
def test_a_copy_that_is_gone_is_one_clear_error_unless_somebody_kept_his_file(
    stores: Stores, path: Path
) -> None:
    rows = wanting(stores, None)
    with (
        pytest.raises(MediaNotFound, match="no longer in the blob store") as caught,
        open_original(stores, THIS, rows, HOST),
    ):
        pass
    assert "Submit it again" in caught.value.cure
    rows = wanting(stores, InPlace(path, HOST))
    with open_original(stores, THIS, rows, HOST) as original:
        assert original.path == path


def test_a_file_that_stayed_is_read_where_it_is(stores: Stores, path: Path) -> None:
    rows = wanting(stores, InPlace(path, HOST))
    with open_original(stores, THIS, rows, HOST) as original:
        assert original.path == path
        original.check_unchanged()
        path.write_bytes(b"something else")
        with pytest.raises(MediaChanged, match="clip"):
            original.check_unchanged()


def test_a_file_on_another_host_is_one_clear_error(stores: Stores, path: Path) -> None:
    rows = wanting(stores, InPlace(path, "elsewhere"))
    with (
        pytest.raises(MediaNotFound, match="not on this host") as caught,
        open_original(stores, THIS, rows, HOST),
    ):
        pass
    assert "--in-place" in caught.value.cure


@pytest.mark.parametrize("harm", ["deleted", "changed", "on another host"])
@pytest.mark.parametrize("harmed", [0, 1])
def test_one_good_file_is_enough(
    stores: Stores, path: Path, tmp_path: Path, harm: str, harmed: int
) -> None:
    paths = [path, tmp_path / "other"]
    paths[1].write_bytes(CONTENT)
    hosts = [HOST, HOST]
    if harm == "on another host":
        hosts[harmed] = "elsewhere"
    rows = wanting(stores, *(InPlace(one, host) for one, host in zip(paths, hosts, strict=True)))
    if harm == "deleted":
        paths[harmed].unlink()
    if harm == "changed":
        paths[harmed].write_bytes(b"something else")
    with open_original(stores, THIS, rows, HOST) as original:
        assert original.path == paths[1 - harmed]


@pytest.mark.parametrize(
    ("content", "error"), [(None, MediaNotFound), (b"something else", MediaChanged)]
)
def test_a_file_that_is_not_what_was_submitted_does_not_pass(
    stores: Stores, path: Path, content: bytes | None, error: type[Exception]
) -> None:
    rows = wanting(stores, InPlace(path, HOST))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=r"a clip\.mp4"), open_original(stores, THIS, rows, HOST):
        pass


def test_what_killed_processes_fetched_is_deleted_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    host = socket.gethostname()
    # Larger than the numbers that a kernel gives out.
    dead, alive = 2**30, os.getppid()
    leftovers = [f"clipwarden-{host}-{pid}-abc_1" for pid in (dead, os.getpid())]
    others = [
        f"clipwarden-{host}-{alive}-abc_1",
        f"clipwarden-another.host-{dead}-abc_1",
        f"clipwarden-{dead}",
        "somebody's",
    ]
    for name in (*leftovers, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "original").write_bytes(b"video")
    (tmp_path / f"clipwarden-{host}-{dead}-link").symlink_to(tmp_path / others[-1])
    remove_leftovers()
    assert {path.name for path in tmp_path.iterdir()} == {*others, f"clipwarden-{host}-{dead}-link"}


def test_a_fetched_copy_lies_in_a_folder_that_names_who_fetched_it(
    stores: Stores, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = wanting(stores, None)
    copy(stores, path)
    monkeypatch.setattr(stores.blobs, "local_path", lambda _key: None)
    with open_original(stores, THIS, rows, HOST) as original:
        folder = original.path.parent
        assert folder.name.startswith(f"clipwarden-{socket.gethostname()}-{os.getpid()}-")
        assert original.path.read_bytes() == CONTENT
    assert not folder.exists()
