"""The file behind a work: where somebody left it on this host, or its copy in the blob store."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import psutil
import structlog

from ingest.blobs import BlobRef
from ingest.claiming import require_blobs_for_missing
from ingest.errors import BlobMissing, MediaChanged, MediaError, MediaNotFound
from ingest.identity import FileIdentity, identify
from ingest.media.check import displayed_name
from ingest.queue.payloads import Work
from ingest.stores import Stores
from ingest.tables import Media, Submission

_log = structlog.get_logger("clipwarden.originals")


@dataclass(frozen=True)
class Original:
    """A readable file of the right content, and what its submitter calls it."""

    path: Path
    source: str
    identity: FileIdentity

    def check_unchanged(self) -> None:
        """Raise MediaChanged where the file is another than it was when it was opened.

        Results are kept under the content's hash: a file that was replaced while it was being
        decoded must not pass for what it was before.
        """
        if not self.identity.still_holds(self.path):
            raise _changed(self.source)


@contextmanager
def open_original(
    stores: Stores, work: Work, wanting: Sequence[Submission], host: str
) -> Iterator[Original]:
    """Find the media of a work; raises MediaNotFound, MediaChanged where nobody has it any more.

    One who changed or deleted his own file does no harm to others who submitted the same.
    """
    with stores.database.read() as session:
        media = session.get(Media, (work.tenant, work.media_sha256))
        blob_key = None if media is None else media.blob_key
    with ExitStack() as stack:
        copy = None if blob_key is None else _copy(stores, blob_key, work, stack)
        if copy is None:
            yield _in_place(work, wanting, host)
        else:
            yield _identified(copy, wanting[0].source, work)


def remove_leftovers() -> None:
    """Delete the copies that killed processes of this user had fetched to this machine's disk.

    To be called before this process opens its first original, or fetches anything else.
    """
    root, name = Path(tempfile.gettempdir()), re.compile(rf"{re.escape(_host_prefix())}(\d+)-\w+")
    for folder in root.iterdir():
        match = name.fullmatch(folder.name)
        if match is None or folder.is_symlink() or not folder.is_dir():
            continue
        pid = int(match[1])
        # One of our number had it before us: in containers, the one that was here last time.
        is_alive = pid != os.getpid() and psutil.pid_exists(pid)
        # Another process may be deleting it, too.
        with suppress(FileNotFoundError):
            if not is_alive and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
                _log.info("what a killed process had fetched was deleted", folder=folder.name)


def folder_prefix() -> str:
    """How the temporary folders of this process begin, so that `remove_leftovers` knows them."""
    return f"{_host_prefix()}{os.getpid()}-"


def _host_prefix() -> str:
    # By host: where several machines or containers share the folder, process ids say nothing.
    return f"clipwarden-{socket.gethostname()}-"


def _copy(stores: Stores, blob_key: str, work: Work, stack: ExitStack) -> Path | None:
    """The copy as a local file for as long as the stack is open; None where it was deleted.

    Raises BlobStoreUnavailable where it is missing with the whole store.
    """
    try:
        local = stores.blobs.local_path(blob_key)
        if local is not None:
            return local
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=folder_prefix()))
        return stores.blobs.fetch(BlobRef(blob_key, work.media_sha256), Path(folder))
    except BlobMissing:
        require_blobs_for_missing(blob_key, stores)
        return None


def _in_place(work: Work, wanting: Sequence[Submission], host: str) -> Original:
    name = displayed_name(wanting[0].source)
    failure: MediaError = MediaNotFound(
        f"{name}: its copy is no longer in the blob store."
        if all(row.location is None for row in wanting)
        else f"{name}: its file is not on this host ({host}).",
        "Submit it again; without --in-place its content is copied to where all hosts see it.",
    )
    for row in wanting:
        if row.location is None or row.host not in (None, host):
            continue
        try:
            return _identified(_local_path(row.location), row.source, work)
        except MediaError as error:
            failure = error
    raise failure


def _identified(path: Path, source: str, work: Work) -> Original:
    identity = identify(path, source)
    if identity.sha256 != work.media_sha256:
        raise _changed(source)
    return Original(path, source, identity)


def _local_path(location: str) -> Path:
    """Turn a file URL back into a path, whatever bytes its name is made of."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(location).path)))


def _changed(source: str) -> MediaChanged:
    return MediaChanged(
        f"{displayed_name(source)}: the file changed after it was submitted.",
        "Analyse it again once nothing writes to it any more.",
    )
