"""The blob store keeps whole, checked bytes under well-formed keys, in a folder or a bucket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef, BlobStore
from ingest.errors import BlobCorrupt, BlobMissing, BlobStoreFailed, MediaChanged, MediaNotFound
from ingest.evidence import evidence_reference, pack_pictures, read_picture

pytestmark = pytest.mark.every_backend

# More than one piece, and not a round number of them.
MANY_BYTES = 70 * 1024 * 1024 + 5


@pytest.fixture
def blobs(blob_url: str) -> Iterator[BlobStore]:
    blobs = BlobStore(blob_url)
    yield blobs
    blobs.close()


@pytest.fixture
def other(blob_url: str) -> Iterator[BlobStore]:
    """The same store, opened by somebody else."""
    other = BlobStore(blob_url)
    yield other
    other.close()


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.mp4"
    path.write_bytes(os.urandom(1024 * 1024) * 70 + b"12345")
    assert path.stat().st_size == MANY_BYTES
    return path


def test_what_was_put_is_what_is_got(blobs: BlobStore) -> None:
    ref = blobs.put("default/a/000001.npz", b"content")
    assert blobs.get(ref) == b"content"
    assert blobs.exists(ref.key)


def test_an_empty_blob_is_a_blob(blobs: BlobStore, tmp_path: Path) -> None:
    ref = blobs.put("default/a", b"")
    assert blobs.get(ref) == b""
    assert blobs.fetch(ref, tmp_path).read_bytes() == b""


def test_a_blob_that_was_changed_is_refused(blobs: BlobStore, tmp_path: Path) -> None:
    ref = blobs.put("default/a.npz", b"content")
    blobs.put("default/a.npz", b"changed")
    with pytest.raises(BlobCorrupt, match=r"default/a\.npz"):
        blobs.get(ref)
    with pytest.raises(BlobCorrupt, match=r"default/a\.npz"):
        blobs.fetch(ref, tmp_path)
    assert not (tmp_path / "a.npz").exists()


def test_a_missing_blob_is_named(blobs: BlobStore, tmp_path: Path) -> None:
    missing = BlobRef("default/none", "0" * 64)
    with pytest.raises(BlobMissing, match="default/none"):
        blobs.get(missing)
    with pytest.raises(BlobMissing, match="default/none"):
        blobs.fetch(missing, tmp_path)
    assert not (tmp_path / "none").exists()


def test_a_folder_of_blobs_is_no_blob(blobs: BlobStore) -> None:
    blobs.put("default/folder/a", b"x")
    assert not blobs.exists("default/folder")
    with pytest.raises(BlobMissing):
        blobs.read("default/folder")


def test_deleting_twice_is_no_error(blobs: BlobStore) -> None:
    blobs.put("default/a", b"x")
    blobs.delete("default/a")
    blobs.delete("default/a")
    assert not blobs.exists("default/a")


def test_deleting_a_tree_leaves_its_neighbours(blobs: BlobStore) -> None:
    for key in ("default/a/1", "default/a/b/2", "default/ab/3", "default/c"):
        blobs.put(key, b"x")
    blobs.delete_tree("default/a")
    blobs.delete_tree("default/a")
    assert blobs.children("default") == ["ab", "c"]


@pytest.mark.slow
def test_a_tree_of_more_blobs_than_one_request_names_is_deleted(blobs: BlobStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: blobs.put(f"default/a/{number}", b"x"), range(1005)))
    blobs.delete_tree("default/a")
    assert blobs.children("default/a") == []


def test_children_are_folders_and_blobs_directly_below(blobs: BlobStore) -> None:
    for key in ("default/pixels/a/1", "default/pixels/b/2", "default/pixels/c", "other/pixels/d"):
        blobs.put(key, b"x")
    assert blobs.children("default/pixels") == ["a", "b", "c"]
    assert blobs.children("") == ["default", "other"]
    assert blobs.children("default/none") == []
    assert blobs.children("default/pixels/c") == []


def test_what_others_write_and_delete_is_seen_at_once(blobs: BlobStore, other: BlobStore) -> None:
    assert other.children("default") == []
    blobs.put("default/a", b"x")
    assert other.children("default") == ["a"]
    assert other.exists("default/a")
    blobs.delete("default/a")
    assert other.children("default") == []
    assert not other.exists("default/a")


def test_a_file_of_several_pieces_comes_back_as_it_was(
    blobs: BlobStore, long_file: Path, tmp_path: Path
) -> None:
    ref = blobs.put_file("default/media/original", long_file)
    assert ref.sha256 == hashlib.sha256(long_file.read_bytes()).hexdigest()
    (tmp_path / "fetched").mkdir()
    fetched = blobs.fetch(ref, tmp_path / "fetched")
    assert fetched == tmp_path / "fetched" / "original"
    assert fetched.read_bytes() == long_file.read_bytes()
    assert blobs.get(ref) == long_file.read_bytes()


@pytest.mark.parametrize("size", [3, MANY_BYTES])
def test_a_file_that_is_another_is_not_stored(blobs: BlobStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"x" * size)
    blobs.put("default/media", b"as before")
    with pytest.raises(MediaChanged, match=r"clip\.mp4"):
        blobs.put_file("default/media", path, sha256="0" * 64)
    assert blobs.read("default/media") == b"as before"
    assert blobs.children("default") == ["media"]


def test_a_file_that_is_not_there_is_not_stored(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match=r"none\.mp4"):
        blobs.put_file("default/media", tmp_path / "none.mp4")
    assert not blobs.exists("default/media")


def test_the_file_itself_is_known_only_in_a_folder(blobs: BlobStore, backend: str) -> None:
    blobs.put("default/a", b"content")
    path = blobs.local_path("default/a")
    if backend == "sqlite+folder":
        assert path is not None
        assert path.read_bytes() == b"content"
        with pytest.raises(BlobMissing):
            blobs.local_path("default/none")
    else:
        assert path is None


def test_several_threads_write_and_read_at_once(blobs: BlobStore) -> None:
    def write_and_read(number: int) -> bytes:
        ref = blobs.put(f"default/{number % 5}/{number}", b"%d" % number)
        content = blobs.get(ref)
        blobs.delete(ref.key)
        return content

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(write_and_read, range(200)))
    assert found == [b"%d" % number for number in range(200)]
    assert blobs.children("default/0") == []


def test_a_reader_of_a_blob_that_is_written_over_sees_one_or_the_other(
    blobs: BlobStore, other: BlobStore
) -> None:
    versions = [bytes([number]) * 300_000 for number in range(2)]
    blobs.put("default/a", versions[0])

    def write(number: int) -> None:
        blobs.put("default/a", versions[number % 2])

    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(write, number) for number in range(40)]
        seen = {other.read("default/a") for _ in range(40)}
        for written in writes:
            written.result()
    assert seen <= set(versions)


def test_a_store_that_works_passes_the_check(blobs: BlobStore) -> None:
    blobs.check()


@pytest.mark.parametrize(
    "key",
    ["../outside", "/etc/passwd", "a//b", "a/../b", "a/./b", ".", "", "A", "a b", "a.tmp", "a/b/"],
)
def test_keys_that_could_leave_the_store_are_refused(blobs: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="no blob key"):
        blobs.put(key, b"x")


def test_an_address_of_no_supported_store_is_refused() -> None:
    with pytest.raises(BlobStoreFailed, match="gs://"):
        BlobStore("gs://bucket/prefix")
    with pytest.raises(BlobStoreFailed, match="no bucket"):
        BlobStore("s3://")


def test_arrays_that_are_no_arrays_are_corrupt() -> None:
    with pytest.raises(BlobCorrupt):
        unpack_arrays(b"PK\x03\x04 not a zip")


def test_a_picture_is_found_by_its_reference(blobs: BlobStore) -> None:
    blobs.put("default/evidence/0.zip", pack_pictures([(0, b"first"), (500_000, b"second")]))
    reference = evidence_reference("default/evidence/0.zip", 500_000)
    assert read_picture(blobs, reference) == b"second"
    with pytest.raises(BlobCorrupt, match="not in its archive"):
        read_picture(blobs, evidence_reference("default/evidence/0.zip", 7))


def test_equal_pictures_pack_to_equal_bytes() -> None:
    assert pack_pictures([(0, b"a")]) == pack_pictures([(0, b"a")])
