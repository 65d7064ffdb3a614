"""Reading a file from the web, without being led into places that are nobody's business."""

from __future__ import annotations

import http.client
import socket
import ssl
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, IncompleteRead, NewConnectionError
from urllib3.exceptions import TimeoutError as UrllibTimeoutError

from ingest.errors import SourceTimedOut, SourceUnavailable, SourceUnsupported
from ingest.media.check import displayed_name
from ingest.sources.addresses import AddressPolicy
from ingest.sources.limits import FetchLimits, too_many_bytes
from ingest.sources.naming import WebUrl, parse_web_url
from ingest.sources.time_cap import Cutoff

_BLOCK_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200


def read_web(
    url: WebUrl, limits: FetchLimits, policy: AddressPolicy, cutoff: Cutoff
) -> Generator[bytes]:
    """Yield the content of a URL, block by block.

    Each host's name is resolved once, and the connection made to an address that was checked; so
    for every redirect. Neither proxies nor cookies nor stored passwords are used. Raises
    SourceForbidden, SourceUnsupported, SourceUnavailable, SourceTimedOut, and TooManyBytes where
    the server announces more than the limit.
    """
    name, here = displayed_name(url.shown), url
    for _ in range(limits.max_redirects + 1):
        with _reading(name, limits), _connected(here, name, limits, policy, cutoff) as connection:
            credentials = url.credentials if here.origin == url.origin else None
            if cutoff.is_past:
                return
            # It keeps the connection open by itself where its end is that of the content.
            with closing(_ask(connection, here, credentials)) as response:
                if response.status not in _REDIRECTS:
                    _check(response, name, limits)
                    while block := response.read(_BLOCK_BYTES, decode_content=False):
                        yield block
                    return
                here = _next(here, response, name)
    raise SourceUnavailable(
        f"{name}: more than {limits.max_redirects} redirects.", "Give the address they lead to."
    )


@contextmanager
def _connected(
    url: WebUrl, name: str, limits: FetchLimits, policy: AddressPolicy, cutoff: Cutoff
) -> Iterator[HTTPConnection]:
    """Connect to the first address of a host that answers."""
    addresses = policy.addresses(url.host, url.port, name)
    for address in addresses:
        connection = _connection(url, address, limits)
        cutoff.closes(partial(_shut, connection))
        try:
            connection.connect()
        except (HTTPError, OSError):
            connection.close()
            if address == addresses[-1]:
                raise
        else:
            break
    try:
        if connection.sock is not None:
            # The connection forgets it once the answer is the last one.
            cutoff.closes(partial(_end_reading, connection.sock))
        # It is set on the socket before each request and answer.
        connection.timeout = limits.idle_timeout_s
        yield connection
    finally:
        connection.close()


def _connection(url: WebUrl, address: str, limits: FetchLimits) -> HTTPConnection:
    timeout_s = limits.connect_timeout_s
    if url.scheme == "http":
        return HTTPConnection(address, url.port, timeout=timeout_s)
    # The name is what the certificate must be for, though we connect to the address.
    return HTTPSConnection(
        address, url.port, timeout=timeout_s, server_hostname=url.host.rstrip(".")
    )


def _shut(connection: HTTPConnection) -> None:
    """End a handshake that another thread is stuck in; closing the socket would not."""
    if connection.sock is not None:
        _end_reading(connection.sock)


def _end_reading(connected: socket.socket) -> None:
    # Not as TLS would do it, whose state is that other thread's.
    socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _ask(connection: HTTPConnection, url: WebUrl, credentials: str | None) -> BaseHTTPResponse:
    headers = {
        "Host": url.authority,
        "User-Agent": "clipwarden",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if credentials is not None:
        headers["Authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"
    connection.request("GET", url.target, headers=headers, preload_content=False)
    return connection.getresponse()


def _next(url: WebUrl, response: BaseHTTPResponse, name: str) -> WebUrl:
    """Where a redirect leads to."""
    location = response.headers.get("Location")
    if not location:
        raise SourceUnavailable(f"{name}: a redirect to nowhere.", "Check the address.")
    try:
        here = parse_web_url(urljoin(f"{url.scheme}://{url.authority}{url.target}", location))
    except ValueError as error:
        raise SourceUnavailable(f"{name}: a redirect to nowhere.", "Check the address.") from error
    if url.scheme == "https" and here.scheme == "http":
        raise SourceUnsupported(
            f"{name}: a redirect from https to http, where anybody may read and change it.",
            "Give the address it leads to, if that is good enough.",
        )
    return here


def _check(response: BaseHTTPResponse, name: str, limits: FetchLimits) -> None:
    """Refuse an answer that is not the plain content, or announces too much of it."""
    if response.status != _OK:
        raise SourceUnavailable(
            f"{name}: the server answers with status {response.status}.",
            "Check the address, and whether it asks for a password or has expired.",
        )
    codings = {
        response.headers.get("Content-Encoding", "identity").strip().lower(),
        response.headers.get("Transfer-Encoding", "identity").strip().lower(),
    }
    if codings - {"identity", "chunked", ""}:
        raise SourceUnavailable(
            f"{name}: the server sends it in a coding that was not asked for.",
            "Fetch it by other means, and give the file.",
        )
    if "Content-Range" in response.headers:
        raise SourceUnavailable(
            f"{name}: the server sends a part of it, though all was asked for.",
            "Fetch it by other means, and give the file.",
        )
    announced = response.length_remaining
    if announced is not None and announced > limits.max_bytes:
        raise too_many_bytes(name, limits)


@contextmanager
def _reading(name: str, limits: FetchLimits) -> Iterator[None]:
    """Translate what goes wrong on the network, without repeating what may be secret."""
    try:
        yield
    except NewConnectionError as error:
        # Though urllib3 counts it among the timeouts.
        raise _unreadable(name, error) from error
    except (UrllibTimeoutError, TimeoutError) as error:
        raise SourceTimedOut(
            f"{name}: no answer within {limits.connect_timeout_s:.0f} s, or no byte within "
            f"{limits.idle_timeout_s:.0f} s.",
            "Try again later.",
        ) from error
    except IncompleteRead as error:
        raise SourceUnavailable(
            f"{name}: the content is cut off before its announced end.", "Try again later."
        ) from error
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        # A ValueError is what http.client makes of a chunk whose size is negative.
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> SourceUnavailable:
    return SourceUnavailable(
        f"{name}: could not be read ({_reason(error)}).", "Check the address, or try again later."
    )


def _reason(error: BaseException) -> str:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message.lower()
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__
    return type(error).__name__
