"""Opens an untrusted file by its path; imports no decoder, so any process may do it."""

from __future__ import annotations

import os
import stat

from ingest.errors import MediaEmpty, MediaError, MediaIsFolder, MediaNotFound, MediaUnreadable
from ingest.media.refusals import too_many_bytes
from ingest.media.wire import DecodeRequest


def open_file(request: DecodeRequest) -> int:
    """Open the file by its path, for reading, and return the descriptor.

    Raises MediaNotFound, MediaIsFolder, MediaEmpty, TooManyBytes, and MediaUnreadable for pipes
    and devices, none of which can make this wait.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(request.path, flags)
    except (OSError, ValueError) as error:
        raise _opening_error(error, request.source) from error
    try:
        _check(os.fstat(descriptor), request)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(status: os.stat_result, request: DecodeRequest) -> None:
    name = request.source
    if stat.S_ISDIR(status.st_mode):
        raise MediaIsFolder(f"{name}: a folder, not a file.", "Name the files in it.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaUnreadable(
            f"{name}: a pipe, socket or device, not a file.", "Store it as a file first."
        )
    if status.st_size == 0:
        raise MediaEmpty(f"{name}: an empty file.", "Copy or download it again.")
    if status.st_size > request.limits.max_bytes:
        raise too_many_bytes(request, status.st_size)


def _opening_error(error: OSError | ValueError, name: str) -> MediaError:
    match error:
        case FileNotFoundError():
            return MediaNotFound(f"{name}: no such file.", "Check the path.")
        case PermissionError():
            return MediaNotFound(f"{name}: may not be read.", "Give this user read permission.")
        case OSError():
            words = (error.strerror or type(error).__name__).lower()
            return MediaUnreadable(f"{name}: can't be opened ({words}).", "Name an ordinary file.")
        case _:
            return MediaNotFound(f"{name}: not a possible path.", "Check the path.")
