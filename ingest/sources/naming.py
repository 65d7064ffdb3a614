"""What a user's text names: a file, the standard input, a web address, or an object in a bucket."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from ingest.errors import LiveSource, MediaNotFound, SourceError, SourceUnsupported
from ingest.media.check import displayed_name
from ingest.sources.folders import FileState

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SECRET_TAIL = re.compile(r"[?#]")

_WEB_PORTS = {"http": 80, "https": 443}
_LIVE_SCHEME = re.compile(
    r"dash|hls|mms[ht]?|rist|rtmp(|e|s|t|te|ts)|s?rtp|rtsp[stu]?|sap|sdp|srt|tcp|tls|udp|whep|wss?"
)
_WHOLE_FILES = "We read files of http, https and object stores such as s3, and local files."


@dataclass(frozen=True)
class LocalPath:
    """A file, or a folder of them, on this machine; `listed` is what a folder said of it."""

    path: Path
    listed: FileState | None = None

    @property
    def shown(self) -> str:
        """The name as the user wrote it; bytes that are no text are escaped, for JSON has none."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class StandardInput:
    """What is piped into the command."""

    descriptor: int = 0
    shown: str = "standard input"


@dataclass(frozen=True)
class WebUrl:
    """An address of the web, taken apart; `shown` has neither its credentials nor its query."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    credentials: str | None = field(repr=False)
    shown: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Whom it asks: scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them: the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _WEB_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class ObjectUrl:
    """An address that fsspec knows; `shown` has neither its password nor its query."""

    protocol: str
    url: str = field(repr=False)
    shown: str


Source = LocalPath | StandardInput | WebUrl | ObjectUrl


def parse_source(text: str) -> Source:
    """Tell what a text names, without looking at what is there.

    `-` is the standard input, `scheme://` begins an address, and everything else is a local path;
    so is an address if a file of that very name exists. `./-` and `./s3://x` are always paths.
    Raises LiveSource for streams, SourceUnsupported for addresses nobody can read, MediaNotFound
    for an empty text.
    """
    if not text:
        # As a path it would be the current folder, with everything in it.
        raise MediaNotFound("an empty name.", "Name a file, a folder or an address; . is here.")
    if text == "-":
        return StandardInput()
    match = _SCHEME.match(text)
    if match is None or os.path.lexists(text):
        return LocalPath(Path(text))
    scheme = match[1].lower()
    if _LIVE_SCHEME.fullmatch(scheme):
        raise LiveSource(
            f"{_shown_object(text)}: {scheme} is for live streams, which have no end.",
            "Record it to a file first, and give that.",
        )
    if _CONTROL.search(text):
        raise _unsupported(text, "the address holds control characters or bytes that are no text")
    return parse_web_url(text) if scheme in _WEB_PORTS else _object_url(scheme, text)


def parse_web_url(text: str) -> WebUrl:
    """Take an http or https URL apart; raises SourceUnsupported for any other."""
    if _CONTROL.search(text):
        raise _unsupported(text, "the address holds control characters or bytes that are no text")
    try:
        url = parse_url(text)
    except LocationParseError as error:
        raise _unsupported(text, "no address of the web") from error
    if url.scheme not in _WEB_PORTS:
        raise _unsupported(text, f"an address of the kind {url.scheme or '(none)'}")
    host = (url.host or "").removeprefix("[").removesuffix("]")
    if not host:
        raise _unsupported(text, "the address names no host")
    if url.port == 0:
        raise _unsupported(text, "there is no port 0")
    return WebUrl(
        scheme=url.scheme,
        host=host,
        port=url.port or _WEB_PORTS[url.scheme],
        target=url.request_uri,
        credentials=None if url.auth is None else unquote(url.auth),
        shown=_shown_web(url),
    )


def shown_text(text: str) -> str:
    """A text fit to be shown, whatever it names: an address without password and query."""
    if not text:
        return "''"
    return _shown_object(text) if _SCHEME.match(text) else LocalPath(Path(text)).shown


def _object_url(scheme: str, text: str) -> ObjectUrl:
    if "::" in text:
        raise _unsupported(text, "a chain of addresses")
    return ObjectUrl(scheme, f"{scheme}{text[len(scheme) :]}", _shown_object(text))


def _shown_web(url: Url) -> str:
    if url.port is not None and url.auth is None and "@" in (url.path or ""):
        # More likely a password that begins with digits and has a slash in it.
        return _shown_object(url.url)
    return Url(
        scheme=url.scheme,
        host=url.host,
        port=url.port,
        path=url.path or "/",
        query=None if url.query is None else "...",
    ).url


def _shown_object(text: str) -> str:
    """An address nobody took apart, without anything that may be a password, a key or a token.

    People write passwords with / ? # and @ as they are, so all until the last @ may be one.
    """
    scheme, _, rest = text.partition("://")
    before, at, after = rest.rpartition("@")
    if _SECRET_TAIL.search(before):
        # What stands behind the @ may be the end of a query just as well.
        return f"{scheme}://..."
    secret = _SECRET_TAIL.search(after)
    address = after if secret is None else f"{after[: secret.start()]}{secret[0]}..."
    shown = f"{scheme}://...@{address}" if at else f"{scheme}://{address}"
    return shown.encode("utf-8", "backslashreplace").decode()


def _unsupported(text: str, what: str) -> SourceError:
    return SourceUnsupported(f"{displayed_name(_shown_object(text))}: {what}.", _WHOLE_FILES)
