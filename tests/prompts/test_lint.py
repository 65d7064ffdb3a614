"""What the linter finds in sets that load."""

from __future__ import annotations

import copy
from importlib import resources
from typing import Any

import pytest
import yaml

from prompts import document
from prompts.folding import folded
from prompts.lint import Finding, Severity, TokenLimit, estimated_tokens, lint
from prompts.loader import load_prompt_set, shipped_prompt_sets
from prompts.schema import PromptSet

BASE: dict[str, Any] = {
    "name": "mine",
    "version": "1",
    "description": "Mine.",
    "contrast": ["a tree", "a house"],
}


def found(*labels: dict[str, Any], limit: TokenLimit | None = None, **own: Any) -> list[Finding]:
    text = yaml.safe_dump({**BASE, **own, "labels": list(labels)}, sort_keys=False)
    parsed = document.parse(text.encode())
    prompt_set = PromptSet.model_validate(parsed.content)
    findings = lint(prompt_set, parsed) if limit is None else lint(prompt_set, parsed, limit)
    lines = text.splitlines()
    # Where a finding points, what it speaks of is written.
    assert all(1 <= one.line <= len(lines) for one in findings)
    assert all(one.message and one.cure for one in findings)
    return findings


def codes(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(str(one.severity), one.code, one.key) for one in findings]


def test_a_plain_set_has_no_flaws() -> None:
    assert found({"id": "a", "prompts": ["a gun", "a knife"]}) == []


def test_what_differs_in_case_article_spacing_or_plural_folds_alike() -> None:
    alike = ["a red car", "The Red Cars", "  red   car!", "RED CAR"]
    assert len({folded(text) for text in alike}) == 1
    assert folded("glass") == folded("a glass")
    assert folded("two parties") == folded("two party")
    assert folded("a red car") != folded("a red cat")


def test_the_same_prompt_twice_is_told_with_the_line_of_the_first() -> None:
    (one,) = found({"id": "a", "prompts": ["a gun", "a knife", "Guns"]})
    assert (one.severity, one.code, one.key) == ("warning", "duplicate", "labels[0].prompts[2]")
    first = 10
    assert f"on line {first} already" in one.message
    assert one.line == first + 2


def test_a_prompt_of_two_labels_is_told_but_not_of_a_label_and_its_child() -> None:
    label = {"id": "a", "prompts": ["a gun"]}
    assert codes(found(label, {"id": "b", "prompts": ["Guns"]})) == [
        ("warning", "shared_prompt", "labels[1].prompts[0]")
    ]
    assert found(label, {"id": "a.b", "prompts": ["Guns"]}) == []


def test_a_prompt_that_is_its_own_contrast_after_folding_is_an_error() -> None:
    findings = found({"id": "a", "prompts": ["trees"]}, {"id": "b", "prompts": ["a gun"]})
    assert codes(findings) == [("error", "contradiction", "labels[0].prompts[0]")]


def test_a_parent_compared_with_its_child_is_an_error_and_not_the_other_way_round() -> None:
    parent = {"id": "a", "prompts": ["a weapon"], "contrast": ["a gun"]}
    assert codes(found(parent, {"id": "a.b", "prompts": ["the guns"]})) == [
        ("error", "contradiction", "labels[0].contrast[0]")
    ]
    child = {"id": "a.b", "prompts": ["a gun"], "contrast": ["a knife"]}
    assert found({"id": "a", "prompts": ["a weapon", "a knife"]}, child) == []


def test_contrast_that_the_set_has_already_is_told() -> None:
    own = {"id": "a", "prompts": ["a gun"], "contrast": ["the house", "a cow", "cows"]}
    assert codes(found(own)) == [
        ("warning", "duplicate", "labels[0].contrast[0]"),
        ("warning", "duplicate", "labels[0].contrast[2]"),
    ]


def test_templates_that_change_nothing_are_told() -> None:
    label = {"id": "a", "prompts": ["a gun"]}
    twice = found(label, templates=["a photo of {}", "a photo of the {}"])
    assert codes(twice) == [("warning", "duplicate", "templates[1]")]
    unused = found({**label, "templates": ["{}"]}, templates=["a photo of {}"])
    assert codes(unused) == [("warning", "template", "templates")]
    same = found(
        {**label, "templates": ["a {}"]}, {"id": "b", "prompts": ["a cow"]}, templates=["a {}"]
    )
    assert codes(same) == [("warning", "template", "labels[0].templates")]
    doubled = found({"id": "a", "prompts": ["a photo of a gun"]})
    assert codes(doubled) == [("warning", "template", "labels[0].prompts[0]")]


