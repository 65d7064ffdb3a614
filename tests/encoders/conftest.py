"""Models to be spoilt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.encoders.tiny_models import clip_folder


@pytest.fixture(scope="session")
def saved_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("saved") / "clip")


@pytest.fixture
def clip(saved_clip: Path, tmp_path: Path) -> Path:
    """A CLIP of one's own, to be spoilt."""
    return shutil.copytree(saved_clip, tmp_path / "clip")
