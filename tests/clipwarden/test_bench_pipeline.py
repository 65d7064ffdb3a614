"""The benchmark from file to vectors: every way has a row, or a reason why it has none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from clipwarden.bench.clips import ClipSpec, write_clip
from clipwarden.bench.pictures import drawn_pictures
from clipwarden.bench.pipeline import ARTICLE, BARE, PEERS, PRODUCT, ways
from clipwarden.bench.pipeline_report import Entry, Way, reported
from clipwarden.bench.repeating import repeat_clip
from clipwarden.bench.turns import ContenderProcess, module_command
from clipwarden.errors import ProductError
from tests.clipwarden.command import Product
from tests.encoders.tiny_models import clip_folder
from worker.models.calibration import store_calibration
from worker.models.resolve import resolve_model

SECONDS = 4.0
NO_PROCESS = ContenderProcess((), {}, 1)
ARTICLE_WAY = Way(ARTICLE, "fps:1", "cpu", "float32", batch=1)
BARE_WAY = Way(BARE, "fps:1", "cpu", "float32", batch=8)
PRODUCT_WAY = Way(PRODUCT, "fps:1", "cpu", "float32", batch=8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", ClipSpec(192, 108, SECONDS))


@pytest.fixture(scope="module", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave no calibration and no converted model behind in the user's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = clip_folder(tmp_path_factory.mktemp("models") / "clip")
    card = resolve_model(str(folder))
    store_calibration(card, drawn_pictures(16, card.geometry.size_px))
    return folder


def entry(way: Way, **cost: float) -> Entry:
    return Entry(way, None if way.name == PRODUCT else NO_PROCESS, [cost])


def bare(**changes: float) -> Entry:
    figures = {"samples": 100, "wall_s": 2.0, "cpu_s": 2.0, "pure_images_per_s": 100.0}
    figures |= {"queue_empty_s": 0.0, "queue_full_s": 0.0, "decode_s": 1.5, "preprocess_s": 0.1}
    return entry(BARE_WAY, **(figures | changes))


def test_a_repeated_clip_is_decoded_without_a_seam(clip: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    assert repeat_clip(clip, long, 2.5 * SECONDS) == pytest.approx(3 * SECONDS)
    with av.open(str(long)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 3 * SECONDS * 30
    steps = [after - before for before, after in pairwise(times)]
    assert steps == pytest.approx([1 / 30] * len(steps), abs=1e-4)


def test_a_clip_that_is_long_enough_is_taken_once(clip: Path, tmp_path: Path) -> None:
    assert repeat_clip(clip, tmp_path / "same.mp4", 1.0) == pytest.approx(SECONDS)


def test_ratios_are_to_the_article_and_the_product_is_compared_with_the_bare_pipeline() -> None:
    entries = [
        entry(ARTICLE_WAY, samples=100, wall_s=10.0, cpu_s=16.0),
        bare(),
        entry(PRODUCT_WAY, samples=100, wall_s=2.5, decode_s=1.0, embed_s=2.0),
    ]
    article, ours, product = reported(entries, 100.0, {}, {}).rows
    assert (article.ratio, ours.ratio, product.ratio) == (1.0, 5.0, 4.0)
    assert (ours.cpu_ratio, product.cpu_ratio) == (8.0, None)
    assert ours.x_real_time == 50.0
    assert ours.encoder_share == 0.5
    assert (article.to_bare, ours.to_bare, product.to_bare) == (None, None, 0.8)


@pytest.mark.parametrize(
    ("figures", "bound"),
    [
        ({"wall_s": 1.1, "queue_full_s": 0.5}, "embed"),
        ({"wall_s": 1.1, "queue_empty_s": 0.1}, "embed"),
        ({"queue_empty_s": 1.0}, "decode: the encoder waited for it"),
        (
            {"queue_full_s": 1.0, "cpu_s": 1000.0, "decode_s": 399.0, "preprocess_s": 1.0},
            "the cores: decoding took 40% of their time",
        ),
        ({"queue_full_s": 1.0, "cpu_s": 0.5}, "embed"),
    ],
)
def test_what_bounds_a_pipeline_is_named(figures: dict[str, float], bound: str) -> None:
    entries = [entry(ARTICLE_WAY, samples=1, wall_s=1.0), bare(**figures)]
    assert reported(entries, 100.0, {}, {}).rows[1].bound == bound


def test_a_way_that_failed_has_a_reason_and_no_row() -> None:
    entries = [entry(ARTICLE_WAY, samples=1, wall_s=1.0), Entry(PRODUCT_WAY, None)]
    entries[1].add({"reason": "the disk is full"})
    report = reported(entries, 1.0, {}, {})
    assert [row.way for row in report.rows] == [ARTICLE]
    assert [(one.way, one.reason) for one in report.missing] == [(PRODUCT, "the disk is full")]


def test_a_contender_that_dies_is_told_with_its_last_words() -> None:
    with ContenderProcess((sys.executable, "-c", "raise SystemExit('no card')"), {}, 1) as process:
        assert process.reason == "no card"
        assert process.turn({}) is None
    with ContenderProcess(("/nonexistent/python",), {}, 1) as process:
        assert "No such file" in process.reason


def test_a_clip_that_the_article_can_not_read_ends_the_benchmark(folder: Path) -> None:
    settings = {"folder": str(folder)}
    command = module_command("worker.bench.article_video")
    with ContenderProcess(command, settings, 1) as process:
        article = Entry(ARTICLE_WAY, process)
        article.add(process.turn({"clip": "nothing.mp4", "vectors": "nothing.npy"}))
    with pytest.raises(ProductError, match="can't read it"):
        reported([article], 1.0, {}, {})


def test_float32_stands_in_where_the_processor_has_no_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.models.precision.cpu_flags", lambda *_: frozenset())
    assert {way.precision for way in ways(8)} == {"float32", "int8"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_way_has_a_row_and_peers_that_are_missing_are_said(
    product: Product, clip: Path, folder: Path
) -> None:
    pytest.importorskip("openvino")
    seconds = 2 * SECONDS
    words = ("bench", "pipeline", "--model", folder, "--clip", clip, "--batch-size", "4")
    done = product.run(*words, "--minutes", str(seconds / 60), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [(row["way"], row["sampling"], row["precision"]) for row in report["rows"]] == [
        (way.name, way.sampling, way.precision) for way in ways(4)
    ]
    assert {one["way"] for one in report["missing"]} == set(PEERS)
    assert report["machine"]["article's decoder"] in {"OpenCV", "PyAV"}
    for row in report["rows"]:
        per_s = {"fps:1": 1, "fps:2": 2}.get(row["sampling"])
        # `fast` may take one more, and key frames are where the encoder put them.
        if per_s is None:
            assert 1 < row["samples"] <= seconds + 1
        else:
            assert row["samples"] == per_s * seconds
    assert all(row["to_bare"] for row in report["rows"] if row["way"] == PRODUCT)
