"""Real web servers on loopback, honest and hostile ones, and listeners nobody may come to."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message

from ingest.sources.addresses import AddressPolicy

Page = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A server, what it answers on each path, and what it was asked."""

    port: int
    scheme: str = "http"
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, Message]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a page."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve in the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers))
            self.close_connection = True
            # A client that has had enough hangs up.
            with contextlib.suppress(OSError):
                site.pages[self.path](self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        site = Site(server.server_address[1], "http" if tls is None else "https")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def content(data: bytes, **headers: str) -> Page:
    """Answer with content."""

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return page


def redirect(to: str, status: int = 302) -> Page:
    """Send the client elsewhere."""

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return page


def raw(*pieces: bytes) -> Page:
    """Write bytes as they are, and hang up."""

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        for piece in pieces:
            handler.wfile.write(piece)

    return page


@dataclass
class Endless:
    """Sends a beginning and then one piece after the other, until the client hangs up."""

    head: bytes
    piece: bytes
    pause_s: float
    is_left: threading.Event = field(default_factory=threading.Event)

    def __call__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Answer, for ever."""
        never = threading.Event()
        try:
            handler.wfile.write(self.head)
            while not never.wait(self.pause_s):
                handler.wfile.write(self.piece)
        finally:
            self.is_left.set()


@contextlib.contextmanager
def canary(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Listen at a port that nobody may connect to in the block; yields the port."""
    with socket.create_server((address, port)) as listener:
        yield int(listener.getsockname()[1])
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            listener.accept()[0].close()
            raise AssertionError("somebody connected to where nobody may")


@dataclass
class FakeNames:
    """Resolves every host to one address after the other, and counts how often it is asked."""

    addresses: list[str]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> list[str]:
        """Give the next address; the last stays."""
        self.asked.append(host)
        return [self.addresses[min(len(self.asked), len(self.addresses)) - 1]]


@dataclass(frozen=True)
class OnlyPorts(AddressPolicy):
    """Takes some ports of 127.0.0.1 for public, so that all else is as strict as it is."""

    ports: tuple[int, ...] = ()

    def permits(self, address: str, port: int) -> bool:
        """Whether it is one of those ports, or really public."""
        return (address == "127.0.0.1" and port in self.ports) or super().permits(address, port)
