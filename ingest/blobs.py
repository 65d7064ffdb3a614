"""The blob store: everything that was computed, as bytes under keys, on any fsspec filesystem."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from ingest.errors import BlobCorrupt, BlobMissing, BlobStoreFailed

_KEY = re.compile(r"[a-z0-9_.-]+(/[a-z0-9_.-]+)*")


@dataclass(frozen=True)
class BlobRef:
    """Where a blob lies and what it must hash to."""

    key: str
    sha256: str


class BlobStore:
    """Bytes by key; a reader sees a whole blob or none."""

    def __init__(self, url: str) -> None:
        """Open the store at a local path or any URL fsspec knows, such as `s3://bucket/prefix`."""
        filesystem, root = fsspec.core.url_to_fs(url)
        self._filesystem: AbstractFileSystem = filesystem
        self._root = str(root).rstrip("/")

    def put(self, key: str, content: bytes) -> BlobRef:
        """Write a blob, replacing one of the same key; raises BlobStoreFailed."""
        path = self._path(key)
        try:
            if isinstance(self._filesystem, LocalFileSystem):
                _write_durably(Path(path), content)
            else:
                self._filesystem.pipe_file(path, content)
        except OSError as error:
            raise BlobStoreFailed(
                f"could not write {key!r} to the blob store: {error.strerror or error}.",
                "Check that the store has space left and may be written to.",
            ) from error
        return BlobRef(key, hashlib.sha256(content).hexdigest())

    def get(self, ref: BlobRef) -> bytes:
        """Read a blob and check it; raises BlobMissing, BlobCorrupt, BlobStoreFailed."""
        content = self.read(ref.key)
        found = hashlib.sha256(content).hexdigest()
        if found != ref.sha256:
            raise BlobCorrupt(
                f"blob {ref.key!r} has hash {found[:12]} where {ref.sha256[:12]} was written.",
                "The store was damaged or changed by hand; analyse the video again.",
            )
        return content

    def read(self, key: str) -> bytes:
        """Read a blob whose key already names its content; raises BlobMissing, BlobStoreFailed."""
        try:
            content = self._filesystem.cat_file(self._path(key))
        except FileNotFoundError as error:
            raise BlobMissing(
                f"blob {key!r} is not in the store.",
                "It was deleted, or this process looks at another store than the one that wrote.",
            ) from error
        except OSError as error:
            raise BlobStoreFailed(
                f"could not read {key!r} from the blob store: {error.strerror or error}.",
                "Check the store's address and rights.",
            ) from error
        return bytes(content)

    def exists(self, key: str) -> bool:
        """Say whether a blob of that key is there."""
        return bool(self._filesystem.isfile(self._path(key)))

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        try:
            self._filesystem.rm_file(self._path(key))
        except FileNotFoundError:
            return
        except OSError as error:
            raise BlobStoreFailed(
                f"could not delete {key!r} from the blob store: {error.strerror or error}.",
                "Check that the store may be written to.",
            ) from error

    def delete_tree(self, prefix: str) -> None:
        """Remove every blob whose key begins with `prefix/`; none is no error."""
        try:
            self._filesystem.rm(self._path(prefix), recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise BlobStoreFailed(
                f"could not delete {prefix!r} from the blob store: {error.strerror or error}.",
                "Check that the store may be written to.",
            ) from error

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key) or ".." in key:
            raise ValueError(f"{key!r} is no blob key")
        return f"{self._root}/{key}"


def _write_durably(path: Path, content: bytes) -> None:
    """Write beside the final name, flush, rename: a crash leaves the old blob or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
