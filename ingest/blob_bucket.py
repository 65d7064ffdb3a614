"""A blob store in an S3-compatible bucket: one PUT per blob, no rename, no cached listings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Self

from ingest.blob_folder import blob_missing
from ingest.errors import BlobError, BlobStoreFailed, BlobStoreFull, BlobStoreUnavailable

_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 10
_ATTEMPTS = 3
# Neither timeout ends a write to a peer that has ceased to read.
_CALL_TIMEOUT_S = 30.0
_SLOWEST_BYTES_PER_S = 512 * 1024
_CHECK_TIMEOUT_S = 5.0

# The most that one request may name.
_DELETE_BATCH = 1000

# Error codes beside the HTTP statuses; the last three are MinIO's and Ceph's.
_BUSY_CODES = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout"})
_FULL_CODES = ("StorageFull", "QuotaExceeded", "InsufficientCapacity")
_HTTP_NO_ROOM = 507
_HTTP_SERVER_ERROR = 500
_HTTP_TOO_MANY_REQUESTS = 429


class BucketBlobs:
    """Blobs as objects; see BlobStore for the meaning of its methods."""

    def __init__(self, filesystem: Any, root: str) -> None:
        """Hold an s3fs filesystem, and `bucket/prefix` without a slash at the end."""
        self._filesystem = filesystem
        self._root = root

    @classmethod
    def open(cls, root: str) -> Self:
        """Prepare the access to `bucket/prefix`; raises BlobStoreFailed without the extra `s3`."""
        try:
            from s3fs import S3FileSystem
        except ImportError as error:
            raise BlobStoreFailed(
                "a blob store in a bucket needs s3fs, which is not installed.",
                "Install it: pip install 'clipwarden[s3]'",
            ) from error
        if not root.strip("/"):
            raise BlobStoreFailed("s3:// names no bucket.", "Write s3://bucket/prefix.")
        filesystem = S3FileSystem(
            # One that is shared between stores could not be closed with one of them.
            skip_instance_cache=True,
            use_listings_cache=False,
            # Reading is then one request, not one for the size and one for the content.
            max_concurrency=1,
            config_kwargs={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "read_timeout": _READ_TIMEOUT_S,
                "retries": {"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            },
        )
        # Else its own attempts, around those of botocore, make minutes of an outage.
        filesystem.retries = 1
        return cls(filesystem, root.strip("/"))

    def write(self, key: str, pieces: Iterator[bytes]) -> None:
        """Write in one request, or in parts that appear together once the last is there."""
        first, second = next(pieces, b""), next(pieces, None)
        with self._naming(f"could not write {key!r} to the blob store"):
            if second is None:
                self._call("put_object", key, Body=first)
            else:
                self._write_parts(key, chain([first, second], pieces))

    def read(self, key: str) -> bytes:
        """Return a blob's bytes; raises BlobMissing."""
        with self._naming(f"could not read {key!r} from the blob store", missing=key):
            return bytes(self._filesystem.cat_file(self._path(key)))

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield a blob in pieces of at most `size` bytes; raises BlobMissing."""
        what = f"could not read {key!r} from the blob store"
        with self._naming(what, missing=key):
            # Unlike a HEAD request it tells a missing blob from a missing bucket.
            total = self._filesystem.info(self._path(key))["size"]
        for start in range(0, total, size):
            with self._naming(what, missing=key):
                # The end is exclusive.
                piece = self._filesystem.cat_file(self._path(key), start=start, end=start + size)
            yield bytes(piece)

    def exists(self, key: str) -> bool:
        """Say whether there is a blob of that key."""
        with self._naming(f"could not look for {key!r} in the blob store"):
            try:
                # Unlike `isfile`, which says no when the store does not answer.
                return bool(self._filesystem.info(self._path(key))["type"] == "file")
            except FileNotFoundError as error:
                if _lacks_bucket(error):
                    raise
                return False

    def delete(self, key: str) -> None:
        """Remove a blob, if it is there."""
        with self._naming(f"could not delete {key!r} from the blob store"):
            self._call("delete_object", key)

    def delete_tree(self, prefix: str) -> None:
        """Remove all blobs under a prefix."""
        what = f"could not delete {prefix!r} from the blob store"
        with self._naming(what):
            inside = f"{self._path(prefix)}/"
            paths = [path for path in self._filesystem.find(inside) if path.startswith(inside)]
            for start in range(0, len(paths), _DELETE_BATCH):
                names = [self._split(path)[1] for path in paths[start : start + _DELETE_BATCH]]
                objects = {"Objects": [{"Key": name} for name in names], "Quiet": True}
                answer = self._call("delete_objects", None, Delete=objects)
                # The request as a whole succeeds even where none of them was deleted.
                if refused := answer.get("Errors"):
                    raise BlobStoreFailed(
                        f"{what}: {len(refused)} were refused, the first with "
                        f"{refused[0].get('Code')}: {refused[0].get('Message')}.",
                        "Check that the credentials may delete, and that nothing locks objects.",
                    )

    def children(self, prefix: str) -> list[str]:
        """List the names directly under a prefix."""
        path = self._path(prefix) if prefix else self._root
        with self._naming(f"could not list {prefix!r} in the blob store"):
            try:
                found = self._filesystem.ls(path, detail=False, refresh=True)
            except FileNotFoundError as error:
                if _lacks_bucket(error):
                    raise
                return []
        inside = f"{path}/"
        names = {name.removeprefix(inside).strip("/") for name in found if name.startswith(inside)}
        return list(names - {""})

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002 - as the folder's
        """Return None: an object is no file."""
        return None

    def check(self) -> None:
        """Raise unless the bucket answers within a few seconds and may be listed."""
        with self._naming(f"the blob store s3://{self._root} can't be used"):
            bucket, prefix, _ = self._filesystem.split_path(f"{self._root}/")
            self._filesystem.call_s3(
                "list_objects_v2",
                Bucket=bucket,
                Prefix=prefix,
                MaxKeys=1,
                timeout=_CHECK_TIMEOUT_S,
            )

    def sweep_partial(self, older_than_s: float) -> int:  # noqa: ARG002 - of the protocol
        """Do nothing: a lifecycle rule of the bucket must abort incomplete multipart uploads."""
        return 0

    def close(self) -> None:
        """Close the connections."""
        if self._filesystem._s3 is not None:
            self._filesystem.close_session(self._filesystem.loop, self._filesystem._s3creator)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _split(self, path: str) -> tuple[str, str]:
        bucket, name, _ = self._filesystem.split_path(path)
        return bucket, name

    def _call(self, method: str, key: str | None, **arguments: Any) -> Any:
        """One request about an object, or about the bucket where the key is None."""
        bucket, name = self._split(self._path(key or ""))
        if key is not None:
            arguments["Key"] = name
        limit_s = _CALL_TIMEOUT_S + len(arguments.get("Body", b"")) / _SLOWEST_BYTES_PER_S
        return self._filesystem.call_s3(method, Bucket=bucket, timeout=limit_s, **arguments)

    def _write_parts(self, key: str, pieces: Iterator[bytes]) -> None:
        upload = self._call("create_multipart_upload", key)["UploadId"]
        try:
            parts = []
            for number, piece in enumerate(pieces, start=1):
                part = self._call(
                    "upload_part", key, UploadId=upload, PartNumber=number, Body=piece
                )
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
            self._call(
                "complete_multipart_upload",
                key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except BaseException:
            # Parts of an upload that never ends are invisible, but cost money.
            with suppress(*_foreign_errors()):
                self._call("abort_multipart_upload", key, UploadId=upload)
            raise

    @contextmanager
    def _naming(self, what: str, missing: str | None = None) -> Iterator[None]:
        try:
            yield
        except _foreign_errors() as error:
            is_missing = isinstance(error, FileNotFoundError) and not _lacks_bucket(error)
            if missing is not None and is_missing:
                raise blob_missing(missing) from error
            raise _named(error, what) from error


def _foreign_errors() -> tuple[type[Exception], ...]:
    """What s3fs raises: OSError where it knew the S3 error code, else what lies below it."""
    from aiohttp import ClientError as TransportError
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    # ValueError: an endpoint that is no URL.
    return OSError, TransportError, BotoCoreError, ClientError, ResponseParserError, ValueError


def _named(error: Exception, what: str) -> BlobError:
    code, status = _answer(error)
    detail = " ".join(str(error).split()).rstrip(".") or "no answer in time"
    message = f"{what}: {detail}."
    if status == _HTTP_NO_ROOM or code.endswith(_FULL_CODES):
        return BlobStoreFull(message, "Make room in the object store, or raise the quota.")
    if (
        status >= _HTTP_SERVER_ERROR
        or status == _HTTP_TOO_MANY_REQUESTS
        or code in _BUSY_CODES
        or (not code and _is_outage(error))
    ):
        return BlobStoreUnavailable(
            message, "Check that the object store runs and that AWS_ENDPOINT_URL leads to it."
        )
    return BlobStoreFailed(
        message,
        "Check bucket, region and credentials; listing, reading, writing and deleting must be "
        "allowed.",
    )


def _answer(error: BaseException | None) -> tuple[str, int]:
    """The S3 error code and HTTP status behind an error; empty and 0 where nothing was answered."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            code = str(response.get("Error", {}).get("Code", ""))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return code, int(status)
        error = error.__cause__
    return "", 0


def _lacks_bucket(error: Exception) -> bool:
    return _answer(error)[0] == "NoSuchBucket"


def _is_outage(error: Exception) -> bool:
    from aiohttp import ClientError as TransportError
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return False
    outages = (
        TimeoutError,
        ConnectionError,
        TransportError,
        # A proxy's page where the store's XML is expected.
        ResponseParserError,
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
    )
    return isinstance(error, outages)
