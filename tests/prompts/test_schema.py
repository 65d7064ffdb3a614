from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from prompts.actions import Action, strongest
from prompts.errors import InvalidPromptSet
from prompts.label import DEFAULT_MAX_GAP_MS, EXIT_FRACTION, Label
from prompts.schema import DEFAULT_TEMPLATES, MAX_TEXTS, PromptSet, expand


def label(**changes: Any) -> Label:
    return Label.model_validate({"id": "weapons.firearm", "prompts": ("a gun",)} | changes)


def prompt_set(**changes: Any) -> PromptSet:
    content = {
        "name": "mine",
        "version": "1",
        "description": "Mine.",
        "contrast": ("a tree",),
        "labels": ({"id": "weapons", "prompts": ("a gun", "a sword")},),
    }
    return PromptSet.model_validate(content | changes)


def test_a_label_of_only_id_and_prompts_gets_the_documented_defaults() -> None:
    made = label()
    assert made.threshold == 0.5
    assert made.exit_threshold == pytest.approx(0.5 * EXIT_FRACTION)
    assert (made.min_frames, made.max_gap_ms) == (2, DEFAULT_MAX_GAP_MS)
    assert (made.nsfw, made.action, made.contrast) == (False, Action.REVIEW, ())


def test_the_exit_threshold_follows_the_threshold_unless_given() -> None:
    assert label(threshold=0.8).exit_threshold == pytest.approx(0.8 * EXIT_FRACTION)
    assert label(threshold=0.8, exit_threshold=None).exit_threshold < 0.8
    assert label(threshold=0.8, exit_threshold=0.8).exit_threshold == 0.8


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "Weapons"),
        ("id", "weapons."),
        ("id", ".weapons"),
        ("id", "weapons..firearm"),
        ("id", "we apons"),
        ("prompts", ()),
        ("prompts", ("",)),
        ("prompts", ("   ",)),
        ("prompts", ("a gun\x1b[31m",)),
        ("templates", ()),
        ("templates", ("a photo",)),
        ("templates", ("{} and {}",)),
        ("threshold", 0.0),
        ("threshold", 1.0),
        ("threshold", float("nan")),
        ("threshold", "0.5"),
        ("exit_threshold", 0.6),
        ("min_frames", 0),
        ("min_frames", True),
        ("max_gap_ms", -1),
        ("snap_ms", -1),
        ("min_duration_ms", 0.5),
        ("within_frames", 1),
        ("classifier", "magic"),
        ("classifier", "open_nsfw"),
        ("nsfw", "yes"),
        ("action", "delete"),
        ("treshold", 0.5),
    ],
)
def test_a_label_refuses_what_it_can_not_mean(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        label(**{key: value})
    first = caught.value.errors()[0]
    assert (first["loc"] + first.get("ctx", {}).get("path", ()))[0] == key


def test_a_label_can_not_be_changed() -> None:
    with pytest.raises(ValidationError):
        label().threshold = 0.1


@pytest.mark.parametrize(
    ("label_id", "parent"),
    [("weapons", None), ("weapons.firearm", "weapons"), ("a.b.c", "a.b")],
)
def test_the_parent_is_the_id_up_to_its_last_dot(label_id: str, parent: str | None) -> None:
    assert label(id=label_id).parent == parent


def test_the_strongest_action_wins_and_none_means_allow() -> None:
    assert strongest([]) is Action.ALLOW
    assert strongest([Action.NOTE, Action.BLOCK, Action.REVIEW]) is Action.BLOCK
    assert sorted(Action, key=lambda action: action.strength) == list(Action)


def test_texts_are_templates_times_prompts_without_repeats_in_a_stable_order() -> None:
    made = prompt_set(
        templates=("a photo of {}", "a sketch of {}"),
        labels=(
            {"id": "one", "prompts": ("a gun",), "contrast": ("a toy",)},
            {"id": "two", "prompts": ("a sword", "a gun"), "templates": ("{}!", "a photo of {}")},
        ),
    )
    assert made.texts() == (
        "a photo of a gun",
        "a sketch of a gun",
        "a photo of a tree",
        "a sketch of a tree",
        "a photo of a toy",
        "a sketch of a toy",
        "a sword!",
        "a photo of a sword",
        "a gun!",
        "a tree!",
    )


def test_a_prompt_that_looks_like_a_format_field_is_left_alone() -> None:
    assert expand(("{} of {0}",), "{0.__class__}") == ("{0.__class__} of {0}",)


def test_a_label_finds_itself_by_id_and_an_unknown_id_is_a_key_error() -> None:
    made = prompt_set()
    assert made.label("weapons") is made.labels[0]
    with pytest.raises(KeyError, match="drugs"):
        made.label("drugs")


def test_the_default_template_is_used_where_none_is_given() -> None:
    made = prompt_set()
    assert made.templates == DEFAULT_TEMPLATES
    assert "a photo of a gun" in made.texts()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"labels": ()}, "list is empty"),
        ({"labels": ({"id": "a", "prompts": ("x",)},) * 2}, "another label"),
        ({"contrast": ()}, "nothing to compare"),
        ({"contrast": ("a gun",)}, "cancel out"),
        ({"name": "no name"}, "pattern"),
        ({"version": 1.0}, "string"),
        ({"contrasts": ()}, "not permitted"),
    ],
)
def test_a_set_refuses_what_does_not_fit_together(
    changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        prompt_set(**changes)


def test_a_set_that_multiplies_into_too_many_texts_is_refused_before_they_are_made() -> None:
    many = tuple(f"{{}} {number}" for number in range(MAX_TEXTS))
    with pytest.raises(ValidationError, match="templates times prompts"):
        prompt_set(templates=many)


def test_the_hash_knows_the_content_and_survives_a_round_trip() -> None:
    made = prompt_set()
    assert PromptSet.model_validate_json(made.model_dump_json()).sha256 == made.sha256
    assert prompt_set(contrast=("a bush",)).sha256 != made.sha256
    assert prompt_set(version="2").sha256 != made.sha256


def test_spelling_out_a_default_does_not_change_the_hash() -> None:
    spelled = {"id": "weapons", "prompts": ("a gun", "a sword"), "threshold": 0.5, "min_frames": 2}
    assert prompt_set(labels=(spelled,)).sha256 == prompt_set().sha256


def test_what_a_set_does_not_use_leaves_its_hash_as_it_was() -> None:
    plain = prompt_set()
    # Computed by the release before there were rules, heads and classifiers.
    assert plain.sha256 == "acb338fe393a331f585d1fb907e6078cb7d40e839e9cd11d573d667eac6cd29b"
    assert plain.sha256 == prompt_set(rules=(), examples=()).sha256
    used = prompt_set(rules=({"id": "much", "labels": ("weapons",), "min_segments": 2},))
    assert used.sha256 != plain.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"rules": ({"id": "much", "labels": ("drugs",)},)},
        {"rules": ({"id": "much", "labels": ()},)},
        {"rules": ({"id": "a", "labels": ("weapons",)}, {"id": "a", "labels": ("weapons",)})},
        {"examples": ({"text": "a gun", "labels": ("drugs",)},)},
        {"examples": ({"labels": ("weapons",)},)},
        {"examples": ({"text": "a gun", "image": "gun.jpg"},)},
        {"examples": ({"image": "../gun.jpg"},)},
        {"examples": ({"image": "/gun.jpg"},)},
        {"examples": ({"text": "a gun", "labels": ("weapons",), "absent": ("weapons",)},)},
    ],
)
def test_rules_and_examples_about_what_is_not_there_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        prompt_set(**change)


