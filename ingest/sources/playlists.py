"""Telling playlists, manifests and camera streams by how their content begins."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.errors import LiveSource, MediaNotFound
from ingest.media.check import displayed_name

HEAD_BYTES = 4096
"""How much of the content is looked at."""

_KINDS = (
    ("an HLS playlist", re.compile(rb"#EXTM3U\b")),
    (
        "a streaming manifest",
        re.compile(rb"<(.*?<)?(\w{1,20}:)?(MPD|SmoothStreamingMedia)\b", re.S),
    ),
    ("a playlist", re.compile(rb"\[(playlist|reference)\]|<asx\b|rtsptext", re.I)),
    ("a session description", re.compile(rb"v=0\r?\n(\w=[^\n]*\n)*o=")),
    # What network cameras send: pictures without an end, parted by a boundary.
    (
        "a camera's stream",
        re.compile(rb"--[^\r\n]{1,200}\r?\n([\w-]+:[^\n]*\n)*content-type:", re.I),
    ),
)


def check_not_live(path: Path, shown: str) -> None:
    """Refuse a file that only says where a stream is; raises LiveSource, MediaNotFound."""
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD_BYTES)
    except OSError as error:
        raise MediaNotFound(
            f"{displayed_name(shown)}: {error.strerror or error}.",
            "Check that it is there and may be read.",
        ) from error
    check_head_not_live(head, shown)


def check_head_not_live(head: bytes, shown: str) -> None:
    """Refuse content by its first bytes; raises LiveSource."""
    text = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    for kind, pattern in _KINDS:
        if pattern.match(text):
            raise LiveSource(
                f"{displayed_name(shown)}: {kind}, not a video file.",
                "Record the stream to a file first, and give that.",
            )
