"""The images' recipes: what a linter says of them, and the rules of ours that it does not know."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docker.dockerfile import Instruction, read_instructions

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
HADOLINT = Path(sys.executable).with_name("hadolint")

each_image = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)


def instructions(path: Path, keyword: str) -> list[Instruction]:
    return [one for one in read_instructions(path) if one.keyword == keyword]


def test_there_is_an_image_for_each_kind_of_device() -> None:
    assert [path.stem for path in DOCKERFILES] == ["cpu", "cuda", "gaudi"]


@each_image
def test_the_linter_has_nothing_to_say(path: Path) -> None:
    done = subprocess.run([HADOLINT, "--no-color", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@each_image
def test_the_linter_is_awake(path: Path, tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(path.read_text().replace("USER 10001", "USER root"))
    done = subprocess.run([HADOLINT, "--no-color", worse], capture_output=True, text=True)
    assert "DL3002" in done.stdout


@each_image
def test_the_base_is_named_by_release(path: Path) -> None:
    [base] = instructions(path, "FROM")
    tag = base.rest.rpartition(":")[2]
    assert re.search(r"\d|\$\{\w+\}", tag)
    assert "latest" not in path.read_text()


@each_image
def test_the_last_user_is_the_same_ordinary_one(path: Path) -> None:
    *_, user = instructions(path, "USER")
    assert user.rest == "10001"
    after = read_instructions(path)
    assert not [one for one in after[after.index(user) :] if one.keyword in ("RUN", "COPY", "ADD")]
    assert "useradd --create-home --uid 10001 clipwarden" in path.read_text()


@each_image
def test_nothing_but_the_product_is_copied(path: Path) -> None:
    copied = {word for one in instructions(path, "COPY") for word in one.words()[:-1]}
    packages = {"prompts", "ingest", "worker", "clipwarden"}
    files = {"pyproject.toml", "README.md", "LICENSE", "requirements"}
    helper = {"docker/gaudi_base.py"} if path.stem == "gaudi" else set()
    assert copied == packages | files | helper
    assert not instructions(path, "ADD")


@each_image
def test_a_build_may_see_what_is_copied_and_nothing_else(path: Path) -> None:
    ignored = Path(f"{path}.dockerignore").read_text().splitlines()
    lines = [line for line in ignored if line and line[0] != "#"]
    copied = {word for one in instructions(path, "COPY") for word in one.words()[:-1]}
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line[0] == "!"} == copied
    # A later line wins: what is never wanted comes after what is.
    assert lines[-1] == "**/__pycache__"


@each_image
def test_no_secret_and_no_index_is_written_into_an_image(path: Path) -> None:
    for one in [*instructions(path, "ENV"), *instructions(path, "ARG")]:
        assert not re.search(r"PASSWORD|SECRET|TOKEN|_KEY|REDIS_URL", one.rest, re.IGNORECASE)
        assert "://" not in one.rest


@each_image
def test_every_extra_exists(path: Path) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [extras] = [one for one in instructions(path, "ARG") if one.rest.startswith("EXTRAS=")]
    assert set(extras.rest.removeprefix("EXTRAS=").split(",")) <= set(known)


@each_image
def test_folders_that_volumes_cover_belong_to_the_user(path: Path) -> None:
    made = " ".join(one.rest for one in instructions(path, "RUN"))
    [environment] = [one.pairs() for one in instructions(path, "ENV") if "HF_HOME" in one.rest]
    folders = {environment["CLIPWARDEN_DATA"], environment["HF_HOME"], "/home/clipwarden/blobs"}
    if path.stem == "gaudi":
        folders.add(environment["PT_HPU_RECIPE_CACHE_CONFIG"].split(",")[0])
    owned = re.search(r"install -d -o clipwarden -g clipwarden -m 700 ([^&]+)$", made)
    assert owned is not None
    assert set(owned[1].split()) == folders


@each_image
def test_what_is_made_of_models_is_kept_where_the_models_are(path: Path) -> None:
    [environment] = [one.pairs() for one in instructions(path, "ENV") if "HF_HOME" in one.rest]
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        assert environment[name].startswith(environment["HF_HOME"] + "/")


@each_image
def test_no_line_goes_on_in_a_folder_that_it_removed(path: Path) -> None:
    removing = [one.rest for one in instructions(path, "RUN") if "rm -rf /src" in one.rest]
    assert removing
    assert all(line.endswith("&& rm -rf /src") for line in removing)


def test_the_readme_says_that_no_image_was_ever_built() -> None:
    readme = (ROOT / "docker" / "README.md").read_text()
    for path in DOCKERFILES:
        [row] = [line for line in readme.splitlines() if line.startswith(f"| `{path.name}`")]
        assert "never built" in row
