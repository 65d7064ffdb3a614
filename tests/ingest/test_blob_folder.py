"""A blob store in a folder: what a killed writer leaves, and a disk that is full or not ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.blobs import BlobRef, BlobStore
from ingest.errors import BlobStoreFailed, BlobStoreFull, Passing
from tests.servers.room import little_room, small_disks

SMALL_BYTES = 256 * 1024

WRITER = """
import sys
from pathlib import Path
from ingest.blobs import BlobStore

def endless():
    while True:
        yield bytes(1024 * 1024)
        print("written", flush=True)

BlobStore(sys.argv[1])._blobs.write("default/media/original", endless())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder


@pytest.fixture
def blobs(folder: Path) -> BlobStore:
    return BlobStore(str(folder))


@pytest.fixture
def as_nobody(folder: Path) -> Iterator[None]:
    """Close the folder, and give up root's right to enter it, for the length of a test."""
    folder.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)
    folder.chmod(0o700)


def test_a_folder_may_be_named_as_a_url(folder: Path) -> None:
    BlobStore(folder.as_uri()).put("default/a", b"x")
    assert (folder / "default" / "a").read_bytes() == b"x"


def test_writing_leaves_no_temporary_file(blobs: BlobStore, folder: Path) -> None:
    blobs.put("default/a", b"x")
    blobs.put("default/a", b"y")
    assert [path.name for path in (folder / "default").iterdir()] == ["a"]


def test_what_a_killed_writer_leaves_is_no_blob(blobs: BlobStore, folder: Path) -> None:
    blobs.put("default/media/other", b"x")
    with subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, str(folder)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    left = [path.name for path in (folder / "default/media").iterdir()]
    assert len(left) == 2
    assert blobs.children("default/media") == ["other"]
    assert not blobs.exists("default/media/original")
    blobs.delete_tree("default/media")
    assert list(folder.iterdir()) == []


def test_deleting_leaves_no_empty_folders(blobs: BlobStore, folder: Path) -> None:
    blobs.put("default/pixels/a/b/c", b"x")
    blobs.put("default/media/original", b"x")
    blobs.delete("default/pixels/a/b/c")
    assert [path.name for path in (folder / "default").iterdir()] == ["media"]
    blobs.delete_tree("default/media")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("way", small_disks())
def test_a_full_disk_is_named_and_passes(blobs: BlobStore, folder: Path, way: str) -> None:
    with little_room(way, folder, SMALL_BYTES):
        with pytest.raises(BlobStoreFull, match="could not write 'default/a'"):
            blobs.put("default/a", bytes(2 * SMALL_BYTES))
        assert not blobs.exists("default/a")
        # The half that was written is gone, so what is small finds room.
        assert blobs.get(blobs.put("default/b", b"small")) == b"small"
    blobs.put("default/a", bytes(2 * SMALL_BYTES))
    assert issubclass(BlobStoreFull, Passing)


@pytest.mark.parametrize("way", small_disks())
def test_a_full_disk_of_the_reader_is_named(blobs: BlobStore, tmp_path: Path, way: str) -> None:
    ref = blobs.put("default/media/original", bytes(2 * SMALL_BYTES))
    (tmp_path / "here").mkdir()
    with (
        little_room(way, tmp_path / "here", SMALL_BYTES),
        pytest.raises(BlobStoreFull, match=str(tmp_path / "here")),
    ):
        blobs.fetch(ref, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_store_that_is_a_file_says_that_it_can_not_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blobs = BlobStore(str(tmp_path / "file"))
    with pytest.raises(BlobStoreFailed, match="could not write"):
        blobs.put("default/a", b"x")
    with pytest.raises(BlobStoreFailed, match="could not read"):
        blobs.get(BlobRef("default/a", "0" * 64))
    with pytest.raises(BlobStoreFailed, match="can't be used"):
        blobs.check()


@pytest.mark.usefixtures("as_nobody")
def test_a_store_of_another_user_says_that_it_may_not_be_used(
    blobs: BlobStore, folder: Path
) -> None:
    with pytest.raises(BlobStoreFailed, match="could not write"):
        blobs.put("default/a", b"x")
    with pytest.raises(BlobStoreFailed, match="Permission denied"):
        blobs.exists("default/a")
    with pytest.raises(BlobStoreFailed, match="Permission denied"):
        blobs.check()
