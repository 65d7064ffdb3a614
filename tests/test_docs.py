"""Documentation that can rot: commands, codes, schema and examples are what the code has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import clipwarden.api.errors  # its classes are known then
import clipwarden.errors
import ingest.errors
import worker.errors  # noqa: F401 - imported so that its classes are known
from clipwarden.main import app
from prompts.errors import ClipwardenError
from prompts.loader import load_prompt_set, shipped_prompt_sets
from worker.document import ResultDocument

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    subcommands = getattr(group, "commands", {})
    if not subcommands:
        yield words
    for name, command in subcommands.items():
        yield from commands(command, (*words, name))


def error_classes(base: type[ClipwardenError]) -> set[type[ClipwardenError]]:
    """The leaves of the tree; some have two parents."""
    kinds = base.__subclasses__()
    return set().union(*(error_classes(kind) for kind in kinds)) if kinds else {base}


@pytest.mark.parametrize("words", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_the_readme_shows_every_command(words: tuple[str, ...]) -> None:
    assert f"clipwarden {' '.join(words)}" in README


def test_every_command_and_option_in_the_readme_exists() -> None:
    root = typer.main.get_command(app)
    examples = re.findall(r"^clipwarden ([^#\n]+)", README, re.MULTILINE)
    assert len(examples) > 8
    for example in examples:
        command: Any = root
        words = example.split()
        while getattr(command, "commands", None):
            command = command.commands[words.pop(0)]
        known = {name for parameter in command.params for name in parameter.opts}
        for word in words:
            assert not word.startswith("-") or word in known, example


def test_the_list_of_error_codes_is_complete() -> None:
    listed = set(re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/errors.md").read_text(), re.M))
    assert listed == {kind.code for kind in error_classes(ClipwardenError)} | {"run.cancelled"}


@pytest.mark.parametrize("package", ["prompts", "ingest", "worker", "clipwarden"])
def test_every_error_stands_in_the_tree_of_its_package(package: str) -> None:
    module = ROOT / package / "errors.py"
    files = [module] if module.exists() else sorted((ROOT / package / "errors").glob("*.py"))
    text = "\n".join(path.read_text() for path in files)
    tree = files[0].read_text().split('"""')[1]
    for name in re.findall(r"^class (\w+)", text, re.M):
        assert re.search(rf"\b{name}\b", tree), name


def test_the_published_schema_is_the_documents() -> None:
    published = json.loads((ROOT / "docs/result-1.schema.json").read_text())
    assert published == ResultDocument.model_json_schema(by_alias=True, mode="serialization")


def test_links_in_the_readme_lead_somewhere() -> None:
    headings = {f"#{words.lower()}" for words in re.findall(r"^## (\w+)$", README, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target in headings or (ROOT / target).exists(), target


def test_the_readme_names_the_shipped_sets_and_the_example_is_valid() -> None:
    for name in shipped_prompt_sets():
        assert f"`{name}`" in README
    assert load_prompt_set(str(ROOT / "docs/example.yaml")).name == "example"


def test_every_dependency_has_its_reason_in_the_readme() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    block = project.split("dependencies = [")[1].split("]\n")[0]
    for name in re.findall(r'^\s+"([A-Za-z0-9-]+)', block, re.M):
        assert name.lower() in README.lower(), name


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in error_classes(ClipwardenError)]
    assert len(codes) == len(set(codes))
    assert clipwarden.errors.ProductError in ClipwardenError.__subclasses__()
    assert ingest.errors.IngestError in ClipwardenError.__subclasses__()
