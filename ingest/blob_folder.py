"""A blob store in a local folder: write beside the final name, flush, rename."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ingest.errors import (
    BlobError,
    BlobMissing,
    BlobStoreFailed,
    BlobStoreFull,
    BlobStoreUnavailable,
)

# What a killed writer leaves behind; never a blob.
PARTIAL_SUFFIX = ".tmp"

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Of a disk or a network share that is away, or a process that has too many files open.
_PASSING = frozenset(
    {
        errno.EIO,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENODEV,
        errno.ENXIO,
        errno.EBUSY,
        errno.EMFILE,
        errno.ENFILE,
        # A folder that another process deleted while we wrote into it.
        errno.ENOENT,
        errno.ENOTEMPTY,
    }
)

# Whoever deletes the last blob of a folder removes the folder: a writer may have to make it anew.
_FOLDER_ATTEMPTS = 20


class FolderBlobs:
    """Blobs as files; see BlobStore for the meaning of its methods."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made when something is written."""
        self._root = root

    def write(self, key: str, pieces: Iterator[bytes]) -> None:
        """Write beside the final name, flush, rename: a crash leaves the old blob or the new."""
        path = self._root / key
        with _naming(f"could not write {key!r} to the blob store"):
            temporary, handle = _open_beside(path)
            try:
                with handle:
                    for piece in pieces:
                        handle.write(piece)
                    handle.flush()
                    os.fsync(handle.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            _flush_folder(path.parent)

    def read(self, key: str) -> bytes:
        """Return a blob's bytes; raises BlobMissing."""
        with _naming_missing(key):
            return (self._root / key).read_bytes()

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield a blob in pieces of at most `size` bytes; raises BlobMissing."""
        with _naming_missing(key):
            handle = (self._root / key).open("rb")
        with handle:
            while True:
                with _naming_missing(key):
                    piece = handle.read(size)
                if not piece:
                    return
                yield piece

    def exists(self, key: str) -> bool:
        """Say whether there is a blob of that key."""
        with _naming(f"could not look for {key!r} in the blob store"):
            return (self._root / key).is_file()

    def delete(self, key: str) -> None:
        """Remove a blob, if it is there, and the folders that it leaves empty."""
        path = self._root / key
        with _naming(f"could not delete {key!r} from the blob store"):
            path.unlink(missing_ok=True)
        self._prune(path.parent)

    def delete_tree(self, prefix: str) -> None:
        """Remove all blobs under a prefix, and what killed writers left there."""
        path = self._root / prefix
        with _naming(f"could not delete {prefix!r} from the blob store"):
            if path.is_dir():
                _remove_tree(path)
        self._prune(path.parent)

    def children(self, prefix: str) -> list[str]:
        """List the names directly under a prefix, but for what killed writers left."""
        with _naming(f"could not list {prefix!r} in the blob store"):
            try:
                names = [path.name for path in (self._root / prefix).iterdir()]
            except (FileNotFoundError, NotADirectoryError):
                names = []
        return [name for name in names if not name.endswith(PARTIAL_SUFFIX)]

    def local_path(self, key: str) -> Path | None:
        """Return the blob's file; raises BlobMissing."""
        if not self.exists(key):
            raise blob_missing(key)
        return self._root / key

    def check(self) -> None:
        """Raise unless the folder is there, or can be made, and may be written to."""
        with _naming(f"the blob store {self._root} can't be used"):
            self._root.mkdir(parents=True, exist_ok=True)
            if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            next(self._root.iterdir(), None)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def sweep_partial(self, older_than_s: float) -> int:
        """Delete what killed writers left and nobody has written to for so long; says how many."""
        swept, before = 0, time.time() - older_than_s
        with _naming("could not look for what killed writers left in the blob store"):
            for folder, _, names in os.walk(self._root):
                for path in (Path(folder, one) for one in names if one.endswith(PARTIAL_SUFFIX)):
                    # A writer that is done has renamed it.
                    with suppress(FileNotFoundError):
                        if path.lstat().st_mtime < before:
                            path.unlink()
                            swept += 1
        return swept

    def _prune(self, folder: Path) -> None:
        # Else a year of videos leaves a million empty folders.
        with suppress(OSError):
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent


def blob_missing(key: str) -> BlobMissing:
    """The error of a key under which nothing lies."""
    return BlobMissing(
        f"blob {key!r} is not in the store.",
        "It was deleted, or this process looks at another store than the one that wrote.",
    )


def name_os_error(error: OSError, what: str) -> BlobError:
    """The error of ours for a failed system call; `what` says what could not be done."""
    message = f"{what}: {error.strerror or error}."
    if error.errno in _NO_ROOM:
        return BlobStoreFull(message, "Make room on that disk, or raise its quota.")
    if error.errno in _PASSING:
        return BlobStoreUnavailable(message, "Check the disk or network share that holds it.")
    return BlobStoreFailed(message, "Check the store's address, and that its rights let us write.")


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise name_os_error(error, what) from error


@contextmanager
def _naming_missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise blob_missing(key) from error
    except OSError as error:
        raise name_os_error(error, f"could not read {key!r} from the blob store") from error


def _open_beside(path: Path) -> tuple[Path, BinaryIO]:
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    for _ in range(_FOLDER_ATTEMPTS):
        # It exists, says the first call within, and is gone by the second.
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return temporary, temporary.open("xb")
    path.parent.mkdir(parents=True, exist_ok=True)
    return temporary, temporary.open("xb")


def _flush_folder(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    # Gone again if somebody has deleted the blob by now.
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_tree(path: Path) -> None:
    """Remove a folder while others may write into it or remove it too."""
    for _ in range(_FOLDER_ATTEMPTS):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            if not path.exists():
                return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        else:
            return
    shutil.rmtree(path)
