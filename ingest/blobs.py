"""The blob store: everything that was computed, as bytes under keys, in a folder or a bucket."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.blob_bucket import BucketBlobs
from ingest.blob_folder import PARTIAL_SUFFIX, FolderBlobs, name_os_error
from ingest.errors import BlobCorrupt, BlobStoreFailed, MediaChanged, MediaNotFound

_SEGMENT = r"[a-z0-9_-][a-z0-9_.-]*"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")
_SCHEME = re.compile(r"([a-z0-9+.-]+)://", re.IGNORECASE)

# Files of many gigabytes pass through memory in pieces of this size; a bucket takes 10 000 of them.
_PIECE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class BlobRef:
    """Where a blob lies and what it must hash to."""

    key: str
    sha256: str


class Blobs(Protocol):
    """What a kind of store must do; each call raises BlobError and nothing else."""

    def write(self, key: str, pieces: Iterator[bytes]) -> None:
        """Make a blob of all pieces; where the iterator raises, nothing is stored."""

    def read(self, key: str) -> bytes:
        """Return a blob's bytes."""

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield a blob in pieces of at most `size` bytes."""

    def exists(self, key: str) -> bool:
        """Say whether there is a blob of that key."""

    def delete(self, key: str) -> None:
        """Remove a blob, if it is there."""

    def delete_tree(self, prefix: str) -> None:
        """Remove all blobs under a prefix."""

    def children(self, prefix: str) -> list[str]:
        """List the names directly under a prefix; an empty prefix is the store itself."""

    def local_path(self, key: str) -> Path | None:
        """Return the blob as a file, where it is one."""

    def sweep_partial(self, older_than_s: float) -> int:
        """Delete what killed writers left; returns how many."""

    def check(self) -> None:
        """Raise unless the store answers."""

    def close(self) -> None:
        """Give back connections."""


class BlobStore:
    """Bytes by key; a reader sees a whole blob or none. Safe for use from several threads.

    Every method raises BlobStoreUnavailable where the store does not answer and BlobStoreFailed
    where it refuses; those that write raise BlobStoreFull where there is no room left.
    """

    def __init__(self, url: str) -> None:
        """Open the store at a local path, a `file://` URL or `s3://bucket/prefix`.

        Nothing is read yet. Raises BlobStoreFailed for other addresses, and for a bucket without
        the extra `s3`. A bucket's credentials and endpoint come from the environment.
        """
        self._blobs = _open(url)

    def put(self, key: str, content: bytes) -> BlobRef:
        """Write a blob, replacing one of the same key."""
        self._blobs.write(_checked(key), iter([content]))
        return BlobRef(key, hashlib.sha256(content).hexdigest())

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> BlobRef:
        """Copy a local file of any size into the store, hashing it as it is read.

        Where `sha256` is given and the file is found to be another, nothing is stored. Raises
        MediaNotFound where the file can't be read, MediaChanged where it is another.
        """
        digest = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            yield from _file_pieces(path, digest)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise MediaChanged(f"{path} changed while it was copied.", "Submit it again.")

        self._blobs.write(_checked(key), pieces())
        return BlobRef(key, digest.hexdigest())

    def get(self, ref: BlobRef) -> bytes:
        """Read a blob and check it; raises BlobMissing, BlobCorrupt."""
        content = self.read(ref.key)
        _check_hash(ref, hashlib.sha256(content).hexdigest())
        return content

    def read(self, key: str) -> bytes:
        """Read a blob whose key already names its content; raises BlobMissing."""
        return self._blobs.read(_checked(key))

    def fetch(self, ref: BlobRef, folder: Path) -> Path:
        """Copy a blob into a local folder, check it, and return the file, named as the key ends.

        Raises BlobMissing, BlobCorrupt; BlobStoreFull also where the local folder is full.
        """
        target = folder / _checked(ref.key).rpartition("/")[2]
        digest = hashlib.sha256()
        try:
            with target.open("wb") as handle:
                for piece in self._blobs.pieces(ref.key, _PIECE_BYTES):
                    digest.update(piece)
                    handle.write(piece)
            _check_hash(ref, digest.hexdigest())
        except OSError as error:
            target.unlink(missing_ok=True)
            raise name_os_error(error, f"could not copy {ref.key!r} to {folder}") from error
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target

    def local_path(self, key: str) -> Path | None:
        """Return the file that a blob is; None where the store is no folder; or BlobMissing."""
        return self._blobs.local_path(_checked(key))

    def exists(self, key: str) -> bool:
        """Say whether a blob of that key is there."""
        return self._blobs.exists(_checked(key))

    def children(self, prefix: str) -> list[str]:
        """List the names directly under a prefix, folders and blobs, sorted; `""` is the top.

        Always asks the store. A folder that lost its last blob may still be listed.
        """
        return sorted(self._blobs.children(_checked(prefix) if prefix else ""))

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        self._blobs.delete(_checked(key))

    def delete_tree(self, prefix: str) -> None:
        """Remove every blob whose key begins with `prefix/`; none is no error."""
        self._blobs.delete_tree(_checked(prefix))

    def sweep_partial(self, older_than_s: float) -> int:
        """Delete what killed writers left of blobs in a folder so long ago; returns how many.

        A bucket's own lifecycle rule must abort its incomplete multipart uploads.
        """
        return self._blobs.sweep_partial(older_than_s)

    def check(self) -> None:
        """Raise unless the store answers within a few seconds and lets us list it."""
        self._blobs.check()

    def close(self) -> None:
        """Give back connections."""
        self._blobs.close()


def _open(url: str) -> Blobs:
    scheme = _SCHEME.match(url)
    if scheme is None:
        return FolderBlobs(Path(url).absolute())
    rest = url[scheme.end() :]
    match scheme[1].lower():
        case "file" if rest.startswith("/"):
            return FolderBlobs(Path(rest))
        case "s3":
            return BucketBlobs.open(rest)
        case _:
            raise BlobStoreFailed(
                f"{scheme[1]}:// addresses no blob store that is supported.",
                "Give a folder, or s3://bucket/prefix.",
            )


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key) or ".." in key or key.endswith(PARTIAL_SUFFIX):
        raise ValueError(f"{key!r} is no blob key")
    return key


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def _file_pieces(path: Path, digest: _Hash) -> Iterator[bytes]:
    # Named here: to the store that consumes the pieces it would look like an error of its own.
    try:
        with path.open("rb") as handle:
            while piece := handle.read(_PIECE_BYTES):
                digest.update(piece)
                yield piece
    except OSError as error:
        raise MediaNotFound(
            f"{path} can't be read: {error.strerror or error}.", "Check its name and rights."
        ) from error


def _check_hash(ref: BlobRef, found: str) -> None:
    if found != ref.sha256:
        raise BlobCorrupt(
            f"blob {ref.key!r} has hash {found[:12]} where {ref.sha256[:12]} was written.",
            "The store was damaged or changed by hand; analyse the video again.",
        )
