from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipwarden.cli.prompts import app
from prompts.loader import load_prompt_set, shipped_prompt_sets

BROKEN = "name: mine\nversion: 1\ndescription: Mine.\nlabels: []\n"


def test_list_names_every_shipped_set_in_both_formats() -> None:
    table = CliRunner().invoke(app, ["list"])
    listed = json.loads(CliRunner().invoke(app, ["list", "--format", "json"]).stdout)
    assert [entry["name"] for entry in listed] == list(shipped_prompt_sets())
    assert all(name in table.stdout for name in shipped_prompt_sets())


def test_show_gives_the_whole_set_as_json() -> None:
    ran = CliRunner().invoke(app, ["show", "moderation", "--format", "json"])
    shown = json.loads(ran.stdout)
    assert ran.exit_code == 0
    assert shown["sha256"] == load_prompt_set("moderation").sha256
    assert shown["labels"][2]["exit_threshold"] == pytest.approx(0.3)


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_show_stays_within_the_terminal(columns: int) -> None:
    ran = CliRunner().invoke(app, ["show", "moderation"], env={"COLUMNS": str(columns)})
    assert ran.exit_code == 0
    assert max(map(len, ran.stdout.splitlines())) <= columns


def test_show_of_an_unknown_set_is_one_line_on_stderr_and_exit_code_2() -> None:
    ran = CliRunner().invoke(app, ["show", "moderatoin"])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error[prompts.unknown_set]: ")
    assert "Did you mean moderation?" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_validate_tells_every_mistake_of_every_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    ran = CliRunner().invoke(app, ["validate", "moderation", str(path), "--format", "json"])
    assert ran.exit_code == 2
    good, bad = json.loads(ran.stdout)
    assert (good["valid"], good["errors"]) == (True, [])
    assert (bad["valid"], len(bad["errors"])) == (False, 2)
    lines = ran.stderr.splitlines()
    assert [line.partition(": ")[2] for line in lines] == bad["errors"]
    assert all(line.startswith("error[prompts.invalid_set]: ") for line in lines)


def test_validate_of_good_sets_exits_with_0_and_says_so() -> None:
    ran = CliRunner().invoke(app, ["validate", *shipped_prompt_sets()])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.count("yes") == len(shipped_prompt_sets())


def test_markup_in_a_set_is_printed_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nversion: '1'\ndescription: Mine.\ncontrast: [a tree]\n"
        "labels: [{id: a, prompts: ['[red]a gun[/blue]']}]\n"
    )
    ran = CliRunner().invoke(app, ["show", str(path)], env={"COLUMNS": "120"})
    assert ran.exit_code == 0
    assert "[red]a gun[/blue]" in ran.stdout
