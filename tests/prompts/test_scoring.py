from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from prompts.compiling import Compared, CompiledSet, Vectors, compile_set, require_heads
from prompts.errors import HeadMissing, MissingTextVectors
from prompts.loader import load_prompt_set
from prompts.schema import PromptSet
from prompts.scoring import PICTURES_PER_BLOCK, logit, margins, nearest

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


def compared(compiled: CompiledSet, column: int) -> Compared:
    found = compiled.columns[column]
    assert isinstance(found, Compared)
    return found


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
    frames = random_units(PICTURES_PER_BLOCK + 3, seed=3)
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
    drugs = compared(compiled, 1)
    positive = compiled.prompts[drugs.positives]
    contrast = compiled.prompts[compiled.pools[drugs.pool][:1]]
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


def test_the_moderation_set_compiles_from_one_vector_per_text() -> None:
    prompt_set = load_prompt_set("moderation")
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    assert len(compiled.labels) == len(prompt_set.labels)
    # The shared pool is compared with once, whatever the number of labels.
    assert [len(pool) for pool in compiled.pools] == [len(prompt_set.contrast)]
    np.testing.assert_allclose(np.linalg.norm(compiled.prompts, axis=1), 1, atol=1e-6)


def test_the_deciding_prompts_are_those_whose_cosines_make_the_margin(
    prompt_set: PromptSet,
) -> None:
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    frames = random_units(50, seed=5)
    scored = margins(frames, compiled)
    for column in range(3):
        found = nearest(frames, compiled, column)
        positive = np.sum(compiled.prompts[found.positives] * frames, axis=1)
        contrast = np.sum(compiled.prompts[found.contrasts] * frames, axis=1)
        np.testing.assert_allclose(positive - contrast, scored[:, column], atol=1e-6)


def test_a_contrast_never_counts_for_less_than_the_floor(prompt_set: PromptSet) -> None:
    compiled = compile_set(prompt_set, vectors_of(prompt_set))
    frames = random_units(50, seed=6)
    free, floored = margins(frames, compiled), margins(frames, compiled, floor=0.3)
    for column in range(3):
        found = nearest(frames, compiled, column, floor=0.3)
        by_floor = found.contrasts == -1
        assert by_floor.any()
        assert not by_floor.all()
        np.testing.assert_array_equal(floored[~by_floor, column], free[~by_floor, column])
        best = np.sum(compiled.prompts[found.positives] * frames, axis=1)
        np.testing.assert_allclose(
            floored[by_floor, column], best[by_floor] - np.float32(0.3), atol=1e-6
        )


def head(model_key: str = "ab" * 8) -> dict[str, object]:
    return {
        "schema": "clipwarden.head/1",
        "label": "spoons",
        "model_key": model_key,
        "model_id": "some-model",
        "weights": [0.5] * DIMENSION,
        "bias": -0.25,
        "trained_on": {"positives": 9, "negatives": 9, "source": "a folder"},
        "created_at": "2026-11-22T00:00:00Z",
    }


def mixed_set() -> PromptSet:
    return PromptSet.model_validate(
        {
            "name": "mine",
            "version": "1",
            "description": "Mine.",
            "contrast": ("a tree",),
            "labels": (
                {"id": "weapons", "prompts": ("a gun",)},
                {"id": "spoons", "heads": (head(),)},
                {"id": "nudity", "classifier": "open_nsfw"},
            ),
        }
    )


def test_a_head_scores_by_its_logit_and_a_classifier_by_that_of_its_probability() -> None:
    prompt_set = mixed_set()
    assert prompt_set.texts() == ("a photo of a gun", "a photo of a tree")
    assert prompt_set.classifiers == ("open_nsfw",)
    compiled = compile_set(prompt_set, vectors_of(prompt_set), "ab" * 8)
    frames = random_units(4, seed=7)
    probabilities = np.array([0, 0.25, 0.5, 1], np.float32)
    scored = margins(frames, compiled, {"open_nsfw": probabilities})
    np.testing.assert_allclose(scored[:, 1], 0.5 * frames.sum(axis=1) - 0.25, atol=1e-5)
    expected = [math.log(1e-6), math.log(1 / 3), 0, -math.log(1e-6)]
    np.testing.assert_allclose(scored[:, 2], expected, rtol=1e-2, atol=1e-6)
    assert np.isfinite(logit(probabilities)).all()


def test_a_head_of_another_model_is_refused_with_the_cure() -> None:
    prompt_set = mixed_set()
    with pytest.raises(HeadMissing, match=r"spoons .* only for some-model.* train-head"):
        compile_set(prompt_set, vectors_of(prompt_set), "cd" * 8)
    with pytest.raises(HeadMissing):
        require_heads(prompt_set, "cd" * 8, "other-model")
    require_heads(prompt_set, "ab" * 8, "some-model")


def test_a_head_of_another_dimension_than_the_vectors_is_told_and_not_tried_again() -> None:
    prompt_set = mixed_set()
    compiled = compile_set(prompt_set, vectors_of(prompt_set), "ab" * 8)
    wide = np.concatenate([random_units(3, seed=1), random_units(3, seed=2)], axis=1)
    narrow = replace(compiled, labels=("spoons",), columns=compiled.columns[1:2])
    with pytest.raises(HeadMissing, match=r"label spoons has \d+ weights, .* have \d+") as caught:
        margins(wide, narrow)
    assert not caught.value.retry_helps
