"""`clipwarden train-head` as a user runs it: examples in, a label of a prompt set out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from prompts.heads import Head
from prompts.loader import load_prompt_set
from tests.clips import RED, real_clip, write_scenes
from tests.clipwarden.command import Product
from tests.encoders.tiny_models import clip_folder
from tests.heads.drawn import write_pictures


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    for name in ("yes", "no"):
        write_pictures(tmp_path / "examples" / name, 24, striped=name == "yes")
    return tmp_path / "examples"


@pytest.mark.slow
def test_a_folder_becomes_a_head_that_a_prompt_set_takes(
    product: Product, model: Path, examples: Path, tmp_path: Path
) -> None:
    (examples / "no" / "broken.png").write_bytes(b"no picture")
    words = ("train-head", "--model", model, "--precision", "float32", "--label", "stripes")
    done = product.run(*words, "--examples", examples)
    assert done.returncode == 3, done.stderr
    assert "broken.png" in done.stderr
    assert "24 examples show it, 24 don't" in done.stdout
    assert "The prompt set has no prompts for it" in done.stdout
    head = Head.model_validate_json((tmp_path / "stripes.head.json").read_bytes())
    assert (head.label, head.trained_on.positives, head.trained_on.negatives) == ("stripes", 24, 24)
    # The model is one of random weights: far above chance is what it can give.
    assert head.measured["auc"] > 0.8

    # The lines it prints are the lines a set needs.
    lines = done.stdout[done.stdout.index("  - id:") :]
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"name: mine\nversion: '1'\ndescription: Mine.\nlabels:\n{lines}")
    label = load_prompt_set(str(mine)).label("stripes")
    assert label.heads == (head,)


@pytest.mark.slow
def test_a_head_is_told_beside_the_prompts_that_the_set_has(
    product: Product, model: Path, examples: Path
) -> None:
    words = ("train-head", "--model", model, "--precision", "float32", "--label", "gesture")
    done = product.run(*words, "--examples", examples, "--output", examples / "g.json")
    assert done.returncode == 0, done.stderr
    assert "head, held out" in done.stdout
    assert "prompts  " in done.stdout
    assert json.loads((examples / "g.json").read_text())["label"] == "gesture"


@pytest.mark.slow
def test_decisions_become_a_head_from_what_is_stored(product: Product, tmp_path: Path) -> None:
    suit, red = tmp_path / "suit.mp4", tmp_path / "red.mp4"
    shutil.copy(real_clip("carphone_pristine.mp4"), suit)
    write_scenes(red, [(RED, 3.0)])
    words = ("--prompts", "standin", "--sample", "fps:5", "--no-report")
    documents = [product.analyze(*words, path) for path in (suit, red)]
    decisions = [
        {"submission": one["video"]["id"], "time_ms": at, "label": "suit", "accepted": shows}
        for one, shows in zip(documents, (True, False), strict=True)
        for at in range(0, 2800, 200)
    ]
    decisions.append({"file": "gone.mp4", "time_ms": 0, "label": "suit", "accepted": True})
    (tmp_path / "decisions.json").write_text(json.dumps(decisions))
    done = product.run(
        *("train-head", "--model", "starter", "--prompts", "standin", "--label", "suit"),
        *("--decisions", tmp_path / "decisions.json"),
    )
    # All frames of a clip are one scene: there is nothing to learn from that would hold elsewhere.
    assert done.returncode == 2, done.stderr
    assert "passed over: gone.mp4: it is not embedded with this model." in done.stderr
    assert "error[head.too_few_examples]: 1 different examples of 14" in done.stderr
    assert not (tmp_path / "suit.head.json").exists()


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("--label", "fire"), "--examples or --decisions"),
        (("--label", "Fire!", "--examples", "x"), "lower-case words"),
        (("--label", "fire", "--examples", "missing"), "error[head.examples_unusable]"),
        (("--label", "fire", "--decisions", "missing.json"), "error[head.invalid_decisions]"),
    ],
)
def test_what_is_wrong_is_told_before_any_work(
    product: Product, words: tuple[str, ...], mentions: str, tmp_path: Path
) -> None:
    done = product.run("train-head", "--model", "starter", *words)
    assert done.returncode == 2
    assert mentions in " ".join(done.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
