"""Reading an object that fsspec knows how to reach: one in a bucket, or on a named host."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ingest.errors import (
    MediaError,
    SourceError,
    SourceForbidden,
    SourceUnavailable,
    SourceUnsupported,
)
from ingest.media.check import displayed_name
from ingest.sources.limits import FetchLimits, too_many_bytes
from ingest.sources.naming import ObjectUrl

_BLOCK_BYTES = 1 << 20
_ATTEMPTS = 2

_STORES = {
    "s3": "clipwarden[s3]",
    "s3a": "clipwarden[s3]",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "oss": "ossfs",
    "oci": "ocifs",
    "tos": "tosfs",
}
"""Protocols that name a bucket rather than a host, with what installs them. Where their service
is, this machine's configuration says and not the address."""

# Nothing that a client could take for a server's address, a port or a part of an URL of its own.
_BUCKET_AND_KEY = re.compile(r"[a-z0-9]+://[\w.@-]+/.+", re.ASCII | re.DOTALL)

_HOSTS = {
    "ftp": "fsspec",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "webdav": "webdav4",
    "hdfs": "pyarrow",
    "webhdfs": "requests",
}
"""Protocols whose addresses name a host. Their clients resolve it themselves, so that nobody can
check the address they connect to: they need to be allowed everywhere."""


def read_object(url: ObjectUrl, limits: FetchLimits) -> Generator[bytes]:
    """Yield the content of an object, block by block.

    Credentials are the machine's own, as the protocol's package finds them. Everything else that
    fsspec knows is refused: local files, archives, caches and references lead elsewhere. Raises
    SourceUnsupported, SourceForbidden, SourceUnavailable, and TooManyBytes where the store says
    that it is larger than the limit.
    """
    name = displayed_name(url.shown)
    _check_protocol(url, name, limits)
    try:
        with _opened(url, limits) as (filesystem, path):
            size_bytes = _size_bytes(filesystem, path, name)
            if size_bytes > limits.max_bytes:
                raise too_many_bytes(name, limits, size_bytes)
            with filesystem.open(path, "rb") as handle:
                left = size_bytes
                while block := handle.read(_BLOCK_BYTES):
                    left -= len(block)
                    yield block
        if left > 0:
            raise SourceUnavailable(f"{name}: cut off before its end.", "Try again later.")
    except MediaError:
        raise
    except ImportError as error:
        package = (_STORES | _HOSTS)[url.protocol]
        raise SourceUnsupported(
            f"{name}: {url.protocol} needs a package that is not installed.",
            f"Install it: pip install '{package}'",
        ) from error
    except Exception as error:
        # Each protocol's client has errors of its own, with no base in common.
        raise _unavailable(name, error) from error


def _check_protocol(url: ObjectUrl, name: str, limits: FetchLimits) -> None:
    if url.protocol in _STORES:
        if _BUCKET_AND_KEY.fullmatch(url.url) is None:
            raise SourceUnsupported(
                f"{name}: not written as {url.protocol}://bucket/key.", "Check the address."
            )
        return
    if url.protocol not in _HOSTS:
        raise SourceUnsupported(
            f"{name}: we read nothing of the kind {url.protocol}.",
            "Give a local path, an http or https address, or an object such as s3://bucket/key.",
        )
    if not limits.allow_private:
        raise SourceForbidden(
            f"{name}: which address {url.protocol} connects to can't be checked, so it may lead "
            "into a private network.",
            "Use --allow-private if that is meant to be read.",
        )


@contextmanager
def _opened(url: ObjectUrl, limits: FetchLimits) -> Iterator[tuple[Any, str]]:
    """The filesystem of a URL, shared with nobody, and the path in it."""
    url_to_fs = import_module("fsspec.core").url_to_fs
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if url.protocol in ("s3", "s3a"):
        options["config_kwargs"] = {
            "connect_timeout": limits.connect_timeout_s,
            "read_timeout": limits.idle_timeout_s,
            "retries": {"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        }
    filesystem, path = url_to_fs(url.url, **options)
    try:
        yield filesystem, str(path)
    finally:
        # Only s3fs holds connections until the garbage collector comes by.
        if getattr(filesystem, "_s3", None) is not None:
            filesystem.close_session(filesystem.loop, filesystem._s3creator)


def _size_bytes(filesystem: Any, path: str, name: str) -> int:
    info = filesystem.info(path)
    if info["type"] != "file" or info["size"] is None:
        raise SourceUnavailable(f"{name}: a folder, not an object.", "Name an object in it.")
    return int(info["size"])


def _unavailable(name: str, error: Exception) -> SourceError:
    match error:
        case FileNotFoundError():
            what, cure = "there is no such object", "Check the address."
        case PermissionError():
            what, cure = "access is denied", "Give this machine the credentials to read it."
        case _:
            what = f"could not be read ({type(error).__name__})"
            cure = "Check the address and this machine's credentials, or try again later."
    return SourceUnavailable(f"{name}: {what}.", cure)
