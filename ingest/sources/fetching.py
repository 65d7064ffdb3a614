"""Getting what is not a local file onto this machine's disk, for as long as it takes to read it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from ingest.errors import MediaEmpty, SourceUnavailable, SourceUnsupported
from ingest.media.check import displayed_name
from ingest.originals import folder_prefix
from ingest.sources.addresses import AddressPolicy
from ingest.sources.http import read_web
from ingest.sources.limits import FetchLimits, too_many_bytes
from ingest.sources.naming import ObjectUrl, StandardInput, WebUrl
from ingest.sources.objects import read_object
from ingest.sources.playlists import HEAD_BYTES, check_head_not_live
from ingest.sources.time_cap import Cutoff, within

_BLOCK_BYTES = 1 << 20

Fetchable = WebUrl | ObjectUrl | StandardInput


@contextmanager
def fetched(
    source: Fetchable,
    limits: FetchLimits,
    folder: Path | None = None,
    policy: AddressPolicy | None = None,
) -> Iterator[Path]:
    """Write the content into a private folder, and delete it at the end of the block.

    That folder is made in `folder`, by default where temporary files go. Raises LiveSource,
    SourceUnsupported, SourceForbidden, SourceTimedOut, TooManyBytes, MediaEmpty;
    SourceUnavailable also where this machine can't keep the content.
    """
    policy = policy or AddressPolicy(allow_private=limits.allow_private)
    name = displayed_name(source.shown)
    # What is piped in comes as fast as the command that makes it.
    timeout_s = None if isinstance(source, StandardInput) else limits.timeout_s

    def fetch(path: Path, cutoff: Cutoff) -> None:
        _store(_blocks(source, limits, policy, cutoff), path, source.shown, limits, cutoff)

    with ExitStack() as stack:
        try:
            private = stack.enter_context(_private_folder(folder))
            path = Path(private) / "content"
            late = f"{name}: not fetched within {limits.timeout_s:.0f} s."
            within(timeout_s, partial(fetch, path), late)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise SourceUnavailable(
                f"{name}: can't be kept on this machine ({reason}).",
                "Make room where temporary files go, or set TMPDIR to a folder that has some.",
            ) from error
        yield path


def _private_folder(folder: Path | None) -> tempfile.TemporaryDirectory[str]:
    # What can't be deleted now, `remove_leftovers` deletes later: it fails no video.
    return tempfile.TemporaryDirectory(
        prefix=folder_prefix(), dir=folder, ignore_cleanup_errors=True
    )


def _blocks(
    source: Fetchable, limits: FetchLimits, policy: AddressPolicy, cutoff: Cutoff
) -> Generator[bytes]:
    match source:
        case WebUrl():
            return read_web(source, limits, policy, cutoff)
        case ObjectUrl():
            return read_object(source, limits)
        case StandardInput():
            return _read_descriptor(source)


def _store(
    blocks: Generator[bytes], path: Path, shown: str, limits: FetchLimits, cutoff: Cutoff
) -> None:
    size_bytes, head = 0, b""
    with closing(blocks), path.open("wb") as handle:
        for block in blocks:
            if cutoff.is_past:
                return
            if len(head) < HEAD_BYTES:
                # With every block: a stream has no end to wait for, and may begin in small pieces.
                head += block[:HEAD_BYTES]
                check_head_not_live(head, shown)
            size_bytes += len(block)
            if size_bytes > limits.max_bytes:
                raise too_many_bytes(displayed_name(shown), limits)
            handle.write(block)
    if not size_bytes:
        raise MediaEmpty(f"{displayed_name(shown)}: no content.", "Check where it comes from.")


def _read_descriptor(source: StandardInput) -> Generator[bytes]:
    """Read past Python's own buffer, whose lock a thread that is left behind would keep."""
    if source.descriptor == 0 and sys.stdin is None:
        raise SourceUnavailable("standard input: it is closed.", "Pipe a video into the command.")
    if os.isatty(source.descriptor):
        raise SourceUnsupported(
            "standard input: it is a terminal.", "Pipe a video into the command."
        )
    try:
        while block := os.read(source.descriptor, _BLOCK_BYTES):
            yield block
    except OSError as error:
        raise SourceUnavailable(
            f"standard input: {error.strerror or error}.", "Pipe a video into the command."
        ) from error
