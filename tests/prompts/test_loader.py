from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from prompts.document import MAX_BYTES
from prompts.errors import InvalidPromptSet, UnknownPromptSet
from prompts.loader import load_prompt_set, shipped_prompt_sets
from prompts.schema import PromptSet

GOOD = """\
name: mine
version: "1"
description: Mine.
contrast: [a tree]
labels:
  - id: weapons
    prompts:
      - a gun
  - id: drugs
    prompts: [a syringe]
    threshold: 0.6
"""


def write(folder: Path, text: str | bytes, name: str = "mine.yaml") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def refused(folder: Path, text: str | bytes) -> InvalidPromptSet:
    with pytest.raises(InvalidPromptSet) as caught:
        load_prompt_set(write(folder, text))
    return caught.value


def test_a_file_is_loaded_by_its_path_or_its_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "bare")
    monkeypatch.chdir(tmp_path)
    assert load_prompt_set("mine.yaml") == load_prompt_set("./bare")
    assert load_prompt_set("mine.yaml").label("drugs").threshold == 0.6


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "problem", "cure"),
    [
        ("threshold", "treshold", 11, "labels[1].treshold", "unknown key", "Did you mean thresh"),
        ("contrast", "colour", 4, "colour", "unknown key", "The known keys are name, version"),
        ("0.6", "'0.6'", 11, "labels[1].threshold", "a number", "without quotes"),
        ("0.6", "1.6", 11, "labels[1].threshold", "less than 1", "Correct"),
        ("[a syringe]", "a syringe", 10, "labels[1].prompts", "a list", "after a dash"),
        ("[a syringe]", "[12]", 10, "labels[1].prompts[0]", "text", "in quotes"),
        ('"1"', "1.0", 2, "version", "text", "in quotes"),
        ("description: Mine.\n", "", 1, "description", "missing", "Add it."),
        ("id: drugs", "id: weapons", 9, "labels[1].id", "another label", "Correct"),
        ("id: drugs", "id: Drugs!", 9, "labels[1].id", "form", "lower-case"),
        ("a syringe", "a tree", 10, "labels[1].prompts[0]", "cancel out", "Correct"),
        ("contrast: [a tree]", "", 6, "labels[0].contrast", "nothing to compare", "Correct"),
        ("threshold: 0.6", "action: delete", 11, "labels[1].action", "unknown", "'block'"),
        ("threshold: 0.6", "nsfw: 'no'", 11, "labels[1].nsfw", "true or false", "quotes"),
        ("threshold: 0.6", "templates: ['{}{}']", 11, "labels[1].templates[0]", "once", "Cor"),
        ("threshold: 0.6", "templates: [photo]", 11, "labels[1].templates[0]", "once", "Cor"),
        ("threshold: 0.6", "id: again", 11, "labels[1].id", "twice", "line 9"),
        (
            "  - id: drugs",
            "  - 12\n  - id: drugs",
            9,
            "labels[1]",
            "keys and values",
            "id: weapons",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_cure(
    tmp_path: Path, old: str, new: str, line: int, key: str, problem: str, cure: str
) -> None:
    assert GOOD.count(old) == 1
    error = refused(tmp_path, GOOD.replace(old, new))
    assert error.code == "prompts.invalid_set"
    assert error.message.startswith(f"{tmp_path / 'mine.yaml'}, line {line}, {key}: ")
    assert problem in error.message
    assert cure in error.cure
    assert error.details == (str(error),)


def test_every_mistake_of_a_file_is_told_and_the_message_counts_them(tmp_path: Path) -> None:
    text = GOOD.replace("threshold", "treshold").replace("description", "descripton")
    error = refused(tmp_path, text)
    assert len(error.details) == 3
    assert "(and 2 more)" in error.message
    assert "descripton" in "".join(error.details)
    assert "labels[1].treshold" in error.details[-1]
    assert all("\n" not in line for line in error.details)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: [", "line 1"),
        ("name: x\n  bad: y: z", "line 2: not valid YAML"),
        ("just words", "keys and values"),
        ("- a list", "keys and values"),
        ("", "empty"),
        ("# only a comment", "empty"),
        ("name: a\n---\nname: b", "single document"),
        ("name: !!python/object/apply:os.system ['true']", "the tag"),
        ("version: !!timestamp x", "the tag"),
        ("version: 2024-99-99", "not valid YAML"),
        ("[" * 5000, "nested deeper"),
        ("? [a, b]\n: c", "not valid YAML"),
        (b"name: \xff\xfe", "not UTF-8"),
        (b"name: a\nversion: \x00", "line 2"),
        (b"#" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_usable_yaml_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    error = refused(tmp_path, text)
    assert problem in error.message
    assert error.cure
    assert "\n" not in str(error)


def test_an_alias_bomb_is_refused_at_its_first_alias(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    error = refused(tmp_path, "\n".join(lines))
    assert "line 2: the alias *a0 is refused" in error.message


def test_a_key_that_would_move_the_terminal_cursor_is_shown_escaped(tmp_path: Path) -> None:
    error = refused(tmp_path, GOOD + '"\\e[2Jx": 1\n')
    assert "\x1b" not in str(error)
    assert "x1b" in str(error)


def test_layout_comments_and_key_order_do_not_change_the_hash(tmp_path: Path) -> None:
    rewritten = textwrap.dedent("""\
        # a comment
        labels:
        - {prompts: ["a gun"], id: weapons}
        - threshold: 0.60
          id: 'drugs'
          prompts:
            - >-
              a syringe
        description: "Mine."
        contrast:
        - a tree
        version: '1'
        name: mine
        """)
    first = load_prompt_set(write(tmp_path, GOOD))
    second = load_prompt_set(write(tmp_path, rewritten, "other.yml"))
    assert first.sha256 == second.sha256


def test_an_unknown_name_is_told_with_the_nearest_and_all_shipped_sets() -> None:
    with pytest.raises(UnknownPromptSet) as caught:
        load_prompt_set("moderatoin")
    assert "Did you mean moderation?" in caught.value.cure
    assert all(name in caught.value.cure for name in shipped_prompt_sets())


def test_a_missing_file_is_an_unknown_set(tmp_path: Path) -> None:
    with pytest.raises(UnknownPromptSet, match=r"none\.yaml"):
        load_prompt_set(str(tmp_path / "none.yaml"))


def test_a_folder_is_not_a_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidPromptSet, match="not a file"):
        load_prompt_set(f"{tmp_path}/")


def test_a_shipped_set_is_not_taken_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, GOOD, "moderation")
    monkeypatch.chdir(tmp_path)
    assert load_prompt_set("moderation").name == "moderation"


@pytest.mark.parametrize("name", shipped_prompt_sets())
def test_every_shipped_set_loads_under_its_own_name(name: str) -> None:
    made = load_prompt_set(name)
    assert made.name == name
    assert made == PromptSet.model_validate_json(made.model_dump_json())


def test_the_moderation_set_has_the_documented_labels() -> None:
    made = load_prompt_set("moderation")
    roots = {label.id.partition(".")[0] for label in made.labels}
    assert roots == {
        *("nudity", "swimwear", "violence", "gore", "weapons", "drugs"),
        *("tobacco", "alcohol", "gambling", "hate", "fire", "gesture"),
    }
    assert {"weapons.firearm", "weapons.blade", "weapons.military"} <= {x.id for x in made.labels}
    assert [label.id for label in made.labels if label.nsfw] == ["nudity", "nudity.explicit"]
    assert made.label("nudity").action == "block"
    assert made.classifiers == ("open_nsfw",)
    assert "nudity.explicit" in {label.id for label in made.without_classifiers().labels}


def test_the_stand_in_marks_everything_and_the_scenes_nothing() -> None:
    assert all(label.nsfw for label in load_prompt_set("standin").labels)
    assert "stand-in" in load_prompt_set("standin").description
    assert not any(label.nsfw for label in load_prompt_set("scenes").labels)
