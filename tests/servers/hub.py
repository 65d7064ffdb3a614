"""A real HTTP server in the place of the Hugging Face hub, with one repository from folders."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

# The hub stores what is larger by its sha256, as Git LFS does.
_LARGE_BYTES = 100_000


class Hub(ThreadingHTTPServer):
    """A hub that serves the branches of one repository, and notes what it is asked for.

    `breaks_after` ends every answer after so many bytes, as a bad line does; `is_gated` refuses
    files, though not facts; `spoils` names a file in which a byte is changed on the way.
    """

    def __init__(self, repo: str, branches: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repo = repo
        self.branches = branches
        self.fetched: list[str] = []
        self.ranges: list[str] = []
        self.breaks_after: int | None = None
        self.is_gated = False
        self.spoils: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, branch: str) -> str:
        return hashlib.sha1(branch.encode()).hexdigest()

    def branch_of(self, revision: str) -> str | None:
        """The branch that a name or a commit means."""
        return next((one for one in self.branches if revision in (one, self.commit(one))), None)


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        api = re.fullmatch(rf"/api/models/{self.server.repo}(?:/(revision|tree)/(.+))?", path)
        file = re.fullmatch(rf"/{self.server.repo}/resolve/(refs/pr/\d+|[^/]+)/(.+)", path)
        if api is not None:
            self._describe(api[1] or "revision", api[2] or "main")
        elif file is not None and self.server.branch_of(file[1]) is not None:
            self._send_file(file[1], file[2])
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _describe(self, what: str, revision: str) -> None:
        branch = self.server.branch_of(revision)
        if branch is None:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        folder = self.server.branches[branch]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [str(path.relative_to(folder)) for path in files]
        if what == "tree":
            entries = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": _hash(path)}
                for name, path in zip(names, files, strict=True)
            ]
            self._send(200, json.dumps(entries).encode(), {})
            return
        answer = {
            "id": self.server.repo,
            "sha": self.server.commit(branch),
            "siblings": [_sibling(*pair) for pair in zip(names, files, strict=True)],
        }
        self._send(200, json.dumps(answer).encode(), {})

    def _send_file(self, revision: str, name: str) -> None:
        branch = self.server.branch_of(revision)
        path = self.server.branches[branch] / name if branch else Path("/nonexistent")
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if self.server.is_gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
            return
        content = path.read_bytes()
        if name == self.server.spoils:
            content = bytes([content[0] ^ 1]) + content[1:]
        headers = {"ETag": f'"{_hash(path)}"', "X-Repo-Commit": self.server.commit(branch or "")}
        status, asked = 200, re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if self.command == "GET":
            self.server.fetched.append(name)
            if asked is not None:
                self.server.ranges.append(asked[0])
                headers["Content-Range"] = f"bytes {asked[1]}-{len(content) - 1}/{len(content)}"
                status, content = 206, content[int(asked[1]) :]
        self._send(status, content, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = self.server.breaks_after
        if limit is not None and len(body) > limit:
            self.wfile.write(body[:limit])
            self.server.breaks_after = 0
            self.close_connection = True
            return
        self.wfile.write(body)


def _sibling(name: str, path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    facts = {"rfilename": name, "size": size, "blobId": _git_sha1(path)}
    if size <= _LARGE_BYTES:
        return facts
    return facts | {"lfs": {"sha256": _hash(path), "size": size, "pointerSize": 135}}


def _hash(path: Path) -> str:
    """What the hub knows a file by, and gives as its ETag."""
    content = path.read_bytes()
    is_large = len(content) > _LARGE_BYTES
    return hashlib.sha256(content).hexdigest() if is_large else _git_sha1(path)


def _git_sha1(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextmanager
def running_hub(repo: str, branches: dict[str, Path]) -> Iterator[Hub]:
    """Serve a repository while the block runs."""
    hub = Hub(repo, branches)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
