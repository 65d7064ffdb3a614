"""The reader of Dockerfiles, and the rewriting of shell lines for a scratch folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.dockerfile import NotUnderstood, read_instructions, substituted
from tests.docker.shell_words import rewritten, under

ROOT = Path("/scratch")


def test_continued_lines_are_joined_and_comments_within_them_vanish(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text('# first\nRUN one \\\n# between\n    && two\n\nentrypoint ["a b", "c"]\n')
    run, entry_point = read_instructions(path)
    assert (run.line, run.keyword, run.rest) == (2, "RUN", "one && two")
    assert (entry_point.keyword, entry_point.words()) == ("ENTRYPOINT", ["a b", "c"])


@pytest.mark.parametrize(
    "text", ["RUN <<EOF\n", "MAINTAINER me\n", "# syntax=docker/dockerfile:1\n", "RUN a \\\n"]
)
def test_what_is_not_understood_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(text)
    with pytest.raises(NotUnderstood):
        read_instructions(path)


def test_variables_are_put_in_and_other_substitutions_refused() -> None:
    assert substituted("${A}-$B-${C:-d}${E}", {"A": "1", "B": "2"}) == "1-2-d"
    with pytest.raises(NotUnderstood):
        substituted("${A:+b}", {"A": "1"})


def test_the_images_paths_go_under_the_folder_and_the_machines_stay() -> None:
    text = "rm -rf /src && PATH=/opt/a/bin:$PATH tool --to=/home/b > /dev/null; x/opt/y"
    assert under(text, ROOT) == (
        "rm -rf /scratch/src && PATH=/scratch/opt/a/bin:$PATH tool --to=/scratch/home/b "
        "> /dev/null; x/opt/y"
    )


@pytest.mark.parametrize("path", ["/etc/passwd", "/var/lib/apt", "/src/../etc", "/root/x"])
def test_a_path_that_could_be_this_machines_own_is_refused(path: str) -> None:
    with pytest.raises(NotUnderstood):
        under(f"rm -rf {path}", ROOT)


def test_what_needs_root_is_left_out_and_told() -> None:
    line = rewritten('useradd -m "a && b" && install -d -o u -g u -m 700 /home/u && pip x', ROOT)
    assert line.text == "install -d -m 700 /scratch/home/u && pip x"
    assert line.skipped == (
        'useradd -m "a && b"',
        "-o u -g u of: install -d -m 700 /home/u",
    )
    with pytest.raises(NotUnderstood):
        rewritten("if true; then chown u /home/u; fi", ROOT)
