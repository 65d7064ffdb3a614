"""`clipwarden prompts lint` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipwarden.cli.prompts import app
from clipwarden.prompt_tokens import token_limit_of
from prompts.loader import shipped_prompt_sets
from tests.encoders.tiny_models import clip_folder, siglip_folder, vision_text_folder
from worker.encoders.pretrained import load_tokenizer
from worker.errors import UnsupportedModel
from worker.models.resolve import resolve_model

GOOD = """\
name: mine
version: '1'
description: Mine.
contrast: [a tree]
labels:
  - id: a
    prompts:
      - a gun
"""
FLAWED = f"{GOOD}      - Guns\n  - id: b\n    prompts: [trees]\n"


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_good_set_ends_with_0_and_a_summary(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.yaml", GOOD)
    ran = CliRunner().invoke(app, ["lint", name])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == f"0 errors, 0 warnings in {name}.\n"


def test_flaws_are_told_with_file_line_key_and_cure(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.yaml", FLAWED)
    ran = CliRunner().invoke(app, ["lint", name], env={"COLUMNS": "60"})
    assert ran.exit_code == 1
    first, second, summary = ran.stdout.splitlines()
    assert first.startswith(f"{name}, line 9, labels[0].prompts[1]: warning[duplicate]: ")
    assert second.startswith(f"{name}, line 11, labels[1].prompts[0]: error[contradiction]: ")
    assert summary == f"1 error, 1 warning in {name}."


def test_json_has_every_finding_and_the_counts(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.yaml", FLAWED)
    ran = CliRunner().invoke(app, ["lint", name, "--format", "json"])
    report = json.loads(ran.stdout)
    assert report["summary"] == {"sets": 1, "errors": 1, "warnings": 1}
    assert [(one["line"], one["code"]) for one in report["findings"]] == [
        (9, "duplicate"),
        (11, "contradiction"),
    ]
    assert all(one["file"] == name and one["cure"] for one in report["findings"])


def test_all_shipped_sets_are_looked_at_by_default() -> None:
    report = json.loads(CliRunner().invoke(app, ["lint", "--format", "json"]).stdout)
    assert report["summary"]["sets"] == len(shipped_prompt_sets())


def test_a_set_that_can_not_be_loaded_ends_with_2_and_every_mistake(tmp_path: Path) -> None:
    name = written(tmp_path / "bad.yaml", "name: mine\nversion: 1\nlabels: []\n")
    ran = CliRunner().invoke(app, ["lint", name])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.count("error[prompts.invalid_set]: ") == 3
    assert CliRunner().invoke(app, ["lint", "moderatoin"]).exit_code == 2


def with_tokenizer(folder: Path) -> Path:
    """Keep the tokenizer in the form that most published models have it in."""
    load_tokenizer(folder).save_pretrained(folder)
    return folder


def test_a_model_s_own_tokenizer_counts(tmp_path: Path) -> None:
    long = GOOD.replace("a gun", "a very long prompt about a gun and a man and a dog")
    name = written(tmp_path / "mine.yaml", long)
    model = str(with_tokenizer(clip_folder(tmp_path / "model")))
    assert CliRunner().invoke(app, ["lint", name]).exit_code == 0
    ran = CliRunner().invoke(app, ["lint", name, "--model", model])
    assert ran.exit_code == 1
    assert "error[too_long]" in ran.stdout
    assert "the model reads 40" in ran.stdout


def test_counts_are_those_of_the_tokenizer_that_the_encoder_uses(tmp_path: Path) -> None:
    for make, tokens_max in ((clip_folder, 40), (siglip_folder, 20), (vision_text_folder, 30)):
        card = resolve_model(str(with_tokenizer(make(tmp_path / make.__name__))))
        limit = token_limit_of(card)
        tokenizer = load_tokenizer(card.folder)
        assert limit.tokens_max == tokens_max
        assert limit.is_exact
        for text in ("a photo of a dog", "two cats on a red sofa " * 20, "", "Ein Hund läuft 🐕"):
            assert limit.count(text) == len(tokenizer(text)["input_ids"])


def test_the_starter_reads_256_word_pieces() -> None:
    limit = token_limit_of(resolve_model("starter"))
    assert (limit.tokens_max, limit.count("a photo of a dog")) == (256, 7)
    assert limit.count("dog " * 400) == 402


def test_a_model_without_a_tokenizer_file_is_refused_with_a_cure(tmp_path: Path) -> None:
    folder = siglip_folder(tmp_path / "model")
    card = resolve_model(str(folder))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UnsupportedModel, match="can't be read as a tokenizer"):
        token_limit_of(card)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UnsupportedModel, match=r"no tokenizer\.json"):
        token_limit_of(card)
