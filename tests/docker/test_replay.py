"""The CPU image's lines work in a clean environment on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CPU = ROOT / "docker" / "cpu.Dockerfile"


def replay(dockerfile: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.docker.replay", dockerfile, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_lines_of_the_cpu_image_give_a_working_installation(tmp_path: Path) -> None:
    done = replay(CPU, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = done.stdout.splitlines()
    assert "  left out, it needs root: useradd --create-home --uid 10001 clipwarden" in told
    assert (tmp_path / "opt/clipwarden/bin/clipwarden").exists()
    # Emptied by the installation's last words; a later line makes it again, as an engine does.
    assert list((tmp_path / "src").iterdir()) == []
    assert (tmp_path / "home/clipwarden/data").stat().st_mode & 0o777 == 0o700
    asked = done.stdout.partition("asked: clipwarden doctor")[2]
    assert "decoder's walls" in asked
    # A table folds it.
    assert str(tmp_path / "home/clipwarden/data") in "".join(asked.split())


def test_a_line_that_fails_ends_the_replay(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    dockerfile.write_text(
        f'FROM python:{version}-slim\nWORKDIR /src\nRUN python -c "raise SystemExit(7)"\n'
        "RUN touch /src/reached\n"
    )
    done = replay(dockerfile, tmp_path / "root")
    assert done.returncode == 1
    assert "error: the line ended with status 7" in done.stdout
    assert not (tmp_path / "root/src/reached").exists()


@pytest.mark.parametrize("base", ["python:3.2-slim", "vault.example/gaudi:1"])
def test_another_base_is_refused(base: str, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {base}\n")
    done = replay(dockerfile, tmp_path / "root")
    assert done.returncode == 2
    assert f"error: FROM {base}" in done.stdout


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = replay(CPU, tmp_path)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
