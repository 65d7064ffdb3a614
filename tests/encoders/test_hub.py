"""Models named by a hub id, with a real HTTP server in the hub's place, or nothing at all."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.encoders.tiny_models import clip_folder
from tests.servers.hub import Hub, running_hub

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


@pytest.fixture
def start_hub() -> Iterator[Callable[[str, dict[str, Path]], Hub]]:
    with ExitStack() as hubs:
        yield lambda repo, branches: hubs.enter_context(running_hub(repo, branches))


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
    start_hub: Callable[[str, dict[str, Path]], Hub], tmp_path: Path
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
    start_hub: Callable[[str, dict[str, Path]], Hub], tmp_path: Path
) -> None:
    served = clip_folder(tmp_path / "served")
    hub = start_hub("someone/tiny-clip", {"v2": served})
    found, _ = _resolve("someone/tiny-clip@v2", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert hub.commit("v2") in found
    missing, _ = _resolve("someone/tiny-clip@v3", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert missing.startswith("model.unknown: someone/tiny-clip has no revision 'v3'.")


def test_a_model_whose_main_branch_has_pickles_only_is_taken_from_its_conversion(
    start_hub: Callable[[str, dict[str, Path]], Hub], tmp_path: Path
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
    start_hub: Callable[[str, dict[str, Path]], Hub], tmp_path: Path
) -> None:
    served = clip_folder(tmp_path / "served")
    (served / "model.safetensors").rename(served / "pytorch_model.bin")
    hub = start_hub("someone/tiny-clip", {"main": served})
    answer, _ = _resolve("someone/tiny-clip", tmp_path / "home", HF_ENDPOINT=hub.url)
    assert answer.startswith("model.unsupported: someone/tiny-clip on the hub lacks")
    assert "pytorch_model.bin" not in hub.fetched


def test_a_model_that_the_hub_does_not_have_is_unknown(
    start_hub: Callable[[str, dict[str, Path]], Hub], tmp_path: Path
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
    assert "clipwarden models pull someone/tiny-clip --to FOLDER" in answer
    assert "\n" not in answer
    assert noise == ""


@pytest.mark.slow
def test_a_hub_that_takes_calls_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answer, _ = _resolve("someone/tiny-clip", tmp_path / "home", HF_ENDPOINT=endpoint)
    assert answer.startswith("model.unavailable: someone/tiny-clip is not on this machine and ")