def test_a_rule_may_name_a_parent_that_is_no_label_itself() -> None:
    child = {"id": "weapons.blade", "prompts": ("a sword",)}
    made = prompt_set(labels=(child,), rules=({"id": "armed", "labels": ("weapons",)},))
    assert made.rules[0].covers("weapons.blade")
    assert not made.rules[0].covers("weaponsmith")


def test_thresholds_do_not_change_what_a_label_scores_by_and_prompts_do() -> None:
    made = prompt_set(labels=({"id": "weapons", "prompts": ("a gun", "a sword")},))
    same = prompt_set(
        labels=({"id": "weapons", "prompts": ("a sword", "a gun"), "threshold": 0.9},)
    )
    other = prompt_set(contrast=("a tree", "a house"))
    wanted = made.scoring_sha256(made.labels[0])
    assert same.scoring_sha256(same.labels[0]) == wanted
    assert other.scoring_sha256(other.labels[0]) != wanted


def test_a_set_without_classifiers_loses_what_speaks_of_their_labels() -> None:
    made = prompt_set(
        labels=(
            {"id": "weapons", "prompts": ("a gun",)},
            {"id": "nudity", "classifier": "open_nsfw"},
        ),
        rules=(
            {"id": "a", "labels": ("nudity",)},
            {"id": "b", "labels": ("nudity", "weapons"), "action": "block"},
        ),
        examples=({"text": "a gun", "absent": ("nudity",)},),
    )
    left = made.without_classifiers()
    assert [one.id for one in left.labels] == ["weapons"]
    [rule] = left.rules
    assert (rule.id, rule.labels, rule.action) == ("b", ("weapons",), Action.BLOCK)
    assert left.examples == ()
    with pytest.raises(InvalidPromptSet, match="--no-classifiers"):
        prompt_set(labels=({"id": "nudity", "classifier": "open_nsfw"},)).without_classifiers()
