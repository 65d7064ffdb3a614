"""A truth in the words of a prompt set, and its files in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipwarden.truth.errors import InvalidTruth, TruthMediaMissing, UnknownTruthLabels
from clipwarden.truth.judging import Vocabulary, judge, parse_mappings
from clipwarden.truth.model import Truth, TruthEntry, TruthScene, Wanted
from prompts.schema import PromptSet

LABELS = ("weapons", "weapons.firearm", "weapons.blade", "fruit", "drugs.pills")


def prompt_set() -> PromptSet:
    content = {
        "name": "test",
        "version": "1",
        "description": "For tests.",
        "contrast": ["a wall"],
        "labels": [{"id": label, "prompts": [label]} for label in LABELS],
    }
    content["labels"][3] |= {"aliases": ["apples", "food"]}  # type: ignore[operator, index]
    return PromptSet.model_validate(content)


def truth_of(folder: Path, *tags: str, name: str = "a.mp4") -> Truth:
    (folder / "a.mp4").touch()
    scene = TruthScene(0, 1_000_000, tags, False, None, "[0].scenes[0]")
    return Truth(folder / "truth.json", (TruthEntry(name, (scene,), False, "[0]"),))


@pytest.mark.parametrize(
    ("word", "labels"),
    [
        ("fruit", ("fruit",)),
        ("weapons", ("weapons",)),
        ("weapons.blade", ("weapons.blade",)),
        ("weapons.blade.sword", ("weapons.blade",)),
        ("weapons.bow", ("weapons",)),
        ("drugs", ("drugs",)),
        ("food", ("fruit",)),
        ("knife", ("weapons.blade",)),
        ("gun", ("weapons.firearm", "weapons")),
        ("fruits", ()),
        ("weapon", ()),
    ],
)
def test_a_word_is_a_label_its_parent_its_child_an_alias_or_mapped(
    word: str, labels: tuple[str, ...]
) -> None:
    mappings = parse_mappings(["knife=weapons.blade,gun=weapons.firearm", "gun = weapons"])
    assert Vocabulary(prompt_set(), mappings).labels_of(word) == labels


def test_unknown_words_are_listed_with_a_cure_that_names_a_close_label(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, "weapon", "sky", "fruit")
    with pytest.raises(UnknownTruthLabels) as raised:
        judge(truth, Vocabulary(prompt_set(), {}))
    assert "'weapon' (1), 'sky' (1)" in raised.value.message
    assert "--map weapon=weapons" in raised.value.cure
    assert "--ignore-unknown" in raised.value.cure


def test_unknown_words_can_be_passed_over(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, "weapon", "fruit")
    [media] = judge(truth, Vocabulary(prompt_set(), {}, ignore_unknown=True)).media
    assert media.scenes[0].wanted == (Wanted("fruit", ("fruit",)),)
    assert media.path == tmp_path / "a.mp4"


def test_a_mapping_to_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownTruthLabels, match="no label 'wepons'") as raised:
        Vocabulary(prompt_set(), parse_mappings(["gun=wepons"]))
    assert "weapons" in raised.value.cure
    for text in ("gun", "gun=", "=x", "a=weapons,"):
        with pytest.raises(InvalidTruth, match="--map"):
            parse_mappings([text])


def test_only_some_labels_are_wanted_and_judged_if_you_say_so(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, "weapons.firearm", "fruit")
    judged = judge(truth, Vocabulary(prompt_set(), {}, only=("weapons",)))
    assert judged.labels == ("weapons", "weapons.firearm", "weapons.blade")
    assert [one.tag for one in judged.media[0].scenes[0].wanted] == ["weapons.firearm"]


def test_a_truth_can_say_what_was_looked_for(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, "fruit")
    told = Truth(truth.path, truth.entries, ("fruit", "weapons.blade"))
    assert judge(told, Vocabulary(prompt_set(), {})).labels == ("weapons.blade", "fruit")
    assert judge(truth, Vocabulary(prompt_set(), {})).labels == LABELS


@pytest.mark.parametrize("name", ["../a.mp4", "/etc/passwd", "link/passwd", "x/../../a.mp4"])
def test_names_lead_nowhere_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "link").symlink_to("/etc")
    with pytest.raises(TruthMediaMissing, match="is not inside") as raised:
        judge(truth_of(folder, name=name), Vocabulary(prompt_set(), {}))
    assert "--media" in raised.value.cure


def test_a_name_with_its_whole_path_is_one_inside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    truth = truth_of(folder, name=str(folder / "a.mp4"))
    vocabulary = Vocabulary(prompt_set(), {})
    assert judge(truth, vocabulary).media[0].path == folder / "a.mp4"
    assert judge(truth, vocabulary, tmp_path).media[0].path == folder / "a.mp4"


@pytest.mark.parametrize("name", ["missing.mp4", "x" * 4000])
def test_a_folder_without_any_of_the_files_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(TruthMediaMissing, match="none of the 1 files"):
        judge(truth_of(tmp_path, name=name), Vocabulary(prompt_set(), {}))


def test_what_a_truth_says_of_a_label_depends_on_which_is_wider() -> None:
    firearm, weapon = Wanted("gun", ("weapons.firearm",)), Wanted("arm", ("weapons",))
    either = Wanted("x", ("weapons", "fruit"))
    assert firearm.implies("weapons")
    assert not firearm.accepts("weapons")
    assert firearm.accepts("weapons.firearm")
    assert firearm.allows("weapons")
    assert not firearm.allows("weapons.blade")
    assert weapon.accepts("weapons.blade")
    assert weapon.allows("weapons.blade")
    assert not weapon.implies("weapons.blade")
    assert either.accepts("fruit")
    assert not either.implies("fruit")
    assert not weapon.allows("weaponsmith")
