"""The wheel works where nothing but it and its dependencies is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.clips import real_clip

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_wheel_analyses_a_video_from_an_unrelated_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT],
        check=True,
        capture_output=True,
    )
    [wheel] = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, f"{wheel}[starter]"],
        check=True,
    )
    owners = subprocess.run(
        [
            python,
            "-P",
            "-c",
            "import importlib.metadata as m; d = m.packages_distributions();"
            "print([d[name] for name in ('prompts', 'ingest', 'worker', 'clipwarden')])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert owners.stdout.strip() == str([["clipwarden"]] * 4)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [
            tmp_path / "venv" / "bin" / "clipwarden",
            "analyze",
            *("--model", "starter", "--prompts", "standin", "--format", "json"),
            *("--data", tmp_path / "data", "--report", tmp_path / "report.html"),
            real_clip("carphone_pristine.mp4"),
        ],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["flags"]["nsfw"] is True
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert list(elsewhere.iterdir()) == []
