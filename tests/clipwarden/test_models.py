"""`clipwarden models` as a user runs it, against a real HTTP server in the hub's place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clipwarden.command import Product
from tests.clipwarden.models_by_hand import REPO, at_home, pad_weights
from tests.encoders.tiny_models import clip_folder, edit_json
from tests.servers.hub import Hub, running_hub
from worker.models.card import ModelCard
from worker.models.inventory import keys_by_precision
from worker.models.resolve import resolve_model

_README = "---\nlicense: mit\ntags:\n- vision\n---\n# A tiny CLIP\n"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """What the hub has of the model, with much that is none of ours."""
    folder = clip_folder(tmp_path / "served")
    (folder / "README.md").write_text(_README, encoding="utf-8")
    for unwanted in ("pytorch_model.bin", "open_clip_model.safetensors", "modeling.py"):
        (folder / unwanted).write_bytes(b"unwanted")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def hub(served: Path) -> Iterator[Hub]:
    with running_hub(REPO, {"main": served}) as hub:
        yield hub


def _json(product: Product, *words: str | Path, status: int = 0) -> Any:
    done = product.run("models", *words, "--format", "json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def _error(product: Product, *words: str | Path, status: int = 3) -> str:
    done = product.run("models", *words)
    assert done.returncode == status, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error[")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def _keys(card: ModelCard) -> dict[str, str]:
    return keys_by_precision(card)


def test_a_pulled_model_is_told_listed_verified_and_then_needs_no_hub(
    product: Product, hub: Hub, served: Path
) -> None:
    online, offline = at_home(product, hub), at_home(product, None)
    [pulled] = _json(online, "pull", REPO)
    card = resolve_model(str(served))
    assert pulled["id"] == REPO
    assert pulled["revision"] == hub.commit("main")
    assert pulled["keys"] == _keys(card)
    assert len(set(pulled["keys"].values())) == len(pulled["keys"]) >= 2
    assert pulled["weights_sha256"] == card.weights_sha256
    assert (pulled["dimension"], pulled["geometry"]) == (16, "centre-32-bicubic")
    assert pulled["licence"] == "mit"
    ours = {path for path in Path(pulled["folder"]).rglob("*") if path.is_file()}
    assert pulled["size_bytes"] == sum(path.stat().st_size for path in ours)
    assert {path.name for path in ours} == {*hub.fetched}
    assert not {*hub.fetched} & {"pytorch_model.bin", "open_clip_model.safetensors", "modeling.py"}
    assert not [name for name in hub.fetched if "/" in name]

    starter, listed = _json(offline, "list")
    assert starter["id"] == "starter"
    assert starter["keys"] == _keys(resolve_model("starter"))
    assert listed["branches"] == ["main"]
    assert listed["keys"] == pulled["keys"]
    assert listed["last_used"] is not None
    assert [one["sound"] for one in _json(offline, "verify")] == [True, True]
    [verified] = _json(offline, "verify", REPO)
    compared = {one["file"] for one in verified["findings"] if "as it should be" in one["detail"]}
    assert compared == {path.name for path in ours}


def test_a_second_pull_fetches_nothing_again(product: Product, hub: Hub) -> None:
    online = at_home(product, hub)
    _json(online, "pull", REPO)
    first = list(hub.fetched)
    _json(online, "pull", REPO)
    assert hub.fetched == first


def test_a_model_pulled_into_a_folder_is_verified_by_its_manifest_on_another_machine(
    product: Product, hub: Hub, tmp_path: Path
) -> None:
    folder = tmp_path / "carried"
    [pulled] = _json(at_home(product, hub), "pull", f"{REPO}@main", "--to", folder)
    manifest = json.loads((folder / "clipwarden-model.json").read_text(encoding="utf-8"))
    assert (manifest["repo"], manifest["commit"]) == (REPO, hub.commit("main"))
    assert {*manifest["files"]} == {path.name for path in folder.iterdir()} - {
        "clipwarden-model.json"
    }
    assert not (tmp_path / "hf" / "hub").exists()
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    shutil.rmtree(folder)
    offline = at_home(product, None)
    [verified] = _json(offline, "verify", elsewhere)
    assert verified["sound"]
    assert verified["key"] == pulled["keys"]["float32"]
    weights = elsewhere / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    (elsewhere / "merges.txt").unlink()
    [damaged] = _json(offline, "verify", elsewhere, status=3)
    failed = {one["file"]: one for one in damaged["findings"] if one["verdict"] == "failed"}
    assert "sha256 is not what it should be" in failed["model.safetensors"]["detail"]
    assert failed["merges.txt"]["detail"] == "is missing"
    again = f"clipwarden models pull {REPO}@{hub.commit('main')} --to {elsewhere}"
    assert all(again in one["cure"] for one in failed.values())
    hub.fetched.clear()
    _json(at_home(product, hub), *again.split()[2:])
    assert {*hub.fetched} == {"model.safetensors", "merges.txt"}
    assert _json(offline, "verify", elsewhere)[0]["sound"]


def test_a_folder_that_holds_something_else_is_left_alone(
    product: Product, hub: Hub, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear", encoding="utf-8")
    error = _error(at_home(product, hub), "pull", REPO, "--to", folder)
    assert error.startswith(f"error[output.failed]: {folder} holds other files.")
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("to_folder", [False, True], ids=["cache", "folder"])
def test_a_download_that_broke_off_goes_on_where_it_did(
    product: Product, hub: Hub, served: Path, tmp_path: Path, to_folder: bool
) -> None:
    pad_weights(served / "model.safetensors", 24 * 1024 * 1024)
    words = ["pull", REPO, *(["--to", str(tmp_path / "carried")] if to_folder else [])]
    online = at_home(product, hub)
    hub.breaks_after = 15 * 1024 * 1024
    error = _error(online, *words)
    assert error.startswith(f"error[model.unavailable]: The download of {REPO} broke off")
    assert "what has come is kept" in error
    hub.breaks_after = None
    hub.ranges.clear()
    [pulled] = _json(online, *words)
    # The client hands over what came in pieces of 10 MiB.
    assert hub.ranges == [f"bytes={10 * 1024 * 1024}-"]
    assert pulled["weights_sha256"] == resolve_model(str(served)).weights_sha256
    assert not [*tmp_path.rglob("*.incomplete")]


def test_a_file_that_was_changed_on_the_way_is_not_kept(product: Product, hub: Hub) -> None:
    online = at_home(product, hub)
    hub.spoils = "model.safetensors"
    error = _error(online, "pull", REPO)
    assert error.startswith("error[model.unavailable]: model.safetensors of someone/tiny-clip came")
    assert [one["id"] for one in _json(online, "list")] == ["starter"]
    hub.spoils = None
    assert _json(online, "pull", REPO)[0]["keys"]


def test_a_model_of_pickles_is_refused_before_anything_is_downloaded(
    product: Product, hub: Hub, served: Path
) -> None:
    (served / "model.safetensors").unlink()
    error = _error(at_home(product, hub), "pull", REPO)
    assert "holds its weights as a pickle only (pytorch_model.bin)" in error
    assert f"{REPO}@refs/pr/N" in error
    assert hub.fetched == []


def test_a_gated_model_tells_how_to_get_in(product: Product, hub: Hub) -> None:
    hub.is_gated = True
    error = _error(at_home(product, hub), "pull", REPO)
    assert "open only to those who agreed" in error
    assert "HF_TOKEN" in error


def test_one_name_that_leads_nowhere_does_not_keep_the_others_from_being_pulled(
    product: Product, hub: Hub
) -> None:
    done = at_home(product, hub).run("models", "pull", "starter", "some/other", REPO, "no name")
    assert done.returncode == 3
    assert done.stdout.startswith(f"{REPO}\n")
    codes = [line.split(":")[0] for line in done.stderr.splitlines() if line.startswith("error")]
    assert codes == ["error[model.unknown]"] * 3


def test_without_a_hub_nothing_is_pulled_and_one_line_says_what_to_do(product: Product) -> None:
    error = _error(at_home(product, None), "pull", REPO)
    assert error.startswith(f"error[model.unavailable]: {REPO} is not on this machine")
    assert f"clipwarden models pull {REPO} --to FOLDER" in error


def test_what_can_not_be_run_is_listed_on_demand_with_the_reason(
    product: Product, hub: Hub
) -> None:
    online = at_home(product, hub)
    [pulled] = _json(online, "pull", REPO)
    config = Path(pulled["folder"]) / "config.json"
    text = config.read_text(encoding="utf-8")
    config.unlink()
    config.write_text(text, encoding="utf-8")
    edit_json(config, model_type="bert")
    assert [one["id"] for one in _json(online, "list")] == ["starter"]
    assert "1 more can't be run here" in online.run("models", "list").stdout
    _, refused = _json(online, "list", "--all")
    assert refused["keys"] is None
    assert refused["error"]["code"] == "model.unsupported"
    assert "no dual encoder we run" in online.run("models", "list", "--all").stdout


def test_a_file_of_the_hubs_cache_that_was_changed_is_found(product: Product, hub: Hub) -> None:
    online = at_home(product, hub)
    [pulled] = _json(online, "pull", REPO)
    weights = (Path(pulled["folder"]) / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    done = online.run("models", "verify", REPO)
    assert done.returncode == 3
    assert "its sha256 is not what it should be" in done.stdout
    assert f"Delete {weights}, then fetch the model again." in done.stdout
    weights.unlink()
    assert online.run("models", "verify", REPO).returncode == 3
    _json(online, "pull", REPO)
    assert _json(online, "verify", REPO)[0]["sound"]


def test_verify_names_what_is_not_on_this_machine(product: Product) -> None:
    error = _error(at_home(product, None), "verify", REPO)
    assert error.endswith(f"Fetch it: clipwarden models pull {REPO}.")


@pytest.mark.parametrize("command", ["analyze", "serve"])
def test_without_a_hub_no_video_is_touched_and_nothing_is_started(
    product: Product, command: str
) -> None:
    words = ["no-such-video.mp4"] if command == "analyze" else []
    done = at_home(product, None).run(command, "--model", REPO, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error[model.unavailable]: {REPO} is not on this machine")
    assert done.stdout == ""
    assert not product.data.exists()
