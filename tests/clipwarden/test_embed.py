"""`clipwarden embed` as a user runs it: pictures or texts in, a file of vectors out."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

from ingest.geometry import Geometry
from tests.clipwarden.command import CLIPWARDEN, Product, wait_for
from tests.encoders.tiny_models import DIMENSION, SIZE_PX, TEXTS, clip_folder
from tests.media.sampled import sample
from worker.encoders.load import load_encoder
from worker.models.resolve import resolve_model

GEOMETRY = Geometry("centre", SIZE_PX)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("models") / "tiny")


def drawn(path: Path, seed: int, size: tuple[int, int] = (64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    coarse.resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures in a folder and one below it, beside what is passed over."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(1, 12):
        drawn(folder / f"img{number}.jpg", number, (64 + number, 48))
    drawn(folder / "album" / "Z.PNG", 50)
    (folder / "notes.txt").write_text("not one")
    drawn(folder / ".hidden.jpg", 51)
    (folder / "link.jpg").symlink_to(folder / "img1.jpg")
    return folder


def in_order(photos: Path) -> list[str]:
    return [str(photos / "album" / "Z.PNG"), *(str(photos / f"img{n}.jpg") for n in range(1, 12))]


def own_vectors(model: Path, paths: list[str]) -> NDArray[np.float32]:
    """What the encoder makes of the pixels that `analyze` samples."""
    pixels = np.stack([sample(Path(p), geometry=GEOMETRY).frames[0].pictures[0] for p in paths])
    return load_encoder(resolve_model(str(model))).embed_images(pixels)


def embed(
    product: Product, model: Path, *words: str | Path, status: int = 0
) -> subprocess.CompletedProcess[str]:
    done = product.run("embed", "--model", model, "--precision", "float32", *words)
    assert done.returncode == status, done.stderr
    return done


def listed(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_folder_becomes_vectors_in_natural_order(
    product: Product, model: Path, photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "vectors.npy"
    done = embed(product, model, photos, "--batch-size", "5", "--output", output)
    vectors = np.load(output, allow_pickle=False)
    assert vectors.dtype == np.float32
    assert vectors.shape == (12, DIMENSION)
    assert np.abs(vectors - own_vectors(model, in_order(photos))).max() < 1e-4
    assert (
        "12 pictures; passed over, by their suffix or as hidden files and links: 3" in done.stderr
    )
    facts = listed(output.with_name("vectors.json"))
    assert [row["source"] for row in facts["rows"]] == in_order(photos)
    first = facts["rows"][1]
    assert first["sha256"] == hashlib.sha256((photos / "img1.jpg").read_bytes()).hexdigest()
    assert (first["width"], first["height"]) == (65, 48)
    card = resolve_model(str(model))
    assert facts["schema"] == "clipwarden.vectors/1"
    assert (facts["model"]["id"], facts["model"]["key"]) == ("tiny", card.key)
    assert (facts["precision"], facts["device"]) == ("float32", "cpu")
    assert (facts["geometry"], facts["dimension"]) == (GEOMETRY.name, DIMENSION)
    assert facts["failed"] == []
    assert sorted(path.name for path in output.parent.iterdir()) == ["vectors.json", "vectors.npy"]


def test_bad_pictures_fail_alone_with_a_line_each(
    product: Product, model: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture\n" * 99)
    good = in_order(photos)[:2]
    words: list[str | Path] = [
        good[0],
        "gone.jpg",
        tmp_path / "empty.jpg",
        tmp_path / "text.jpg",
        "https://example.org/a.jpg?key=sesame",
        good[1],
    ]
    output = tmp_path / "vectors.npy"
    done = embed(product, model, *words, "--output", output, status=3)
    codes = ["media.not_found", "media.empty", "media.unreadable", "source.unsupported"]
    lines = [line for line in done.stderr.splitlines() if line.startswith("error[")]
    assert sorted(line[6:].partition("]")[0] for line in lines) == sorted(codes)
    assert np.load(output).shape == (2, DIMENSION)
    facts = listed(tmp_path / "vectors.json")
    assert [row["source"] for row in facts["rows"]] == good
    assert sorted(one["error"]["code"] for one in facts["failed"]) == sorted(codes)
    assert all(one["error"]["cure"] for one in facts["failed"])
    assert "sesame" not in (tmp_path / "vectors.json").read_text() + done.stderr
    assert "2 vectors of 16, 4 failed" in done.stderr


def test_where_everything_fails_the_file_is_empty_and_says_why(
    product: Product, model: Path, tmp_path: Path
) -> None:
    embed(product, model, "gone.jpg", "--output", tmp_path / "v.npy", status=3)
    assert np.load(tmp_path / "v.npy").shape == (0, DIMENSION)
    facts = listed(tmp_path / "v.json")
    assert facts["rows"] == []
    assert facts["failed"][0]["source"] == "gone.jpg"


def test_parquet_holds_the_same_and_all_facts(
    product: Product, model: Path, photos: Path, tmp_path: Path
) -> None:
    embed(product, model, photos, "gone.jpg", "--output", tmp_path / "v.parquet", status=3)
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {
        "source": "string",
        "sha256": "string",
        "width": "int32",
        "height": "int32",
        "text": "string",
        "warnings": "list<element: string>",
        "vector": f"fixed_size_list<element: float not null>[{DIMENSION}]",
    }
    assert table["source"].to_pylist() == in_order(photos)
    assert table["width"].to_pylist()[1:3] == [65, 66]
    assert set(table["text"].to_pylist()) == {None}
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    assert np.abs(vectors - own_vectors(model, in_order(photos))).max() < 1e-4
    facts = json.loads(table.schema.metadata[b"clipwarden"])
    assert facts["model"]["key"] == resolve_model(str(model)).key
    metadata = pyarrow.parquet.read_metadata(tmp_path / "v.parquet").metadata
    failed = json.loads(metadata[b"clipwarden.failed"])
    assert failed["count"] == 1
    assert failed["first"][0]["error"]["code"] == "media.not_found"
    assert [path.name for path in tmp_path.glob("*v*")] == ["v.parquet"]


def test_texts_become_vectors_in_either_form(product: Product, model: Path, tmp_path: Path) -> None:
    texts = [text.strip() for text in TEXTS if text]
    (tmp_path / "list.txt").write_bytes("\r\n\r\n".join(texts[1:]).encode("utf-8-sig"))
    words: list[str | Path] = [
        "--text",
        texts[0],
        "--texts-from",
        tmp_path / "list.txt",
        "--batch-size",
        "3",
    ]
    embed(product, model, *words, "--output", tmp_path / "t.npy")
    wanted = load_encoder(resolve_model(str(model))).embed_texts(texts)
    assert np.abs(np.load(tmp_path / "t.npy") - wanted).max() < 1e-4
    assert [row["text"] for row in listed(tmp_path / "t.json")["rows"]] == texts
    embed(product, model, *words, "--output", tmp_path / "t.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table["text"].to_pylist() == texts
    assert set(table["source"].to_pylist()) == set(table["width"].to_pylist()) == {None}
    assert np.abs(np.array(table["vector"].to_pylist()) - wanted).max() < 1e-4


def test_lists_name_pictures_whatever_their_names_are(
    product: Product, model: Path, tmp_path: Path
) -> None:
    odd = [b"two words.jpg", b"b\xe4d bytes.jpg", "Straße.jpg".encode(), b"-dash.jpg"]
    folder = tmp_path / "odd"
    for number, name in enumerate(odd):
        path = drawn(tmp_path / f"{number}.jpg", number)
        folder.mkdir(exist_ok=True)
        path.rename(Path(folder.as_posix()) / name.decode("utf-8", "surrogateescape"))
    names = b"\n".join(bytes(folder) + b"/" + name for name in odd)
    (tmp_path / "names.txt").write_bytes(names + b"\n")
    embed(product, model, "--from-file", tmp_path / "names.txt", "--output", tmp_path / "v.npy")
    rows = listed(tmp_path / "v.json")["rows"]
    assert [Path(row["source"]).name for row in rows] == [
        "two words.jpg",
        "b\\xe4d bytes.jpg",
        "Straße.jpg",
        "-dash.jpg",
    ]


def test_a_pipe_gives_names_and_takes_vectors(
    product: Product, model: Path, photos: Path, tmp_path: Path
) -> None:
    script = (
        f"printf '%s\\n' {photos}/img1.jpg {photos}/img2.jpg | "
        f"'{CLIPWARDEN}' embed --quiet --precision float32 --model {model} --output - - "
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=200)
    vectors = np.load(io.BytesIO(done.stdout))
    assert np.abs(vectors - own_vectors(model, in_order(photos)[1:3])).max() < 1e-4
    assert done.stderr == b""


def test_a_closed_stdin_is_told(product: Product, model: Path, tmp_path: Path) -> None:
    script = f"'{CLIPWARDEN}' embed --model {model} --output {tmp_path}/v.npy - <&-"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 2, done.stderr
    assert "standard input (-) is closed" in done.stderr


def test_ctrl_c_leaves_neither_files_nor_processes(
    product: Product, model: Path, tmp_path: Path
) -> None:
    large = drawn(tmp_path / "large.png", 1, (3000, 2500))
    (tmp_path / "names.txt").write_text(f"{large}\n" * 5000)
    output = tmp_path / "out" / "v.npy"
    process = product.start(
        "embed", "--model", model, "--from-file", tmp_path / "names.txt", "--output", output
    )
    wait_for(lambda: any(path.stat().st_size > 200 for path in output.parent.glob(".v.npy.*")))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert list(output.parent.iterdir()) == []
    assert list(product.processes()) == []


def test_what_is_there_stays_where_a_run_does_not_end(
    product: Product, model: Path, photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "v.npy"
    output.write_text("of an earlier run")
    large = drawn(tmp_path / "large.png", 1, (3000, 2500))
    (tmp_path / "names.txt").write_text(f"{large}\n" * 5000)
    process = product.start(
        "embed", "--model", model, "--from-file", tmp_path / "names.txt", "--output", output
    )
    found = wait_for(lambda: product.process_running("worker.vectors"))
    wait_for(lambda: any(path.stat().st_size > 200 for path in tmp_path.glob(".v.npy.*")))
    assert found is not None
    found.kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error[worker.failed]" in stderr
    assert "SIGKILL" in stderr
    assert output.read_text() == "of an earlier run"
    assert list(tmp_path.glob(".v*")) == []
    # The next run takes its place.
    embed(product, model, photos / "img1.jpg", "--output", output)
    assert np.load(output).shape == (1, DIMENSION)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--output", "v.txt", "a.jpg"], 1, "names no format"),
        (["--output", "v.npy"], 2, "name pictures or texts"),
        (["--output", "v.npy", "--text", "a", "a.jpg"], 2, "name pictures or texts"),
        (["--output", "v.npy", "--precision", "half", "a.jpg"], 2, "'half'"),
        (["--output", "v.npy", "--model", "nowhere", "a.jpg"], 2, "model.unknown"),
        (["--output", "v.npy", "--device", "tpu", "--model", "starter", "a.jpg"], 2, "device."),
        (["--output", "v.npy", "--from-file", "nowhere.txt"], 2, "nowhere.txt can't be read"),
        (["--output", "v.npy", "-", "--from-file", "-"], 2, "can be read once"),
        (["--output", "v.npy", "--text", os.fsdecode(b"a\xff")], 2, "a text is not UTF-8"),
        (["--output", ".", "--format", "npy", "a.jpg"], 1, "is a folder"),
        (["--output", "..", "--format", "npy", "a.jpg"], 1, "no ordinary file"),
    ],
)
def test_what_can_not_begin_says_why_and_leaves_nothing(
    product: Product, tmp_path: Path, words: list[str], status: int, told: str
) -> None:
    folder = tmp_path / "here"
    drawn(folder / "a.jpg", 1)
    done = product.run("embed", *words, cwd=folder)
    assert done.returncode == status, done.stderr
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert [path.name for path in folder.iterdir()] == ["a.jpg"]
