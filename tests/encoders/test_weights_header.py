"""Headers of safetensors files that lie, and what tells a sound one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clipwarden.models_by_hand import entry, write_weights
from tests.encoders.tiny_models import edit_json, siglip_folder, vision_text_folder
from worker.errors import UnsupportedModel
from worker.models.file_hashes import FileHashes
from worker.models.verification import Verdict, Verified, verify_folder
from worker.models.weights_header import read_weights_header


def _verify(folder: Path) -> Verified:
    return verify_folder(folder, folder.name, None, FileHashes(None))


def test_a_header_gives_types_shapes_and_places(tmp_path: Path) -> None:
    header = {"a": entry(0, 24, 2, 3), "b": entry(24, 26, 1, dtype="BF16"), "__metadata__": {}}
    found = read_weights_header(write_weights(tmp_path / "x.safetensors", header, bytes(26)))
    assert {name: (one.dtype, one.shape) for name, one in found.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("BF16", (1,)),
    }


HOSTILE: dict[str, tuple[Any, int]] = {
    "no json": (b"{", 8),
    "not utf-8": (b'{"\xff": 1}', 8),
    "a list": ([], 8),
    "no tensors": ({}, 0),
    "deep": (b"[" * 100_000, 8),
    "a name twice": (b'{"a": 1, "a": 2}', 8),
    "a number too long": (b'{"a": ' + b"9" * 5000 + b"}", 8),
    "no entry": ({"a": None}, 8),
    "unknown type": ({"a": entry(0, 8, 2, dtype="OBJECT")}, 8),
    "a type that is no word": ({"a": entry(0, 8, 2) | {"dtype": ["F32"]}}, 8),
    "negative shape": ({"a": entry(0, 8, -1, -2)}, 8),
    "boolean shape": ({"a": entry(0, 4) | {"shape": [True]}}, 4),
    "shape past all bounds": ({"a": entry(0, 8, 2**62, 2**62)}, 8),
    "many dimensions": ({"a": entry(0, 4, *[1] * 500)}, 4),
    "another size": ({"a": entry(0, 8, 3)}, 8),
    "past the end": ({"a": entry(0, 16, 4)}, 8),
    "backwards": ({"a": entry(8, 0, 2)}, 8),
    "one offset": ({"a": entry(0, 8, 2) | {"data_offsets": [0]}}, 8),
    "overlap": ({"a": entry(0, 8, 2), "b": entry(4, 12, 2)}, 12),
    "a gap": ({"a": entry(0, 8, 2), "b": entry(12, 20, 2)}, 20),
    "a tail": ({"a": entry(0, 8, 2)}, 4096),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_header_is_refused_with_what_is_wrong(tmp_path: Path, case: str) -> None:
    header, size = HOSTILE[case]
    path = write_weights(tmp_path / "model.safetensors", header, bytes(size))
    with pytest.raises(UnsupportedModel, match=r"no sound safetensors file: its header") as caught:
        read_weights_header(path)
    assert caught.value.cure
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9])
def test_a_file_too_short_for_a_header_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x10" + bytes(length))
    with pytest.raises(UnsupportedModel):
        read_weights_header(path)


@pytest.mark.parametrize("length", [2**63, 2**40, 100_000_000])
def test_a_length_no_header_has_is_refused_without_reading_that_much(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(200_000_000)  # sparse
    with pytest.raises(UnsupportedModel, match="bytes"):
        read_weights_header(path)


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_header_is_read_or_refused(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write_weights(Path(folder) / "model.safetensors", content, b"")
        with pytest.raises(UnsupportedModel):
            read_weights_header(path)


def test_every_kind_we_run_is_found_sound(clip: Path, tmp_path: Path) -> None:
    siglip = siglip_folder(tmp_path / "siglip")
    for folder in (clip, siglip, vision_text_folder(tmp_path / "vision-text")):
        verified = _verify(folder)
        assert verified.is_sound, verified.findings
        assert verified.card is not None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"projection_dim": 32}, "visual_projection.weight is 16 x 24"),
        ({"text_config": {"hidden_size": 24, "vocab_size": 9}}, "token_embedding.weight is 521"),
        ({"vision_config": {"image_size": 32, "patch_size": 4}}, "patch_embedding.weight is 24"),
    ],
    ids=str,
)
def test_weights_of_other_shapes_than_the_config_speaks_of_are_found(
    clip: Path, changes: dict[str, Any], complaint: str
) -> None:
    edit_json(clip / "config.json", **changes)
    failed = [one for one in _verify(clip).findings if one.verdict is Verdict.FAILED]
    assert any(complaint in one.detail for one in failed), failed


def test_a_damaged_header_is_a_finding_and_no_traceback(clip: Path) -> None:
    weights = clip / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    verified = _verify(clip)
    [failed] = [one for one in verified.findings if one.verdict is Verdict.FAILED]
    assert "outside the file" in failed.detail
    assert str(clip) not in failed.detail


def test_what_is_broken_twice_is_told_once(clip: Path) -> None:
    (clip / "config.json").write_text("{", encoding="utf-8")
    verified = _verify(clip)
    assert verified.card is None
    assert len([one for one in verified.findings if one.verdict is Verdict.FAILED]) == 1


def test_pickles_and_code_beside_a_model_are_noted(clip: Path) -> None:
    (clip / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (clip / "modeling.py").write_text("raise SystemExit", encoding="utf-8")
    (clip / "run").write_text("#!/bin/sh", encoding="utf-8")
    (clip / "run").chmod(0o755)
    edit_json(clip / "config.json", auto_map={"AutoModel": "modeling.Evil"})
    verified = _verify(clip)
    assert verified.is_sound
    noted = {one.file for one in verified.findings if one.verdict is Verdict.NOTE}
    assert {"pytorch_model.bin", "modeling.py", "run", "config.json"} <= noted


def test_a_shard_that_lacks_what_its_index_names_is_found(clip: Path) -> None:
    weights = clip / "model.safetensors"
    header = read_weights_header(weights)
    weights.rename(clip / "model-00001-of-00001.safetensors")
    index = {"weight_map": dict.fromkeys([*header, "one.more"], "model-00001-of-00001.safetensors")}
    (clip / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    [failed] = [one for one in _verify(clip).findings if one.verdict is Verdict.FAILED]
    assert "lacks 'one.more'" in failed.detail


@pytest.mark.parametrize(
    "content",
    [
        {"schema": "other"},
        {"files": {"../../secret": "0" * 64}},
        {"files": {"config.json": "short"}},
        {"files": []},
        {"repo": 5},
        {"repo": "a/b; rm -r ."},
        {"commit": "main"},
    ],
    ids=str,
)
def test_a_manifest_that_is_none_of_ours_is_a_finding(clip: Path, content: dict[str, Any]) -> None:
    manifest = {"schema": "clipwarden.model/1", "repo": "a/b", "commit": "0" * 40, "files": {}}
    (clip / "clipwarden-model.json").write_text(json.dumps(manifest | content), encoding="utf-8")
    failed = [one for one in _verify(clip).findings if one.verdict is Verdict.FAILED]
    assert [one.file for one in failed] == ["clipwarden-model.json"]


def test_a_folder_that_was_not_fetched_to_its_end_is_not_sound(clip: Path) -> None:
    manifest = {"schema": "clipwarden.model/1", "repo": "a/b", "commit": "0" * 40, "files": {}}
    (clip / "clipwarden-model.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert not _verify(clip).is_sound
