from __future__ import annotations

import math

import numpy as np
import pytest

from prompts.errors import MissingTextVectors
from prompts.loader import load_prompt_set
from prompts.schema import PromptSet
from prompts.scoring import FRAMES_PER_BLOCK, Vectors, compile_set, confidences, margins

DIMENSION = 24


@pytest.fixture
def prompt_set() -> PromptSet:
    return PromptSet.model_validate(
        {
            "name": "mine",
            "version": "1",
            "description": "Mine.",
            "templates": ("a photo of {}", "a sketch of {}"),
            "contrast": ("a tree", "a house"),
            "labels": (
                {"id": "weapons", "prompts": ("a gun", "a sword"), "contrast": ("a toy",)},
                {"id": "drugs", "prompts": ("a pill",), "templates": ("{}",)},
                {"id": "fire", "prompts": ("flames", "a gun", "smoke")},
            ),
        }
    )


def random_units(count: int, seed: int) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def vectors_of(prompt_set: PromptSet) -> dict[str, Vectors]:
    texts = prompt_set.texts()
    return dict(zip(texts, random_units(len(texts), seed=1), strict=True))


def reference_margin(
    frame: Vectors, prompt_set: PromptSet, label_id: str, vectors: dict[str, Vectors]
) -> float:
    """The definition, one number at a time."""
    label = prompt_set.label(label_id)
    templates = label.templates or prompt_set.templates

    def cosine(prompt: str) -> float:
        mean = [0.0] * DIMENSION
        for template in templates:
            vector = vectors[template.replace("{}", prompt)]
            for axis in range(DIMENSION):
                mean[axis] += float(vector[axis]) / len(templates)
        length = math.sqrt(sum(value * value for value in mean))
        return sum(float(frame[axis]) * mean[axis] / length for axis in range(DIMENSION))

    contrast = prompt_set.contrast + label.contrast
    return max(map(cosine, label.prompts)) - max(map(cosine, contrast))


def test_margins_equal_a_plain_loop_over_the_definition(prompt_set: PromptSet) -> None:
    vectors = vectors_of(prompt_set)
    frames = random_units(7, seed=2)
    compiled = compile_set(prompt_set, vectors)
    scored = margins(frames, compiled)
    assert compiled.labels == ("weapons", "drugs", "fire")
    assert scored.shape == (7, 3)
    assert scored.dtype == np.float32
    expected = [
        [reference_margin(frame, prompt_set, label, vectors) for label in compiled.labels]
        for frame in frames
    ]
    np.testing.assert_allclose(scored, expected, atol=1e-6)


def test_blocks_of_frames_do_not_change_a_score(prompt_set: PromptSet) -> None:
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    frames = random_units(FRAMES_PER_BLOCK + 3, seed=3)
    whole = margins(frames, compiled)
    parts = np.concatenate([margins(frames[:5], compiled), margins(frames[5:], compiled)])
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_no_frames_give_no_scores(prompt_set: PromptSet) -> None:
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    assert margins(np.empty((0, DIMENSION), np.float32), compiled).shape == (0, 3)


def test_a_frame_that_is_a_prompt_scores_for_its_label_and_one_of_contrast_against(
    prompt_set: PromptSet,
) -> None:
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    positive = compiled.prompts[compiled.positives[1]]
    contrast = compiled.prompts[compiled.contrasts[1][:1]]
    assert margins(positive, compiled)[0, 1] > 0
    assert margins(contrast, compiled)[0, 1] < 0


def test_adding_a_label_leaves_the_others_scores_alone(prompt_set: PromptSet) -> None:
    alone = prompt_set.model_copy(update={"labels": prompt_set.labels[:1]})
    vectors = vectors_of(prompt_set)
    frames = random_units(9, seed=4)
    together = margins(frames, compile_set(prompt_set, vectors))
    np.testing.assert_allclose(
        margins(frames, compile_set(alone, vectors))[:, 0], together[:, 0], atol=1e-6
    )


def test_text_vectors_need_not_be_unit_length(prompt_set: PromptSet) -> None:
    vectors = vectors_of(prompt_set)
    stretched = {text: vector * (2 + index) for index, (text, vector) in enumerate(vectors.items())}
    np.testing.assert_allclose(
        compile_set(prompt_set, stretched).prompts,
        compile_set(prompt_set, vectors).prompts,
        atol=1e-6,
    )


def test_a_missing_text_vector_is_named(prompt_set: PromptSet) -> None:
    vectors = vectors_of(prompt_set)
    del vectors["a sketch of a toy"]
    with pytest.raises(MissingTextVectors, match="a sketch of a toy"):
        compile_set(prompt_set, vectors)


@pytest.mark.parametrize("bad", [np.zeros(DIMENSION), np.full(DIMENSION, np.nan), np.ones(3)])
def test_an_unusable_text_vector_is_refused(prompt_set: PromptSet, bad: Vectors) -> None:
    vectors = vectors_of(prompt_set) | {"a photo of a tree": bad.astype(np.float32)}
    with pytest.raises(MissingTextVectors):
        compile_set(prompt_set, vectors)


def test_confidence_is_the_logistic_function_of_the_scaled_margin() -> None:
    drawn = np.array([[-0.2, 0.0, 0.04, 0.1]], np.float32)
    expected = [[1 / (1 + math.exp(-40 * (float(margin) - 0.04))) for margin in drawn[0]]]
    found = confidences(drawn, scale=40.0, bias=0.04)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0, 2] == 0.5


def test_confidence_stays_in_bounds_and_rises_with_the_margin_at_any_scale() -> None:
    drawn = np.linspace(-2, 2, 101, dtype=np.float32)
    for scale in (1.0, 40.0, 1e6):
        found = confidences(drawn, scale=scale, bias=0.0)
        assert found.min() >= 0
        assert found.max() <= 1
        assert (np.diff(found) >= 0).all()


def test_the_moderation_set_compiles_from_one_vector_per_text() -> None:
    prompt_set = load_prompt_set("moderation")
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    assert len(compiled.labels) == len(prompt_set.labels)
    assert all(len(rows) > len(prompt_set.contrast) for rows in compiled.contrasts)
    np.testing.assert_allclose(np.linalg.norm(compiled.prompts, axis=1), 1, atol=1e-6)
