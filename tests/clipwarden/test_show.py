"""Results for people: whole in a pipe, and readable on any terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from clipwarden.cli.show import print_documents
from prompts.actions import Action
from prompts.links import Logistic
from tests.report.samples import make_segment, make_video
from worker.document import Explanation, ResultDocument

LABEL = "harm.weapon_in_hand"


def shown(document: ResultDocument, columns: int, *, terminal: bool) -> str:
    buffer = io.StringIO()
    console = Console(
        file=buffer, width=columns, force_terminal=terminal, color_system=None, legacy_windows=False
    )
    print_documents(console, [document])
    return buffer.getvalue()


def starter_document() -> ResultDocument:
    segments = [
        make_segment(LABEL, 3_600_000, 3_604_500, action=Action.REVIEW, nsfw=True),
        make_segment(LABEL, 3_610_000, 3_612_000, action=Action.REVIEW, nsfw=True),
    ]
    return make_video(segments, warnings=("the end is cut off, " * 8,)).document


@pytest.mark.parametrize("columns", [30, 36, 42, 60, 100])
def test_every_fact_of_a_segment_is_seen_on_any_terminal(columns: int) -> None:
    text = shown(starter_document(), columns, terminal=True)
    assert max(map(len, text.splitlines())) <= columns
    unwrapped = " ".join(text.split())
    for fact in ("1:00:00.0", "1:00:04.5", "1:00:10.0", "0.90", "review NSFW"):
        assert fact in unwrapped
    # A column narrower than the label folds it, and every piece is there.
    assert LABEL in unwrapped or columns == 60


@pytest.mark.parametrize("columns", [30, 36, 42])
def test_a_narrow_terminal_gets_a_line_per_segment(columns: int) -> None:
    text = " ".join(shown(starter_document(), columns, terminal=True).split())
    assert f"1:00:00.0 to 1:00:04.5 {LABEL} 0.90 review NSFW" in text
    assert "frames action" not in text


def test_a_wide_terminal_gets_a_table() -> None:
    lines = shown(starter_document(), 100, terminal=True).splitlines()
    assert any(
        line.split() == ["start", "end", "label", "conf", "frames", "action"] for line in lines
    )
    assert sum(LABEL in line for line in lines) == 2


def test_the_narrowest_table_folds_a_label_and_loses_nothing_of_it() -> None:
    lines = shown(starter_document(), 60, terminal=True).splitlines()
    header = next(line for line in lines if "label" in line)
    start, end = header.index("label"), header.index("conf") - 1
    rows = lines[lines.index(header) + 1 :]
    pieces = [line[start:end].strip() for line in rows[: len(LABEL)]]
    assert "".join(pieces).startswith(LABEL + LABEL)


def test_sentences_are_whole_in_a_pipe_however_narrow() -> None:
    document = starter_document()
    lines = shown(document, 30, terminal=False).splitlines()
    assert any(
        line.startswith("The starter model is") and line.endswith("Use --model for a real one.")
        for line in lines
    )
    assert any(line.count("the end is cut off") == 8 for line in lines)
    assert f"  1:00:00.0 to 1:00:04.5 {LABEL} 0.90 review NSFW" in lines


def test_markup_in_a_label_is_shown_as_it_is() -> None:
    document = make_video([make_segment("[red]x[/red]")]).document
    assert all("[red]x[/red]" in shown(document, columns, terminal=True) for columns in (42, 100))


def test_the_headline_says_which_frames_were_looked_at() -> None:
    document = make_video(sampling="shots:3", cuts_ms=(1000, 2000)).document
    text = shown(document, 100, terminal=False)
    assert "0:10.0, 640x360 h264, 20 frames (shots, 3 frames each, 2 cuts)  allow" in text


def test_a_terminal_with_room_says_what_decided_and_a_narrower_one_leaves_it_out() -> None:
    document = starter_document()
    explanation = Explanation(
        scored_by="prompts",
        link=Logistic(scale=1.0, bias=0.0),
        calibrated=False,
        threshold=0.5,
        exit_threshold=0.3,
        times_ms=(0,),
        margins=(0.1,),
        confidences=(0.9,),
        vectors=((0, 0),),
        because="a rifle decided",
    )
    segments = tuple(
        one.model_copy(update={"explanation": explanation}) for one in document.segments
    )
    told = document.model_copy(update={"segments": segments})
    assert shown(told, 100, terminal=True).count("a rifle decided") == 2
    assert "rifle" not in shown(told, 99, terminal=True)
