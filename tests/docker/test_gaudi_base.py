"""The Gaudi image's guard: torch and its bridge stay the base image's own.

The base here is a folder of made-up distributions on Python's path, called stand-ins: the real
ones come with the vendor's image alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "docker" / "gaudi_base.py"


def install_stand_in(folder: Path, name: str, version: str, module: str) -> None:
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text("raise ImportError('a build has no card')")
    facts = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (facts / "RECORD").write_text(f"{module}/__init__.py,,\n")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    install_stand_in(folder, "torch", "2.10.0a0+hpu", "torch")
    install_stand_in(folder, "habana-torch-plugin", "1.24.0.1007", "habana_frameworks")
    install_stand_in(folder, "numpy", "1.26.4", "numpy")
    for package in ("prompts", "ingest", "worker", "clipwarden"):
        (folder / package).mkdir()
    ours = folder / "clipwarden-1.0.dist-info"
    ours.mkdir()
    (ours / "METADATA").write_text("Metadata-Version: 2.1\nName: clipwarden\nVersion: 1.0\n")
    lines = [f"{name}/__init__.py,,\n" for name in ("prompts", "ingest", "worker", "clipwarden")]
    (ours / "RECORD").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with nothing installed."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=False)
    return folder / "venv" / "bin" / "python"


def run(python: Path, path: list[Path], *words: str | Path) -> subprocess.CompletedProcess[str]:
    places = os.pathsep.join(map(str, path))
    return subprocess.run(
        [python, "-P", TOOL, *words],
        env={**os.environ, "PYTHONPATH": places},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_an_untouched_base_is_recognised(python: Path, base: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.json"
    done = run(python, [base], "record", recorded)
    assert done.returncode == 0, done.stderr
    assert "2.10.0a0+hpu" in done.stdout
    done = run(python, [base], "verify", recorded)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_torch_before_the_bases_is_noticed(
    python: Path, base: Path, tmp_path: Path
) -> None:
    recorded = tmp_path / "recorded.json"
    run(python, [base], "record", recorded)
    install_stand_in(tmp_path / "venv", "torch", "2.13.0", "torch")
    done = run(python, [tmp_path / "venv", base], "verify", recorded)
    assert done.returncode == 1
    assert "torch was ['2.10.0a0+hpu'" in done.stderr
    assert "and is ['2.13.0'" in done.stderr


def test_a_package_of_our_name_in_the_base_is_noticed(
    python: Path, base: Path, tmp_path: Path
) -> None:
    recorded = tmp_path / "recorded.json"
    run(python, [base], "record", recorded)
    install_stand_in(tmp_path / "more", "somebody-elses", "1.0", "worker")
    done = run(python, [base, tmp_path / "more"], "verify", recorded)
    assert done.returncode == 1
    assert "the package worker belongs to ['clipwarden', 'somebody-elses']" in done.stderr


def test_without_the_bridge_nothing_is_recorded(python: Path, tmp_path: Path) -> None:
    done = run(python, [], "record", tmp_path / "recorded.json")
    assert done.returncode == 1
    assert "torch is not here" in done.stderr
    assert not (tmp_path / "recorded.json").exists()


def test_everything_but_torch_is_asked_for(python: Path) -> None:
    done = run(python, [], "requirements", "pyproject.toml", "postgres,s3")
    names = [line.split(">")[0].split("~")[0] for line in done.stdout.splitlines()]
    assert {"transformers", "numpy", "psycopg[binary]", "s3fs"} <= set(names)
    assert "torch" not in names
    assert not [name for name in names if name.startswith("optimum")]


def test_the_bases_own_versions_take_the_place_of_ours(python: Path, base: Path) -> None:
    done = run(python, [base], "constraints", "requirements/constraints.txt")
    lines = done.stdout.splitlines()
    assert "numpy==1.26.4" in lines
    assert "torch==2.10.0a0+hpu" in lines
    assert "habana-torch-plugin==1.24.0.1007" in lines
    ours = (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
    changed = {"torch", "numpy"}
    kept = [line for line in ours if "==" in line and line.split("==")[0] not in changed]
    assert set(kept) <= set(lines)
    assert not set(lines) & {line for line in ours if line.split("==")[0] in changed}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_image_installs_is_to_be_had_for_its_python_and_brings_no_torch(
    python: Path, base: Path, tmp_path: Path
) -> None:
    wanted, versions = tmp_path / "requirements.txt", tmp_path / "constraints.txt"
    wanted.write_text(run(python, [], "requirements", "pyproject.toml", "postgres,s3").stdout)
    versions.write_text(run(python, [base], "constraints", "requirements/constraints.txt").stdout)
    report = tmp_path / "report.json"
    words = ["install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:"]
    words += ["--python-version", "3.12", "--target", str(tmp_path), "--report", str(report)]
    subprocess.run(
        [sys.executable, "-m", "pip", *words, "-r", wanted, "-c", versions],
        check=True,
        capture_output=True,
    )
    found = {
        one["metadata"]["name"].lower(): one["metadata"]["version"]
        for one in json.loads(report.read_text())["install"]
    }
    assert not [name for name in found if name.startswith(("torch", "optimum", "nvidia"))]
    assert found["numpy"] == "1.26.4"
    assert int(found["transformers"].split(".")[0]) == 5
