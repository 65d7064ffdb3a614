"""A blob store in a bucket: named errors for a server that is gone, hangs, refuses or is full."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest.blobs import BlobRef, BlobStore
from ingest.errors import (
    BlobError,
    BlobStoreFailed,
    BlobStoreFull,
    BlobStoreUnavailable,
    Passing,
)
from tests.servers.process import free_port
from tests.servers.s3 import S3Server, use_s3

Use = Callable[[BlobStore, Path], object]

USES: dict[str, Use] = {
    "put": lambda blobs, _folder: blobs.put("default/a", b"x"),
    "put_file": lambda blobs, _folder: blobs.put_file("default/a", Path(__file__)),
    "read": lambda blobs, _folder: blobs.read("default/a"),
    "fetch": lambda blobs, folder: blobs.fetch(BlobRef("default/a", "0" * 64), folder),
    "exists": lambda blobs, _folder: blobs.exists("default/a"),
    "children": lambda blobs, _folder: blobs.children("default"),
    "delete": lambda blobs, _folder: blobs.delete("default/a"),
    "delete_tree": lambda blobs, _folder: blobs.delete_tree("default"),
    "check": lambda blobs, _folder: blobs.check(),
}


def outcomes(blobs: BlobStore, folder: Path) -> dict[str, str]:
    """The code of the error that each use ends with; all at once, as each waits for timeouts."""

    def outcome(use: Use) -> str:
        with pytest.raises(BlobError) as caught:
            use(blobs, folder)
        return caught.value.code

    with ThreadPoolExecutor(len(USES)) as threads:
        return dict(zip(USES, threads.map(outcome, USES.values()), strict=True))


class AnsweringServer:
    """A server that gives one answer to every request, as real stores give it."""

    def __init__(self, status: int, body: bytes, kind: str = "application/xml") -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def __getattr__(self, name: str) -> object:
                # It asks for a method of the request's own name.
                if name.startswith("do_"):
                    return self._answer
                raise AttributeError(name)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, bytes], BlobStore]]:
    """Open a store on a server that answers everything with one status and body."""
    opened: list[tuple[BlobStore, AnsweringServer]] = []

    def answer(status: int, body: bytes) -> BlobStore:
        server = AnsweringServer(status, body)
        use_s3(server.endpoint, monkeypatch)
        opened.append((BlobStore("s3://bucket/prefix"), server))
        return opened[-1][0]

    yield answer
    for blobs, server in opened:
        blobs.close()
        server.close()


@pytest.fixture
def wrong_bucket(bucket_url: str) -> Iterator[BlobStore]:
    blobs = BlobStore("s3://no-such-bucket/clipwarden")
    yield blobs
    blobs.close()


def test_a_bucket_that_is_not_there_is_refused(wrong_bucket: BlobStore, tmp_path: Path) -> None:
    assert outcomes(wrong_bucket, tmp_path) == dict.fromkeys(USES, BlobStoreFailed.code)


def test_a_server_that_is_not_there_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_s3(f"http://127.0.0.1:{free_port()}", monkeypatch)
    blobs = BlobStore("s3://bucket")
    assert outcomes(blobs, tmp_path) == dict.fromkeys(USES, BlobStoreUnavailable.code)
    with pytest.raises(BlobStoreUnavailable, match="Check that the object store runs"):
        blobs.check()
    blobs.close()


def test_a_server_that_comes_back_is_found_again(own_s3_server: S3Server) -> None:
    blobs = BlobStore(f"s3://{own_s3_server.make_bucket()}")
    blobs.put("default/a", b"x")
    own_s3_server.stop()
    with pytest.raises(BlobStoreUnavailable):
        blobs.read("default/a")
    own_s3_server.start()
    # It remembers nothing: also the bucket is gone.
    with pytest.raises(BlobStoreFailed):
        blobs.read("default/a")
    blobs.close()


def test_a_frozen_server_fails_the_check_in_seconds(own_s3_server: S3Server) -> None:
    blobs = BlobStore(f"s3://{own_s3_server.make_bucket()}")
    ref = blobs.put("default/a", b"x")
    own_s3_server.freeze()
    with pytest.raises(BlobStoreUnavailable, match="no answer in time"):
        blobs.check()
    own_s3_server.thaw()
    blobs.check()
    assert blobs.get(ref) == b"x"
    blobs.close()


@pytest.mark.slow
def test_a_frozen_server_ends_every_use(own_s3_server: S3Server, tmp_path: Path) -> None:
    blobs = BlobStore(f"s3://{own_s3_server.make_bucket()}")
    blobs.check()
    own_s3_server.freeze()
    assert outcomes(blobs, tmp_path) == dict.fromkeys(USES, BlobStoreUnavailable.code)
    blobs.close()


@pytest.mark.slow
def test_a_server_that_ceases_to_read_ends_a_long_write(
    own_s3_server: S3Server, tmp_path: Path
) -> None:
    path = tmp_path / "long.mp4"
    # More than what lies in the sockets' buffers of both sides.
    path.write_bytes(bytes(14 * 1024 * 1024))
    blobs = BlobStore(f"s3://{own_s3_server.make_bucket()}")
    blobs.check()
    own_s3_server.freeze()
    with pytest.raises(BlobStoreUnavailable):
        blobs.put_file("default/media", path)
    blobs.close()


def test_credentials_that_are_not_known_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = S3Server(tmp_path / "s3.log")
    # After one request, the one that makes the bucket, it asks who is there.
    server.start(INITIAL_NO_AUTH_ACTION_COUNT="1")
    use_s3(server.endpoint, monkeypatch)
    blobs = BlobStore(f"s3://{server.make_bucket()}")
    assert outcomes(blobs, tmp_path) == dict.fromkeys(USES, BlobStoreFailed.code)
    blobs.close()
    server.stop()


def test_no_credentials_at_all_are_refused(
    own_s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    blobs = BlobStore(f"s3://{own_s3_server.make_bucket()}")
    with pytest.raises(BlobStoreFailed, match="credentials"):
        blobs.put("default/a", b"x")
    blobs.close()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (507, "XMinioStorageFull", BlobStoreFull),
        (400, "XMinioAdminBucketQuotaExceeded", BlobStoreFull),
        (403, "QuotaExceeded", BlobStoreFull),
        (500, "InternalError", BlobStoreUnavailable),
        (502, "", BlobStoreUnavailable),
        (503, "SlowDown", BlobStoreUnavailable),
        (429, "TooManyRequests", BlobStoreUnavailable),
        (400, "RequestTimeout", BlobStoreUnavailable),
        (403, "AccessDenied", BlobStoreFailed),
        (403, "SignatureDoesNotMatch", BlobStoreFailed),
        (403, "RequestTimeTooSkewed", BlobStoreFailed),
    ],
)
def test_what_a_store_answers_is_told_apart(
    answering: Callable[[int, bytes], BlobStore],
    status: int,
    code: str,
    expected: type[BlobError],
) -> None:
    body = f"<Error><Code>{code}</Code><Message>as it is</Message></Error>".encode()
    with pytest.raises(BlobError) as caught:
        answering(status, body if code else b"").put("default/a", b"x")
    assert type(caught.value) is expected


def test_a_proxys_page_is_an_outage(answering: Callable[[int, bytes], BlobStore]) -> None:
    with pytest.raises(BlobStoreUnavailable):
        answering(200, b"<html><p>Be right back</html>").children("default")


def test_objects_that_were_refused_are_not_taken_for_deleted(
    answering: Callable[[int, bytes], BlobStore],
) -> None:
    # One body for both requests: the listing reads its contents, the deletion its errors.
    body = (
        b"<Result><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount>"
        b"<Contents><Key>prefix/default/a</Key><Size>1</Size></Contents>"
        b"<Error><Key>prefix/default/a</Key><Code>AccessDenied</Code><Message>locked</Message>"
        b"</Error></Result>"
    )
    with pytest.raises(BlobStoreFailed, match="AccessDenied: locked"):
        answering(200, body).delete_tree("default")


def test_an_endpoint_that_is_no_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3("nonsense", monkeypatch)
    with pytest.raises(BlobStoreFailed, match="Invalid endpoint"):
        BlobStore("s3://bucket").check()


def test_outages_and_refusals_are_waited_out() -> None:
    assert issubclass(BlobStoreUnavailable, Passing)
    assert issubclass(BlobStoreFailed, Passing)


def test_without_the_extra_the_cure_names_it() -> None:
    script = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from ingest.blobs import BlobStore\n"
        "from ingest.errors import BlobStoreFailed\n"
        "try: BlobStore('s3://bucket')\n"
        "except BlobStoreFailed as error: print(error.cure)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    assert "clipwarden[s3]" in done.stdout


def test_a_folder_needs_none_of_it() -> None:
    script = (
        "import sys, ingest.blobs\n"
        "ingest.blobs.BlobStore('blobs').exists('default/a')\n"
        "print({'s3fs', 'fsspec', 'botocore', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
