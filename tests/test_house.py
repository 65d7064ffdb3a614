"""Rules of the house that no linter knows: sizes, and what a module may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGES = ("prompts", "ingest", "worker", "clipwarden")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60


def python_files() -> list[Path]:
    """Every file but migrations, which are lists of columns and never change again."""
    found = [path for top in (*PACKAGES, "tests") for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in found if path.parent.name != "versions"]


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    # Test files may be as long as there are cases.
    if not path.is_relative_to(ROOT / "tests"):
        assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, node.name


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Yield names with their docstrings; `forward` is torch's word and needs none."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name, ast.get_docstring(node)
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, kinds) and not member.name.startswith(("_", "forward")):
                        yield f"{node.name}.{member.name}", ast.get_docstring(member)


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_says_what_it_does(package: str) -> None:
    silent = []
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        if ast.get_docstring(tree) is None:
            silent.append(str(path))
        silent += [f"{path}: {name}" for name, words in public_definitions(tree) if not words]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_is_a_grab_bag(package: str) -> None:
    names = {path.stem for path in (ROOT / package).rglob("*.py")}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


@pytest.mark.parametrize(
    "module",
    [
        "clipwarden.main",
        "clipwarden.analysis",
        "ingest.sampler",
        "ingest.media.child",
        "ingest.media.pictures_child",
        "clipwarden.api.server",
        "worker.finisher",
        "worker.keeper",
        "worker.models.resolve",
    ],
)
def test_processes_without_a_model_never_import_torch(module: str) -> None:
    script = (
        f"import sys, {module}; "
        "print(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_what_is_installed_is_what_pyproject_asks_for() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    versions = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for line in requires("clipwarden") or []:
        requirement = Requirement(line)
        if str(requirement.marker) == 'extra == "gaudi"':
            # It holds transformers back, and can't stand beside what is tested.
            continue
        name = requirement.name.lower().replace("_", "-")
        assert requirement.specifier.contains(versions[name], prereleases=True), line


def test_the_one_public_surface_is_the_console_script() -> None:
    ours = distribution("clipwarden").entry_points
    assert [(point.group, point.value) for point in ours] == [
        ("console_scripts", "clipwarden.main:main")
    ]
