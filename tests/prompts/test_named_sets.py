"""The prompt sets that one command names."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipwarden.cli.prompt_sets import named_prompt_sets
from prompts.errors import InvalidPromptSet
from prompts.loader import load_prompt_set

SET = 'name: mine\nversion: "1"\ndescription: Mine.\ncontrast: [a tree]\nlabels:\n'


def test_a_set_that_is_named_twice_is_used_once_wherever_it_lies(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    for path in (first, second):
        path.write_text(f"# {path.name}\n{SET}  - {{id: weapons, prompts: [a gun]}}\n")
    names = ["scenes", str(first), "scenes", str(second)]
    found = named_prompt_sets(names, no_classifiers=False)
    assert found == (load_prompt_set("scenes"), load_prompt_set(str(first)))


def test_two_sets_of_one_name_are_refused_for_results_tell_them_apart_by_it(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(f"{SET}  - {{id: weapons, prompts: [a gun]}}\n")
    second.write_text(f"{SET}  - {{id: weapons, prompts: [a sword]}}\n")
    with pytest.raises(InvalidPromptSet, match=r"same name: .*first\.yaml, .*second\.yaml"):
        named_prompt_sets([str(first), str(second)], no_classifiers=False)
