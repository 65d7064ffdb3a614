"""The data folder: where everything of one installation lies, and who may work in it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clipwarden.errors import DataFolderInUse, DataFolderUnusable
from ingest.database import sqlite_url


@dataclass(frozen=True)
class DataFolder:
    """Paths in a data folder."""

    root: Path

    @property
    def database(self) -> Path:
        """The default database's file."""
        return self.root / "clipwarden.db"

    @property
    def database_url(self) -> str:
        """The default database."""
        return sqlite_url(self.database)

    @property
    def blobs(self) -> Path:
        """The default blob store's folder."""
        return self.root / "blobs"

    @property
    def blob_url(self) -> str:
        """The default blob store."""
        return str(self.blobs)

    @property
    def queue_folder(self) -> Path:
        """Where the embedded queue server keeps its append-only file."""
        return self.root / "queue"

    @property
    def logs(self) -> Path:
        """One log file per process role."""
        return self.root / "logs"

    @property
    def reports(self) -> Path:
        """HTML reports, one per run."""
        return self.root / "reports"

    @property
    def socket_folder(self) -> Path:
        """A short path outside the data folder: socket paths over about 100 bytes fail."""
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()).absolute()
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return base / f"clipwarden-{os.getuid()}-{digest}"

    @classmethod
    def prepare(cls, root: Path) -> DataFolder:
        """Make what is missing, for its owner alone; raises DataFolderUnusable.

        A root that is there already may be anybody's and keeps its mode: it may be a home folder
        or one that is shared. What we keep inside it is private all the same.
        """
        try:
            folder = cls(root.expanduser().resolve())
        # What pathlib raises without a home folder, and for links that run in a circle.
        except (OSError, RuntimeError) as error:
            raise _unusable(root, error) from error
        _make_folder(folder.root)
        for path in (folder.blobs, folder.queue_folder, folder.logs, folder.reports):
            _make_folder(path)
            _close_to_others(path)
        try:
            # SQLite gives the files beside the database the mode of the database.
            with suppress(FileExistsError):
                folder.database.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise _unusable(folder.database, error) from error
        return folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that works here; raises DataFolderInUse, DataFolderUnusable.

        The kernel lets go of the lock when this process ends, however it ends.
        """
        path = self.root / "lock"
        try:
            # Not truncated: a refused second process must not wipe out the holder's id.
            # Not followed: where others may write, a link would have us write elsewhere.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        with os.fdopen(descriptor, "r+b") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = handle.read(32).strip()
                name = holder.decode() if holder.isdigit() else "unknown"
                raise DataFolderInUse(
                    f"the data folder {self.root} is in use by process {name}.",
                    "Wait for it to end, or give this run a folder of its own with --data DIR.",
                ) from error
            except OSError as error:
                raise _unusable(path, error) from error
            handle.truncate(0)
            handle.write(b"%d\n" % os.getpid())
            handle.flush()
            yield
            handle.truncate(0)


def _make_folder(path: Path) -> None:
    """Make a folder that only its owner enters, or find one that we may work in."""
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700, parents=True)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder")
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it may not be read or written")
    except OSError as error:
        raise _unusable(path, error) from error


def _close_to_others(path: Path) -> None:
    """Make an older folder of ours private; where it links to is the user's own affair."""
    status = path.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if ours and status.st_mode & 0o077:
        # Some filesystems know no modes.
        with suppress(PermissionError):
            path.chmod(0o700)


def _unusable(path: Path, error: Exception) -> DataFolderUnusable:
    reason = getattr(error, "strerror", None) or error
    return DataFolderUnusable(
        f"{path} can't be used: {reason}.",
        "Mend that, or choose another data folder with --data DIR.",
    )
