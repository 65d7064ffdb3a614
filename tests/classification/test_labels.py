"""Labels and templates as people write them."""

from __future__ import annotations

import pytest

from clipwarden.classification.errors import InvalidLabels
from clipwarden.classification.labels import check_labels, read_labels, split_labels
from clipwarden.classification.templates import PRESETS, Preset, templates_of


def test_labels_are_split_at_commas_and_quotes_keep_one_together() -> None:
    words = ['dog, cat ,"salt, pepper"', "Bus No. 7"]
    assert split_labels(words) == ["dog", "cat", "salt, pepper", "Bus No. 7"]


def test_empty_places_between_commas_are_no_labels() -> None:
    assert split_labels([",dog,,cat,", ""]) == ["dog", "cat"]


def test_an_open_quote_is_an_error_that_shows_how_to_write_it() -> None:
    with pytest.raises(InvalidLabels, match="--labels-from"):
        split_labels(['"dog,cat'])


def test_a_list_of_labels_keeps_case_and_commas_without_mark_and_carriage_returns() -> None:
    lines = b"\xef\xbb\xbfSTOP\r\n\r\nGive Way, please\r\nM\xc3\xbcnchen\r\n".splitlines(True)
    assert read_labels(lines, "signs.txt") == ["STOP", "Give Way, please", "München"]


def test_a_list_that_is_not_utf8_is_named() -> None:
    with pytest.raises(InvalidLabels, match=r"^signs\.txt is not UTF-8"):
        read_labels([b"M\xfcnchen\n"], "signs.txt")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], "no labels"),
        (["a dog"], "is the only label"),
        (["a dog", "a cat", "a dog"], "'a dog' is there twice"),
        (["a dog", "a\tcat"], "no plain line"),
        (["a dog", "x" * 301], "too long"),
    ],
)
def test_labels_that_can_not_be_chosen_from_are_refused(labels: list[str], words: str) -> None:
    with pytest.raises(InvalidLabels, match=words):
        check_labels(labels)


def test_one_label_will_do_where_it_is_compared_with_something_else() -> None:
    assert check_labels(["a dog"], fewest=1) == ("a dog",)


def test_labels_that_differ_in_case_are_two() -> None:
    assert check_labels(["STOP", "stop"]) == ("STOP", "stop")


@pytest.mark.parametrize("preset", Preset)
def test_every_template_has_one_place_for_the_label_and_stands_once(preset: Preset) -> None:
    templates = PRESETS[preset]
    assert all(template.count("{}") == 1 for template in templates)
    assert len(set(templates)) == len(templates)


def test_photo7_has_seven_templates() -> None:
    assert len(PRESETS[Preset.PHOTO7]) == 7


def test_own_templates_take_the_default_s_place_and_join_a_preset() -> None:
    assert templates_of((), None, reads=False) == PRESETS[Preset.PHOTO]
    assert templates_of((), None, reads=True) == PRESETS[Preset.READING]
    assert templates_of(("a {}",), None, reads=True) == ("a {}",)
    both = templates_of(("a {}", "{}"), Preset.NONE, reads=False)
    assert both == ("{}", "a {}")


@pytest.mark.parametrize("template", ["a photo", "a {} and a {}", "a\n{}", f"{{}}{'x' * 300}"])
def test_a_template_without_one_place_is_refused(template: str) -> None:
    with pytest.raises(InvalidLabels, match="template"):
        templates_of((template,), None, reads=False)
