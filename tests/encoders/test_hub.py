"""Models named by a hub id, with a real HTTP server in the hub's place, or nothing at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.encoders.tiny_models import clip_folder

_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import sys
from prompts.errors import ClipwardenError
from worker.models.resolve import resolve_model
try:
    card = resolve_model(sys.argv[1])
    sys.stdout.write(f"{card.id} {card.revision} {card.folder}")
except ClipwardenError as error:
    sys.stdout.write(f"{error.code}: {error}")
"""


class _Hub(ThreadingHTTPServer):
    """A hub that serves one repository from a folder, and notes what it is asked for."""

    def __init__(self, repo: str, branches: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repo = repo
        self.branches = branches
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, branch: str) -> str:
        return hashlib.sha1(branch.encode()).hexdigest()

    def folder_of(self, revision: str) -> Path | None:
        for branch, folder in self.branches.items():
            if revision in (branch, self.commit(branch)):
                return folder
        return None


class _Answers(BaseHTTPRequestHandler):
    server: _Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        api = re.fullmatch(rf"/api/models/{self.server.repo}(?:/(revision|tree)/(.+))?", path)
        file = re.fullmatch(rf"/{self.server.repo}/resolve/(refs/pr/\d+|[^/]+)/(.+)", path)
        if api is not None:
            self._describe(api[1] or "revision", api[2] or "main")
        elif file is not None and self.server.folder_of(file[1]) is not None:
            self._send_file(file[1], file[2], with_body)
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _describe(self, what: str, revision: str) -> None:
        folder = self.server.folder_of(revision)
        if folder is None:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        commit = next(
            self.server.commit(branch)
            for branch in self.server.branches
            if revision in (branch, self.server.commit(branch))
        )
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [str(path.relative_to(folder)) for path in files]
        if what == "tree":
            entries = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": _oid(path)}
                for name, path in zip(names, files, strict=True)
            ]
            self._send(200, json.dumps(entries).encode(), {})
            return
        siblings = [{"rfilename": name} for name in names]
        answer = {"id": self.server.repo, "sha": commit, "siblings": siblings}
        self._send(200, json.dumps(answer).encode(), {})

    def _send_file(self, revision: str, name: str, with_body: bool) -> None:
        folder = self.server.folder_of(revision)
        path = (folder / name) if folder else Path("/nonexistent")
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if with_body:
            self.server.fetched.append(name)
        headers = {"ETag": f'"{_oid(path)}"', "X-Repo-Commit": revision}
        self._send(200, path.read_bytes(), headers, with_body)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body and self.command != "HEAD":
            self.wfile.write(body)


def _oid(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def start_hub() -> Iterator[Callable[[str, dict[str, Path]], _Hub]]:
    hubs: list[_Hub] = []

    def start(repo: str, branches: dict[str, Path]) -> _Hub:
        hub = _Hub(repo, branches)
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        hubs.append(hub)
        return hub

    yield start
    for hub in hubs:
        hub.shutdown()
        hub.server_close()


def _resolve(name: str, home: Path, **environment: str) -> tuple[str, str]:
    """Resolve in a process of its own, for the hub's client reads its settings when imported."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, name],
        cwd=_ROOT,
        env=inherited | {"HF_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_hub_model_is_downloaded_once_and_then_needs_no_hub(
    start_hub: Callable[[str, dict[str, Path]], _Hub], tmp_path: Path
) -> None:
    served = clip_folder(tmp_path / "served")
    for unwanted in ("pytorch_model.bin", "open_clip_model.safetensors", "modeling.py"):
        (served / unwanted).write_bytes(b"unwanted")
    (served / "onnx").mkdir()
    (served / "onnx" / "config.json").write_text("{}", encoding="utf-8")
    hub = start_hub("someone/tiny-clip", {"main": served})
    home = tmp_path / "home"
    first, _ = _resolve("someone/tiny-clip", home, HF_ENDPOINT=hub.url)
    assert first.startswith(f"someone/tiny-clip {hub.commit('main')} {home}")
    assert "model.safetensors" in hub.fetched
    assert not {"pytorch_model.bin", "open_clip_model.safetensors", "modeling.py"} & {*hub.fetched}
    assert not [name for name in hub.fetched if "/" in name]
    again, _ = _resolve("someone/tiny-clip", home, HF_HUB_OFFLINE="1")
    assert again == first


def test_a_revision_is_asked_for_by_name(
    start_hub: Callable[[str, dict[str, Path]], _Hub], tmp_path: Path
) -> None:
    served = clip_folder(tmp_path / "served")
    hub = start_hub("someone/tiny-clip", {"v2": served})
    found, _ = _resolve("someone/tiny-clip@v2", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert hub.commit("v2") in found
    missing, _ = _resolve("someone/tiny-clip@v3", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert missing.startswith("model.unknown: someone/tiny-clip has no revision 'v3'.")


def test_a_model_whose_main_branch_has_pickles_only_is_taken_from_its_conversion(
    start_hub: Callable[[str, dict[str, Path]], _Hub], tmp_path: Path
) -> None:
    converted = clip_folder(tmp_path / "converted")
    main = shutil.copytree(converted, tmp_path / "main")
    (main / "model.safetensors").rename(main / "pytorch_model.bin")
    repo = "openai/clip-vit-base-patch32"
    hub = start_hub(repo, {"main": main, "refs/pr/15": converted})
    found, _ = _resolve(repo, tmp_path / "home", HF_ENDPOINT=hub.url)
    assert found.startswith(f"{repo} {hub.commit('refs/pr/15')} ")
    again, _ = _resolve(repo, tmp_path / "home", HF_HUB_OFFLINE="1")
    assert again == found


def test_a_hub_model_without_safetensors_is_refused(
    start_hub: Callable[[str, dict[str, Path]], _Hub], tmp_path: Path
) -> None:
    served = clip_folder(tmp_path / "served")
    (served / "model.safetensors").rename(served / "pytorch_model.bin")
    hub = start_hub("someone/tiny-clip", {"main": served})
    answer, _ = _resolve("someone/tiny-clip", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert answer.startswith("model.unsupported: someone/tiny-clip on the hub lacks")
    assert "pytorch_model.bin" not in hub.fetched


def test_a_model_that_the_hub_does_not_have_is_unknown(
    start_hub: Callable[[str, dict[str, Path]], _Hub], tmp_path: Path
) -> None:
    hub = start_hub("someone/tiny-clip", {"main": tmp_path})
    answer, _ = _resolve("someone/else", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert answer.startswith("model.unknown: The hub has no model someone/else")


@pytest.mark.parametrize(
    "environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}], ids=str
)
def test_without_a_hub_one_line_says_how_to_fetch_the_model_beforehand(
    environment: dict[str, str], tmp_path: Path
) -> None:
    answer, noise = _resolve("someone/tiny-clip", tmp_path / "home", **environment)
    assert answer.startswith("model.unavailable: someone/tiny-clip is not on this machine and ")
    assert "hf download someone/tiny-clip" in answer
    assert "\n" not in answer
    assert noise == ""


@pytest.mark.slow
def test_a_hub_that_takes_calls_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answer, _ = _resolve("someone/tiny-clip", tmp_path / "home", HF_ENDPOINT=endpoint)
    assert answer.startswith("model.unavailable: someone/tiny-clip is not on this machine and ")
