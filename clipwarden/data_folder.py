"""The data folder: where everything of one installation lies, and who may work in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clipwarden.errors import DataFolderInUse, DataFolderUnusable
from ingest.database import sqlite_url


@dataclass(frozen=True)
class DataFolder:
    """Paths in a data folder."""

    root: Path

    @property
    def database_url(self) -> str:
        """The default database."""
        return sqlite_url(self.root / "clipwarden.db")

    @property
    def blob_url(self) -> str:
        """The default blob store."""
        return str(self.root / "blobs")

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
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return base / f"clipwarden-{os.getuid()}-{digest}"

    @classmethod
    def prepare(cls, root: Path) -> DataFolder:
        """Make the folder where it is missing; raises DataFolderUnusable."""
        folder = cls(root.expanduser().resolve())
        for path in (folder.root, folder.logs, folder.reports, folder.queue_folder):
            make_private(path)
        return folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only process that works here; raises DataFolderInUse.

        The kernel lets go of the lock when this process ends, however it ends.
        """
        # Append, not write: a refused second process must not wipe out the holder's id.
        with (self.root / "lock").open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                handle.seek(0)
                holder = handle.read(32).strip() or "unknown"
                raise DataFolderInUse(
                    f"the data folder {self.root} is in use by process {holder}.",
                    "Wait for it to end, or give this run a folder of its own with --data DIR.",
                ) from error
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            yield
            handle.truncate(0)


def make_private(path: Path) -> None:
    """Make a folder that only its owner enters, and refuse one that somebody else made."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, "not a folder")
        if status.st_uid != os.getuid():
            raise PermissionError(13, "it belongs to another user")
        path.chmod(0o700)
    except OSError as error:
        raise DataFolderUnusable(
            f"{path} can't be used: {error.strerror or error}.",
            "Choose another data folder with --data DIR.",
        ) from error
