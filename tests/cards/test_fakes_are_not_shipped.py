"""The fake cards are for tests: nothing that ships holds them, or asks for them."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*Dockerfile"))
FAKES = ROOT / "tests" / "fakes"


def shipped() -> list[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages: list[str] = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return packages


def test_the_wheel_holds_no_tests() -> None:
    assert shipped() == ["prompts", "ingest", "worker", "clipwarden"]
    for package in shipped():
        assert not list((ROOT / package).rglob("habana_frameworks*"))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_no_image_copies_tests_or_the_whole_tree(dockerfile: Path) -> None:
    text = dockerfile.read_text().replace("\\\n", " ")
    copied = [
        line.split()[1:] for line in text.splitlines() if line[:5].upper() in ("COPY ", "ADD ")
    ]
    copied = [words[:-1] for words in copied if not any(w.startswith("--from") for w in words)]
    sources = {word.strip("./") for words in copied for word in words if not word.startswith("-")}
    assert sources
    assert "" not in sources
    assert not any(source.startswith("tests") or "*" in source for source in sources)


def test_nothing_shipped_names_the_fake() -> None:
    for package in shipped():
        for path in (ROOT / package).rglob("*.py"):
            assert "FAKE_HPU" not in path.read_text(), path


def test_the_fake_says_so_wherever_it_is_opened() -> None:
    files = sorted(FAKES.rglob("*.py"))
    assert files
    for path in files:
        names_it = "fake" in path.read_text().lower()
        assert names_it, json.dumps(str(path))
        assert ast.get_docstring(ast.parse(path.read_text())), path
