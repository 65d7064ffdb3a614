"""The blob store keeps whole, checked bytes under well-formed keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.arrays import unpack_arrays
from ingest.blobs import BlobRef, BlobStore
from ingest.errors import BlobCorrupt, BlobMissing, BlobStoreFailed
from ingest.evidence import evidence_reference, pack_pictures, read_picture


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "blobs"))


def test_what_was_put_is_what_is_got(blobs: BlobStore) -> None:
    ref = blobs.put("default/a/000001.npz", b"content")
    assert blobs.get(ref) == b"content"
    assert blobs.exists(ref.key)


def test_a_blob_changed_on_disk_is_refused(blobs: BlobStore, tmp_path: Path) -> None:
    ref = blobs.put("default/a.npz", b"content")
    (tmp_path / "blobs/default/a.npz").write_bytes(b"changed")
    with pytest.raises(BlobCorrupt, match=r"default/a\.npz"):
        blobs.get(ref)


def test_a_missing_blob_is_named(blobs: BlobStore) -> None:
    with pytest.raises(BlobMissing, match="default/none"):
        blobs.get(BlobRef("default/none", "0" * 64))


def test_deleting_twice_is_no_error(blobs: BlobStore) -> None:
    blobs.put("default/a", b"x")
    blobs.delete("default/a")
    blobs.delete("default/a")
    assert not blobs.exists("default/a")


def test_writing_leaves_no_temporary_file(blobs: BlobStore, tmp_path: Path) -> None:
    blobs.put("default/a", b"x")
    blobs.put("default/a", b"y")
    assert [path.name for path in (tmp_path / "blobs/default").iterdir()] == ["a"]


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a//b", "a/../b", "", "A", "a b"])
def test_keys_that_could_leave_the_store_are_refused(blobs: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="no blob key"):
        blobs.put(key, b"x")


def test_a_store_that_is_a_file_says_it_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BlobStoreFailed, match="could not write"):
        BlobStore(str(tmp_path / "file")).put("default/a", b"x")


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
