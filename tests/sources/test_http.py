"""The web: fetched whole or refused, and never a way to what is nobody's business."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingest.errors import (
    LiveSource,
    MediaEmpty,
    MediaError,
    SourceForbidden,
    SourceTimedOut,
    SourceUnavailable,
    SourceUnsupported,
    TooManyBytes,
)
from ingest.sources.addresses import AddressPolicy
from ingest.sources.fetching import fetched
from ingest.sources.limits import FetchLimits
from ingest.sources.naming import WebUrl, parse_source
from tests.sources.web import (
    Endless,
    FakeNames,
    OnlyPorts,
    Site,
    canary,
    content,
    raw,
    redirect,
    serving,
)

LIMITS = FetchLimits(
    max_bytes=1_000_000,
    timeout_s=60.0,
    connect_timeout_s=5.0,
    idle_timeout_s=30.0,
    allow_private=True,
)
DATA = bytes(range(256)) * 1000


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def fetch(url: str, limits: FetchLimits = LIMITS, policy: AddressPolicy | None = None) -> bytes:
    source = parse_source(url)
    assert isinstance(source, WebUrl)
    with fetched(source, limits, policy=policy) as path:
        data = path.read_bytes()
    assert not path.parent.exists()
    return data


def refusal(url: str, limits: FetchLimits = LIMITS) -> MediaError:
    with pytest.raises(MediaError) as caught:
        fetch(url, limits)
    return caught.value


def test_a_file_comes_as_it_is_and_is_deleted_afterwards(site: Site) -> None:
    site.pages["/clip.mp4?id=3"] = content(DATA)
    assert fetch(site.url("/clip.mp4?id=3#t=10")) == DATA
    [(_, headers)] = site.asked
    assert headers["Host"] == f"127.0.0.1:{site.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Authorization"] is None


def test_a_chunked_body_and_one_that_ends_with_the_connection_are_read(site: Site) -> None:
    site.pages["/chunked"] = raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nvideo\r\n",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
    )
    site.pages["/closed"] = raw(b"HTTP/1.0 200 OK\r\n\r\n", b"video")
    assert fetch(site.url("/chunked")) == b"videoabc"
    assert fetch(site.url("/closed")) == b"video"


def test_this_machine_is_not_asked_unless_that_is_allowed() -> None:
    with canary() as port:
        for host in (
            "127.0.0.1",
            "localhost",
            "LOCALHOST.",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0.0.0.0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "①②⑦.⓪.⓪.①",
        ):
            error = refusal(f"http://{host}:{port}/x", FetchLimits())
            assert isinstance(error, SourceForbidden | SourceUnavailable | SourceUnsupported), host
        assert isinstance(refusal(f"http://127.0.0.1:{port}/", FetchLimits()), SourceForbidden)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{canary}/",
        "http://localhost:{canary}/",
        "//127.0.0.1:{canary}/x",
        "http://user:secret@127.0.0.1:{canary}/",
        "http://0:{canary}/",
        "http://[::ffff:127.0.0.1]:{canary}/",
    ],
)
def test_a_redirect_into_a_private_network_is_refused(site: Site, target: str) -> None:
    with canary() as port:
        site.pages["/"] = redirect(target.format(canary=port))
        with pytest.raises(SourceForbidden, match="--allow-private"):
            fetch(site.url("/"), FetchLimits(), OnlyPorts(ports=(site.port,)))
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x", "s3://b/k"]
)
def test_a_redirect_to_anything_but_the_web_is_refused(site: Site, target: str) -> None:
    site.pages["/"] = redirect(target)
    assert isinstance(refusal(site.url("/")), SourceUnsupported)


def test_three_redirects_are_followed_and_a_fourth_is_not(site: Site) -> None:
    for number in range(4):
        site.pages[f"/{number}"] = redirect(f"{number + 1}", 301 + number % 2)
    site.pages["/4"] = content(DATA)
    assert fetch(site.url("/1")) == DATA
    site.asked.clear()
    error = refusal(site.url("/0"))
    assert isinstance(error, SourceUnavailable)
    assert "3 redirects" in error.message
    assert [path for path, _ in site.asked] == ["/0", "/1", "/2", "/3"]


def test_a_name_is_resolved_once_for_each_hop(site: Site) -> None:
    """A second answer may be another: what was checked is what is connected to."""
    site.pages["/clip"] = content(DATA)
    names = FakeNames(["127.0.0.1", "127.0.0.2"])
    policy = OnlyPorts(ports=(site.port,), resolve=names)
    with canary("127.0.0.2", site.port):
        assert fetch(site.url("/clip", "videos.example"), FetchLimits(), policy) == DATA
        assert names.asked == ["videos.example"]
        assert site.asked[0][1]["Host"] == f"videos.example:{site.port}"
        site.pages["/moved"] = redirect("/clip")
        names.asked.clear()
        # The second hop is checked, too, and now it leads elsewhere.
        with pytest.raises(SourceForbidden):
            fetch(site.url("/moved", "videos.example"), FetchLimits(), policy)
        assert names.asked == ["videos.example"] * 2


def test_one_private_address_among_public_ones_is_enough_to_refuse(site: Site) -> None:
    policy = OnlyPorts(ports=(site.port,), resolve=lambda *_: ["127.0.0.1", "10.0.0.1"])
    with pytest.raises(SourceForbidden):
        fetch(site.url("/"), FetchLimits(), policy)
    assert site.asked == []


def test_the_next_address_is_tried_where_one_does_not_answer(site: Site) -> None:
    site.pages["/"] = content(DATA)
    policy = AddressPolicy(allow_private=True, resolve=lambda *_: ["127.0.0.9", "127.0.0.1"])
    assert fetch(site.url("/", "videos.example"), LIMITS, policy) == DATA


def test_credentials_go_to_the_first_host_alone_and_are_never_told(site: Site) -> None:
    url = site.url("/a", "us%40er:s%3Acret@127.0.0.1")
    with serving() as other:
        site.pages["/a"] = redirect("/b")
        site.pages["/b"] = redirect(other.url("/c?signature=abc"))
        other.pages["/c?signature=abc"] = raw(b"HTTP/1.1 403 No\r\n\r\n")
        error = refusal(url)
        sent = f"Basic {b64encode(b'us@er:s:cret').decode()}"
        assert [headers["Authorization"] for _, headers in site.asked] == [sent, sent]
        assert [headers["Authorization"] for _, headers in other.asked] == [None]
    source = parse_source(url)
    for text in (str(error), str(source), repr(source), source.shown):
        assert "cret" not in text
    assert "status 403" in error.message


def test_proxies_of_the_environment_are_not_used(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = content(DATA)
    with canary() as port:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert fetch(site.url("/")) == DATA


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
def test_any_status_but_200_is_told(site: Site, status: int) -> None:
    site.pages["/"] = raw(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
    error = refusal(site.url("/"))
    assert isinstance(error, SourceUnavailable)
    assert f"status {status}" in error.message


def test_an_announced_size_over_the_limit_is_refused_before_it_is_read(site: Site) -> None:
    site.pages["/"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n")
    error = refusal(site.url("/"))
    assert isinstance(error, TooManyBytes)
    assert "1000000 bytes" in error.message
    assert "--max-bytes" in error.cure
    assert "--limit bytes=" in error.cure


def test_a_body_without_an_end_is_cut_at_the_limit(site: Site) -> None:
    endless = Endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000, 0.0)
    site.pages["/"] = endless
    assert isinstance(refusal(site.url("/")), TooManyBytes)
    assert endless.is_left.wait(30)


def test_a_body_of_the_very_limit_passes(site: Site) -> None:
    site.pages["/"] = content(b"x" * 1_000_000)
    assert len(fetch(site.url("/"))) == 1_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nshort\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[oh/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x00" * 200,
        b"",
    ],
)
def test_answers_that_are_broken_are_refused(site: Site, answer: bytes) -> None:
    site.pages["/"] = raw(answer)
    error = refusal(site.url("/"))
    assert error.code in ("source.unavailable", "source.unsupported")
    assert f"127.0.0.1:{site.port}" in error.message


def test_an_empty_body_and_a_playlist_are_refused(site: Site) -> None:
    site.pages["/empty"] = content(b"")
    site.pages["/video.mp4"] = content(b"#EXTM3U\n#EXT-X-VERSION:3\n", Content_Type="video/mp4")
    assert isinstance(refusal(site.url("/empty")), MediaEmpty)
    assert isinstance(refusal(site.url("/video.mp4")), LiveSource)


def test_a_camera_is_told_from_a_file_at_once(site: Site) -> None:
    boundary = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    camera = Endless(b"HTTP/1.1 200 OK\r\n\r\n", boundary + b"x" * 70_000, 0.0)
    site.pages["/"] = camera
    assert isinstance(refusal(site.url("/")), LiveSource)
    assert camera.is_left.wait(30)


def test_a_server_that_is_silent_is_given_up(site: Site) -> None:
    released = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        released.wait(60)

    site.pages["/"] = silent
    limits = FetchLimits(idle_timeout_s=0.2, allow_private=True)
    error = refusal(site.url("/"), limits)
    released.set()
    assert isinstance(error, SourceTimedOut)


@pytest.mark.parametrize(
    "slow",
    [
        Endless(b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.01),
        Endless(b"HTTP/1.1 200 OK\r\n\r\n", b"y", 0.01),
        Endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n", 0.01),
    ],
)
def test_a_server_that_trickles_is_given_up_and_hung_up_on(site: Site, slow: Endless) -> None:
    site.pages["/"] = slow
    error = refusal(site.url("/"), FetchLimits(timeout_s=0.5, allow_private=True))
    assert isinstance(error, SourceTimedOut)
    # Else its connection, and our thread, would stay for as long as it likes.
    assert slow.is_left.wait(30)


def test_a_resolver_that_hangs_is_given_up() -> None:
    released = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        released.wait(60)
        return []

    limits = FetchLimits(timeout_s=0.2)
    with pytest.raises(SourceTimedOut, match=r"videos\.example"):
        fetch("http://videos.example/", limits, AddressPolicy(resolve=hanging))
    released.set()


def test_nobody_there_is_told_with_the_reason(site: Site) -> None:
    with canary() as port:
        pass
    error = refusal(f"http://127.0.0.1:{port}/x.mp4?secret=1")
    assert isinstance(error, SourceUnavailable)
    assert "connection refused" in error.message
    assert "x.mp4?..." in error.message
    assert "secret" not in str(error)
    nowhere = AddressPolicy(resolve=lambda *_: [])
    with pytest.raises(SourceUnavailable, match="not known"):
        fetch("http://nowhere.example/", LIMITS, nowhere)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for videos.example, which this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "videos.example")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("videos.example"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.7")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


def test_a_certificate_must_be_trusted_and_for_the_name(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = AddressPolicy(allow_private=True, resolve=lambda *_: ["127.0.0.1"])
    with serving(tls) as site, serving() as plain:
        site.pages["/"] = content(DATA)
        assert fetch(site.url("/", "videos.example"), LIMITS, policy) == DATA
        with pytest.raises(SourceUnavailable, match="mismatch"):
            fetch(site.url("/", "other.example"), LIMITS, policy)
        site.pages["/down"] = redirect(plain.url("/"))
        with pytest.raises(SourceUnsupported, match="from https to http"):
            fetch(site.url("/down", "videos.example"), LIMITS, policy)
        assert plain.asked == []
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(SourceUnavailable, match="self-signed"):
            fetch(site.url("/", "videos.example"), LIMITS, policy)
