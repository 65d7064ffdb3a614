"""Objects in buckets of a real server; and what fsspec could reach beside them."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

from ingest.errors import (
    MediaEmpty,
    MediaError,
    SourceForbidden,
    SourceTimedOut,
    SourceUnavailable,
    SourceUnsupported,
    TooManyBytes,
)
from ingest.sources.fetching import fetched
from ingest.sources.limits import FetchLimits
from ingest.sources.naming import ObjectUrl, parse_source
from tests.servers.s3 import S3Server

DATA = bytes(range(256)) * 5000


def put(bucket_url: str, key: str, data: bytes) -> str:
    bucket = bucket_url.removeprefix("s3://").split("/")[0]
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{bucket}/{key}"
    # With a form's type, which it would have otherwise, the server waits for a form.
    headers = {"Content-Type": "video/mp4"}
    request = urllib.request.Request(url, data=data, headers=headers, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
    return f"s3://{bucket}/{key}"


def fetch(url: str, limits: FetchLimits | None = None) -> bytes:
    source = parse_source(url)
    assert isinstance(source, ObjectUrl)
    with fetched(source, limits or FetchLimits()) as path:
        return path.read_bytes()


def refusal(url: str, limits: FetchLimits | None = None) -> MediaError:
    with pytest.raises(MediaError) as caught:
        fetch(url, limits)
    return caught.value


def test_an_object_comes_as_it_is(bucket_url: str) -> None:
    url = put(bucket_url, "a/b%20c.mp4", DATA).replace("%20", " ")
    assert fetch(url) == DATA
    assert fetch(url.replace("s3://", "s3a://")) == DATA


def test_what_is_not_there_or_no_object_is_told(bucket_url: str) -> None:
    url = put(bucket_url, "folder/clip.mp4", DATA)
    for missing in (f"{url}x", "s3://no-such-bucket-at-all/clip.mp4"):
        error = refusal(missing)
        assert isinstance(error, SourceUnavailable)
        assert missing in error.message
    assert isinstance(refusal(url.removesuffix("clip.mp4")), SourceUnavailable)
    assert isinstance(refusal(put(bucket_url, "empty.mp4", b"")), MediaEmpty)


def test_an_object_over_the_limit_is_refused(bucket_url: str) -> None:
    url = put(bucket_url, "clip.mp4", DATA)
    assert isinstance(refusal(url, FetchLimits(max_bytes=len(DATA) - 1)), TooManyBytes)
    assert fetch(url, FetchLimits(max_bytes=len(DATA))) == DATA


def test_a_store_that_does_not_answer_is_given_up(own_s3_server: S3Server) -> None:
    url = put(f"s3://{own_s3_server.make_bucket()}", "clip.mp4", DATA)
    own_s3_server.freeze()
    error = refusal(url, FetchLimits(timeout_s=1.0))
    own_s3_server.thaw()
    assert isinstance(error, SourceTimedOut)


def test_a_store_that_is_not_there_is_told(own_s3_server: S3Server) -> None:
    url = put(f"s3://{own_s3_server.make_bucket()}", "clip.mp4", DATA)
    own_s3_server.stop()
    assert isinstance(refusal(url), SourceUnavailable)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        "file://{path}",
        "local://{path}",
        "memory://{path}",
        "zip://{path}",
        "tar://{path}",
        "reference://{path}",
        "simplecache://{path}",
        "filecache://{path}",
        "dir://{path}",
        "git://{path}",
        "generic://{path}",
        "asynclocal://{path}",
        "data://text/plain,x",
        "jupyter://127.0.0.1:1/x",
        "nonsense://x/y",
        "github://a:b@main/x.mp4",
    ],
)
def test_what_leads_to_local_files_or_nowhere_is_refused(
    form: str, allow_private: bool, tmp_path: Path
) -> None:
    file = tmp_path / "secret.mp4"
    file.write_bytes(DATA)
    error = refusal(form.format(path=file), FetchLimits(allow_private=allow_private))
    assert isinstance(error, SourceUnsupported)


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "gs://10.0.0.1:80/key",
        "oss://http://oss.10.0.0.1/aliyuncs.com/bucket/key",
        "abfs://box@10.0.0.1:80#/key",
        "az://10.0.0.1%23/key",
    ],
)
def test_what_names_no_bucket_and_key_is_refused(url: str) -> None:
    error = refusal(url)
    assert isinstance(error, SourceUnsupported)
    assert "://bucket/key" in error.message


@pytest.mark.parametrize("protocol", ["sftp", "ssh", "ftp", "smb", "webdav", "hdfs", "webhdfs"])
def test_what_connects_to_a_named_host_needs_to_be_allowed(protocol: str) -> None:
    error = refusal(f"{protocol}://me:s3cret@127.0.0.1:1/clip.mp4")
    assert isinstance(error, SourceForbidden)
    assert "s3cret" not in str(error)
    allowed = refusal(f"{protocol}://me:s3cret@127.0.0.1:1/x.mp4", FetchLimits(allow_private=True))
    assert isinstance(allowed, SourceUnavailable | SourceUnsupported)
    assert "s3cret" not in str(allowed)


def test_a_package_that_is_missing_is_named() -> None:
    error = refusal("tos://bucket/clip.mp4")
    assert isinstance(error, SourceUnsupported)
    assert error.cure == "Install it: pip install 'tosfs'"