def test_a_classifier_s_templates_and_contrast_have_no_effect() -> None:
    label = {"id": "a", "classifier": "open_nsfw", "templates": ["{}"], "contrast": ["a cow"]}
    assert codes(found(label)) == [
        ("warning", "template", "labels[0].templates"),
        ("warning", "template", "labels[0].contrast"),
    ]


def test_a_head_that_was_trained_for_another_label_is_told() -> None:
    head = {
        "schema": "clipwarden.head/1",
        "label": "spoons",
        "model_key": "ab" * 8,
        "model_id": "some-model",
        "weights": [0.5],
        "bias": 0.0,
        "trained_on": {"positives": 9, "negatives": 9, "source": "a folder"},
        "created_at": "today",
    }
    # Copies, or YAML would write an alias.
    findings = found(
        {"id": "spoons", "heads": [copy.deepcopy(head)]}, {"id": "forks", "heads": [head]}
    )
    assert codes(findings) == [("warning", "head", "labels[1].heads[0]")]
    assert "was trained for spoons" in findings[0].message


def test_names_that_two_labels_answer_to_are_an_error() -> None:
    findings = found(
        {"id": "fire_arm", "prompts": ["a gun"], "aliases": ["Rifle"]},
        {"id": "b", "prompts": ["a knife"], "aliases": ["Fire Arm", "rifle", "B"]},
    )
    assert codes(findings) == [
        ("error", "alias", "labels[1].aliases[0]"),
        ("error", "alias", "labels[1].aliases[1]"),
        ("warning", "alias", "labels[1].aliases[2]"),
    ]


def test_a_label_that_nothing_flags_is_told_where_there_are_rules() -> None:
    labels = [
        {"id": "a", "prompts": ["a gun"], "action": "allow"},
        {"id": "b.c", "prompts": ["a cow"], "action": "allow"},
        {"id": "d", "prompts": ["a dog"]},
    ]
    assert found(*labels) == []
    rules = [{"id": "r", "labels": ["b"], "min_confidence": 0.5}]
    assert codes(found(*labels, rules=rules)) == [
        ("warning", "threshold", "rules[0].min_confidence"),
        ("warning", "never_flagged", "labels[0].id"),
    ]


def test_nsfw_that_is_allowed_is_an_error() -> None:
    findings = found({"id": "a", "prompts": ["a gun"], "nsfw": True, "action": "allow"})
    assert codes(findings) == [("error", "contradiction", "labels[0].action")]


def test_the_end_of_a_long_prompt_is_told_as_an_error_where_it_is_counted() -> None:
    words = TokenLimit(lambda text: len(text.split()), 8, is_exact=True)
    long = "a man in a red coat with a gun"
    (one,) = found({"id": "a", "prompts": ["a gun", long]}, limit=words)
    assert (one.severity, one.code) == (Severity.ERROR, "too_long")
    assert "has 12 tokens, the model reads 8" in one.message


def test_a_shared_contrast_that_is_too_long_is_told_once() -> None:
    words = TokenLimit(lambda text: len(text.split()), 8, is_exact=True)
    labels = [{"id": name, "prompts": [f"{name} gun"]} for name in ("a", "b", "c")]
    findings = found(*labels, limit=words, contrast=["one two three four five six seven"])
    assert codes(findings) == [("error", "too_long", "contrast[0]")]


def test_without_a_model_a_long_prompt_is_a_warning() -> None:
    (one,) = found({"id": "a", "prompts": ["a man with a gun in his hand " * 9]})
    assert (one.severity, one.code) == (Severity.WARNING, "too_long")
    assert "--model" in one.cure


@pytest.mark.parametrize("text", ["a photo of a dog", "pneumonoultramicroscopic", "犬の写真です"])
def test_the_estimate_is_at_least_a_token_per_word_and_the_two_ends(text: str) -> None:
    assert estimated_tokens(text) >= len(text.split()) + 2


@pytest.mark.parametrize("name", shipped_prompt_sets())
def test_findings_of_shipped_sets_point_at_the_text_they_speak_of(name: str) -> None:
    data = (resources.files("prompts") / "sets" / f"{name}.yaml").read_bytes()
    lines = data.decode().splitlines()
    for one in lint(load_prompt_set(name), document.parse(data)):
        quoted = one.message.split("'")[1]
        assert quoted in lines[one.line - 1]
