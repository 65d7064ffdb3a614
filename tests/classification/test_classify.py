"""`clipwarden classify` on real files, with a real process that holds the model."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipwarden.cli.classify import classify
from ingest.geometry import Geometry
from tests.classification.asking import Done, run, sample_photo
from tests.encoders.tiny_models import SIZE_PX, clip_folder, siglip_folder
from tests.media.sampled import sample
from worker.encoders.load import load_encoder
from worker.models.resolve import resolve_model

COLOURS = ("red", "blue", "green", "yellow")
LABELS = ",".join(COLOURS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return siglip_folder(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares")
    for number, colour in enumerate(COLOURS, start=1):
        Image.new("RGB", (40, 30), colour).save(folder / f"{number}.png")
    return folder


def ask(model: Path | str, *words: str | Path, columns: int = 100) -> Done:
    own = ["--model", model, "--precision", "float32"]
    return run(classify, *own, *words, columns=columns)


def asked(model: Path | str, *words: str | Path) -> Any:
    done = ask(model, *words, "--format", "json")
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_starter_tells_a_palace_from_a_flower() -> None:
    photos = [sample_photo("china.jpg"), sample_photo("flower.jpg")]
    found = asked("starter", *photos, "--labels", "a palace,a flower,a dog,a truck", "--top-k", "2")
    assert found["mode"] == "single"
    first, second = found["images"]
    assert (first["source"], first["labels"][0]["label"]) == (str(photos[0]), "a palace")
    assert second["labels"][0]["label"] == "a flower"
    assert [len(first["labels"]), len(second["labels"])] == [2, 2]


def test_confidences_are_the_softmax_of_what_the_encoder_computes(
    clip: Path, squares: Path
) -> None:
    found = asked(clip, squares, "-l", LABELS, "--template", "a {}", "--template", "{} paint")
    card = resolve_model(str(clip))
    encoder = load_encoder(card)
    texts = [t.format(c) for c in COLOURS for t in ("a {}", "{} paint")]
    rows = encoder.embed_texts(texts).reshape(4, 2, -1).mean(axis=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    geometry = Geometry("centre", SIZE_PX)
    for number, image in enumerate(found["images"], start=1):
        path = squares / f"{number}.png"
        pixels = sample(path, geometry=geometry).frames[0].pictures[0]
        cosines = encoder.embed_images(pixels[np.newaxis])[0] @ rows.T
        odds = np.exp(card.logit_scale * (cosines - cosines.max()).astype(float))
        wanted = dict(zip(COLOURS, odds / odds.sum(), strict=True))
        assert image["source"] == str(path)
        labels = [one["label"] for one in image["labels"]]
        assert labels == sorted(COLOURS, key=lambda colour: -wanted[colour])
        for one in image["labels"]:
            assert one["confidence"] == pytest.approx(wanted[one["label"]], abs=1e-3)
    assert found["templates"] == ["a {}", "{} paint"]
    assert found["logit_scale"] == card.logit_scale


def test_multi_judges_by_contrast_and_says_what_is_found(clip: Path, squares: Path) -> None:
    words = ["--labels", LABELS, "--multi", "--contrast", "a dog"]
    found = asked(clip, squares, *words, "--top-k", "0", "--threshold", "0.4")
    assert (found["mode"], found["contrast"], found["threshold"]) == ("multi", ["a dog"], 0.4)
    scale = resolve_model(str(clip)).score_scale
    for image in found["images"]:
        assert {one["label"] for one in image["labels"]} == set(COLOURS)
        for one in image["labels"]:
            wanted = 1 / (1 + np.exp(-scale.scale * (one["margin"] - scale.bias)))
            assert one["confidence"] == pytest.approx(wanted, abs=1e-4)
            assert one["found"] == (one["confidence"] >= 0.4)


def test_a_siglip_judges_even_one_label_by_its_own_bias(siglip: Path, squares: Path) -> None:
    found = asked(siglip, squares, "--labels", "dog", "--multi")
    scale, bias = found["logit_scale"], found["logit_bias"]
    assert bias == -3.0
    for image in found["images"]:
        (one,) = image["labels"]
        wanted = 1 / (1 + np.exp(-(scale * one["cosine"] + bias)))
        assert one["confidence"] == pytest.approx(wanted, abs=1e-4)


def test_reading_chooses_from_a_closed_list_of_exact_strings(
    clip: Path, squares: Path, tmp_path: Path
) -> None:
    plates = tmp_path / "plates.txt"
    plates.write_bytes("\ufeffM-AB 123\r\nHH, X 9\r\nm-ab 124\r\n".encode())
    done = ask(clip, squares / "1.png", "--reading", "--labels-from", plates, "-f", "json")
    assert done.status == 0
    found = json.loads(done.stdout)
    assert found["labels"] == ["M-AB 123", "HH, X 9", "m-ab 124"]
    assert {one["label"] for one in found["images"][0]["labels"]} == set(found["labels"])
    assert all('"{}"' in template for template in found["templates"])


def test_words_that_a_tokenizer_reads_alike_are_warned_of(clip: Path, squares: Path) -> None:
    done = ask(clip, squares / "1.png", "--reading", "--labels", "STOP,stop,go")
    assert done.status == 0
    assert "the model reads 'STOP' and 'stop' as the same text" in done.stderr


@pytest.mark.slow
def test_a_prompt_set_is_chosen_from_by_its_nearest_prompts_or_its_own_margins() -> None:
    photo = sample_photo("china.jpg")
    one = asked("starter", photo, "--prompts", "scenes", "--top-k", "0")
    assert sum(label["confidence"] for label in one["images"][0]["labels"]) == pytest.approx(
        1, abs=1e-3
    )
    many = asked("starter", photo, "--prompts", "scenes", "--multi", "--top-k", "0")
    assert many["prompt_set"]["name"] == "scenes"
    found = [label["label"] for label in many["images"][0]["labels"] if label["found"]]
    assert any(label.startswith(("building", "architecture", "city", "outdoor")) for label in found)


def test_an_unreadable_picture_is_told_and_left_out(clip: Path, squares: Path) -> None:
    done = ask(clip, "gone.png", squares / "1.png", "-l", LABELS, "--format", "jsonl")
    assert done.status == 3
    assert "error[media.not_found]: gone.png: no such file." in done.stderr
    answered, failed = map(json.loads, done.stdout.splitlines())
    assert answered["labels"][0]["label"] in COLOURS
    assert (failed["source"], failed["error"]["code"]) == ("gone.png", "media.not_found")


def test_csv_has_a_line_for_each_label_of_each_picture(clip: Path, squares: Path) -> None:
    done = ask(clip, squares, "-l", LABELS, "--top-k", "2", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 8
    assert [row["rank"] for row in rows[:2]] == ["1", "2"]
    assert list(rows[0]) == ["file", "rank", "label", "confidence", "cosine", "found"]
    assert float(rows[0]["confidence"]) >= float(rows[1]["confidence"])


@pytest.mark.parametrize("columns", [60, 100])
def test_the_table_stays_within_the_terminal(clip: Path, squares: Path, columns: int) -> None:
    long = "a very long label of many words that goes on and on and on and never ends at all"
    done = ask(clip, "--from-file", names(squares), "-l", f"red,{long}", columns=columns)
    assert done.status == 0
    lines = done.stdout.splitlines()
    paths = [line for line in lines if line.startswith(str(squares))]
    assert len(paths) == 4
    assert max(len(line) for line in lines if line not in paths) <= columns
    assert "█" in done.stdout
    assert "%" in done.stdout


def names(squares: Path) -> Path:
    path = squares.parent / "names.txt"
    path.write_text("".join(f"{squares / f'{n}.png'}\n" for n in range(1, 5)))
    return path


def test_a_file_gets_all_or_nothing(clip: Path, squares: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "answers.json"
    done = ask(clip, squares, "-l", LABELS, "-f", "json", "-o", output)
    assert (done.status, done.stdout) == (0, "")
    assert len(json.loads(output.read_text())["images"]) == 4
    done = ask(tmp_path / "no model", squares, "-l", LABELS, "-o", tmp_path / "other.json")
    assert (done.status, done.code) == (2, "model.unknown")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["answers.json", "out"]
    done = ask(clip, squares, "-l", LABELS, "-o", tmp_path)
    assert (done.status, done.code) == (1, "output.failed")


def test_truth_names_the_pictures_and_is_measured(
    clip: Path, squares: Path, tmp_path: Path
) -> None:
    found = asked(clip, squares, "-l", LABELS)
    best = {Path(one["source"]).name: one["labels"][0]["label"] for one in found["images"]}
    truth = [{"file": name, "class": label} for name, label in best.items()]
    wrong = next(colour for colour in COLOURS if colour != truth[0]["class"])
    truth[0]["class"] = wrong
    path = squares / "truth.json"
    path.write_text(json.dumps(truth))
    measured = asked(clip, "--truth", path, "-l", LABELS)["accuracy"]
    assert (measured["pictures"], measured["top1"]["hits"], measured["top5"]["hits"]) == (4, 3, 4)
    (confusion,) = measured["confusions"]
    assert (confusion["truth"], confusion["given"]) == (wrong, best["1.png"])
    done = ask(clip, "--truth", path, "-l", LABELS, columns=60)
    assert "top-1 75.0% (95% interval 30.1% to 95.4%)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60


def test_without_labels_the_classes_of_the_truth_are_chosen_from(clip: Path, squares: Path) -> None:
    path = squares / "truth.csv"
    path.write_text("file,class\n1.png,red\n2.png,blue\n")
    found = asked(clip, "--truth", path)
    assert found["labels"] == ["blue", "red"]
    assert [one["class"] for one in found["images"]] == ["red", "blue"]
    assert ask(clip, "--truth", path, "-l", "red,green").status == 2


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-l", ","],
        ["-l", "dog"],
        ["-l", "dog,dog"],
        ["-l", "dog,cat", "--prompts", "scenes"],
        ["-l", "dog,cat", "--contrast", "a cow"],
        ["-l", "dog,cat", "--threshold", "0.3"],
        ["-l", "dog,cat", "--template", "a photo"],
        ["-l", "dog,cat", "--templates", "nonsense"],
        ["-l", "dog", "--multi"],
        ["--prompts", "scenes", "--template", "a {}"],
        ["--prompts", "nonsense"],
        ["--labels-from", "gone.txt"],
        ["--truth", "truth.json", "-l", "dog,cat"],
    ],
)
def test_what_can_not_be_asked_ends_with_status_2(
    clip: Path, squares: Path, words: list[str]
) -> None:
    done = ask(clip, squares, *words)
    assert (done.status, done.stdout) == (2, "")


def test_no_pictures_is_a_usage_error(clip: Path) -> None:
    assert ask(clip, "-l", LABELS).status == 2
