"""The decoding benchmark: every row is there, and what is missing is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from clipwarden.bench import contender
from clipwarden.bench.clips import ClipSpec, write_clip
from clipwarden.bench.contender import OTHERS, OURS, Request
from clipwarden.bench.decode import STRATEGIES, Clip, measure
from clipwarden.errors import ProductError
from tests.clipwarden.command import Product

TWO_SECONDS = ClipSpec(192, 108, 2.0)
NEEDS_NOTHING = {*STRATEGIES, "PyAV naive, 1/s", "PyAV AUTO, 1/s"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", TWO_SECONDS)


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide OpenCV, and every ffmpeg, from this process."""
    for module in ("cv2", "imageio_ffmpeg"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("PATH", str(tmp_path))


def run(name: str, path: Path, sampling: str = "") -> contender.Cost:
    return contender.run(Request(name, str(path), sampling, threads=1))


def test_the_made_clip_is_as_long_and_as_large_as_asked(clip: Path) -> None:
    cost = run(OURS, clip, "fps:60")
    assert cost.duration_s == pytest.approx(2.0, abs=0.01)
    assert cost.frames == 60
    bits_per_pixel = 8 * clip.stat().st_size / (60 * 192 * 108)
    assert 0.03 < bits_per_pixel < 0.5, "footage at this quality takes about 0.1"


def test_every_contender_has_a_row_with_figures_or_a_reason(clip: Path) -> None:
    told: list[str] = []
    rows = measure(Clip("108p", clip), threads=2, repeats=1, tell=told.append)
    assert [row.contender for row in rows] == [*STRATEGIES, *OTHERS]
    assert len(told) == len(rows)
    for row in rows:
        if row.note:
            assert row.contender not in NEEDS_NOTHING, row.note
            assert row.note.startswith("not installed: ")
            assert row.x_real_time is None
        else:
            assert row.frames
            assert row.x_real_time
            assert row.cpu_s_per_minute
            assert row.peak_rss_mb
    frames = {row.contender: row.frames for row in rows}
    assert frames["fps:1"] == frames["PyAV naive, 1/s"] == 2
    assert frames["fps:2"] == 4


def test_ratios_are_to_opencvs_read_loop(clip: Path) -> None:
    rows = {row.contender: row for row in measure(Clip("108p", clip), 1, 1, lambda words: None)}
    assert rows["OpenCV read"].ratio == 1.0
    assert rows["OpenCV read"].frames == 60
    assert rows["OpenCV read, keep 1/s"].frames == 2
    assert all(row.ratio for row in rows.values() if not row.note)


@pytest.mark.usefixtures("without_tools")
@pytest.mark.parametrize("name", ["OpenCV read", "OpenCV read, keep 1/s", "ffmpeg fps=1,scale"])
def test_a_tool_that_is_missing_is_said_with_the_cure(name: str, clip: Path) -> None:
    cost = run(name, clip)
    assert "clipwarden[bench]" in cost.missing
    assert cost.frames == 0


def test_a_file_that_we_refuse_ends_the_benchmark_with_its_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    assert "not a video" in run(OURS, path, "fps:1").failed
    with pytest.raises(ProductError, match="not a video"):
        measure(Clip("notes", path), 1, 1, lambda words: None)


def test_the_command_prints_a_table_and_json(product: Product, clip: Path) -> None:
    words = ("bench", "decode", "--clip", clip, "--repeats", "1")
    done = product.run(*words, "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {row["clip"] for row in report["rows"]} == {"clip.mp4"}
    assert len(report["rows"]) == len(STRATEGIES) + len(OTHERS)
    assert report["machine"]["av"]
    done = product.run("bench", "decode", "--height", "120", "--seconds", "1", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    for name in (*STRATEGIES, *OTHERS):
        assert name in done.stdout
    assert "120p" in done.stdout
