"""What is kept of OpenVINO's models: one for everything that differs, and no litter."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.encoders.tiny_models import edit_json, pictures
from worker.encoders.load import load_encoder
from worker.encoders.runtimes.openvino_models import converted_model
from worker.errors import DeviceUnavailable
from worker.models.resolve import resolve_model

_DAY_S = 86_400.0


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of converted models in an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "clipwarden" / "openvino"


@pytest.mark.slow
def test_the_same_weights_with_another_preprocessing_are_another_model(
    clip: Path, kept: Path
) -> None:
    killed, running = kept / ".making-killed", kept / ".making-running"
    for folder in (killed, running):
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(b"part of a model")
    long_ago = time.time() - _DAY_S
    os.utime(killed, (long_ago, long_ago))

    vectors = []
    for mean in ([0.5, 0.5, 0.5], [0.1, 0.4, 0.9]):
        edit_json(clip / "preprocessor_config.json", image_mean=mean)
        card = resolve_model(str(clip))
        pixels = pictures(3, card.geometry.size_px)
        expected = load_encoder(card, "cpu", 4).embed_images(pixels)
        found = load_encoder(card, "openvino", 4).embed_images(pixels)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        vectors.append(found)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3

    assert not killed.exists()
    assert running.exists()
    assert len([folder for folder in kept.iterdir() if folder != running]) == 2


def test_a_cache_that_is_no_folder_is_said_with_the_cure(clip: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True)
    kept.write_text("a file")
    with pytest.raises(DeviceUnavailable, match="can't be written") as caught:
        converted_model(resolve_model(str(clip)))
    assert "XDG_CACHE_HOME" in caught.value.cure
