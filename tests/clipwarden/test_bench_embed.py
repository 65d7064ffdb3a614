"""The benchmark of encoders: every runtime has a row, or a reason why it has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipwarden.bench.clips import ClipSpec, write_clip
from clipwarden.bench.embed import LOOP, EmbedPlan, contenders, measure
from clipwarden.bench.flops import flop_per_image
from clipwarden.bench.models import in_precision
from clipwarden.bench.pictures import drawn_pictures, sampled_pictures
from clipwarden.cli import bench_embed
from clipwarden.errors import ProductError
from tests.clipwarden.command import Product
from tests.encoders.tiny_models import clip_folder, siglip_folder, write_json
from worker.errors import ModelUncalibrated
from worker.models.calibration import store_calibration
from worker.models.card import ModelCard
from worker.models.resolve import resolve_model

ROW = {
    "runtime",
    "precision",
    "batch",
    "images_per_s",
    "ratio_to_loop",
    "peak_share",
    "cosine_mean",
    "cosine_centred_worst",
}


@pytest.fixture(scope="module", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave no calibration and no converted model behind in the user's own folders."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def card(folder: Path) -> ModelCard:
    return resolve_model(str(folder))


def plan(card: ModelCard, *devices: str) -> EmbedPlan:
    return EmbedPlan(
        card=card,
        pictures=drawn_pictures(10, card.geometry.size_px),
        devices=devices,
        batch_sizes=(4,),
        repeats=1,
        threads=1,
    )


def test_the_work_of_a_vit_b_32_is_what_open_clips_table_says(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "clip", "projection_dim": 512})
    card = ModelCard.from_json(
        json.dumps(
            {
                "id": "b32",
                "kind": "dual",
                "folder": str(tmp_path),
                "revision": None,
                "weights_sha256": "",
                "precision": "float32",
                "geometry": "centre-224-bicubic",
                "mean": [0, 0, 0],
                "std": [1, 1, 1],
                "dimension": 512,
                "score_scale": {"scale": 1.0, "bias": 0.0},
            }
        )
    )
    assert flop_per_image(card) == pytest.approx(8.82e9, rel=0.002)
    vision = {"patch_size": 16}
    write_json(tmp_path / "config.json", {"model_type": "clip", "vision_config": vision})
    assert flop_per_image(card) == pytest.approx(35.1e9, rel=0.002)


def test_a_siglip_has_no_class_token_and_no_projection(tmp_path: Path, card: ModelCard) -> None:
    siglip = resolve_model(str(siglip_folder(tmp_path / "siglip")))
    with_token, without = flop_per_image(card), flop_per_image(siglip)
    assert with_token is not None
    assert without is not None
    # 17 tokens against 16.
    assert 0.9 < without / with_token < 1


def test_drawn_pictures_are_the_same_every_time_and_unlike_each_other() -> None:
    pictures = drawn_pictures(6, 48)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (6, 48, 48, 3)
    assert np.array_equal(pictures, drawn_pictures(6, 48))
    levels = pictures.reshape(6, -1).astype(float)
    assert np.corrcoef(levels)[np.triu_indices(6, 1)].max() < 0.9
    assert levels.mean(axis=1).std() > 10


def test_pictures_of_a_video_are_spread_over_it(tmp_path: Path, card: ModelCard) -> None:
    clip = write_clip(tmp_path / "clip.mp4", ClipSpec(192, 108, 1.0))
    pictures = sampled_pictures(clip, 4, card.geometry)
    assert pictures.shape == (4, 32, 32, 3)
    assert not np.array_equal(pictures[0], pictures[-1])


@pytest.mark.slow
def test_every_runtime_of_the_cpu_has_a_row_like_the_loops(
    card: ModelCard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    report = measure(plan(card, "cpu"), tmp_path, told.append)
    able, unable = contenders(["cpu"], [4])
    assert [(row.runtime, row.precision) for row in report.rows] == [
        (LOOP, "float32"),
        *((one.runtime, one.precision) for one in able),
    ]
    assert report.missing == unable
    assert report.rows[0].ratio_to_loop == 1.0
    assert {peak.precision for peak in report.peaks} == {one.precision for one in able}
    for row in report.rows:
        assert row.images_per_s > 0
        assert row.peak_share is not None
        assert 0 < row.peak_share < 1
        assert row.cosine_mean > 0.999
    floats = [row for row in report.rows if row.precision == "float32"]
    assert all(row.cosine_centred_worst > 0.9999 for row in floats), "the same pixels everywhere"
    assert any("matrix products" in words for words in told)
    bench_embed._print(report)
    printed = capsys.readouterr().out
    assert LOOP in printed
    assert "torch.compile" in printed


def test_what_a_processor_can_not_compute_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.models.precision.cpu_flags", lambda *_: frozenset())
    able, unable = contenders(["cpu", "openvino"], [8])
    assert {one.precision for one in able} == {"float32", "int8"}
    assert {(one.runtime, one.precision) for one in unable} == {
        ("torch", "bfloat16"),
        ("torch.compile", "bfloat16"),
        ("openvino", "bfloat16"),
    }
    assert all("no bfloat16 instructions" in one.reason for one in unable)


def test_a_model_that_was_never_calibrated_has_no_int8_and_the_cure_is_said(
    tmp_path: Path,
) -> None:
    other = resolve_model(str(siglip_folder(tmp_path / "other")))
    with pytest.raises(ModelUncalibrated, match="clipwarden models calibrate"):
        in_precision(other, "int8")
    assert in_precision(other, "bfloat16").precision == "bfloat16"


def test_a_device_that_is_not_there_is_missing_and_the_others_have_rows(
    card: ModelCard, tmp_path: Path
) -> None:
    report = measure(plan(card, "cuda:99"), tmp_path, lambda words: None)
    assert [row.runtime for row in report.rows] == [LOOP]
    assert [one.runtime for one in report.missing] == ["cuda:99", "cuda:99"]
    assert all("CUDA" in one.reason for one in report.missing)


def test_a_model_that_the_article_can_not_run_ends_the_benchmark(tmp_path: Path) -> None:
    other = resolve_model(str(clip_folder(tmp_path / "other")))
    (other.folder / "preprocessor_config.json").unlink()
    with pytest.raises(ProductError, match="can't run this model"):
        measure(plan(other), tmp_path, lambda words: None)


@pytest.mark.slow
def test_the_command_prints_json(product: Product, folder: Path) -> None:
    words: list[str | Path] = ["bench", "embed", "--model", folder, "--device", "cpu"]
    words += ["--batch-size", "4", "--pictures", "8", "--repeats", "1"]
    done = product.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert all(set(row) >= ROW for row in report["rows"])
    assert report["machine"]["torch"]
    assert report["flop_per_image"] > 0


@pytest.mark.slow
def test_openvino_has_rows_in_all_its_precisions(card: ModelCard, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    store_calibration(card, drawn_pictures(16, card.geometry.size_px, seed=1))
    report = measure(plan(card, "openvino"), tmp_path, lambda words: None)
    able, _ = contenders(["openvino"], [4])
    assert [row.precision for row in report.rows[1:]] == [one.precision for one in able]
    assert {peak.library for peak in report.peaks} <= {"torch", "openvino"}
    assert all(row.cosine_mean > 0.99 for row in report.rows)
