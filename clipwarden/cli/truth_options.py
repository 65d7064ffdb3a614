"""Options of the commands that set results beside a truth file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipwarden.truth.judging import Vocabulary, judge, parse_mappings
from clipwarden.truth.model import JudgedTruth
from clipwarden.truth.reading import read_truth
from prompts.schema import PromptSet

TruthFile = Annotated[
    Path,
    typer.Option(
        "--truth",
        "-t",
        metavar="FILE",
        help="What people say is in the media: .json, .jsonl or .csv.",
        show_default=False,
    ),
]
MediaFolder = Annotated[
    Path | None,
    typer.Option(
        "--media",
        metavar="DIR",
        help="The folder that the truth's files are in; by default the truth file's own.",
        show_default=False,
    ),
]
Mappings = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="WORD=LABEL",
        help="What a word of the truth means in the prompt set; commas between several, and a word "
        "that is given two labels has either.",
        show_default=False,
    ),
]
IgnoreUnknown = Annotated[
    bool,
    typer.Option(
        "--ignore-unknown",
        help="Take words that mean nothing in the prompt set for nothing to flag.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="LABEL",
        help="Look at this label and those below it alone; give it again for more. By default at "
        "what the truth says was looked for, or at all.",
        show_default=False,
    ),
]


def judged_truth(
    truth_file: Path,
    media: Path | None,
    prompt_set: PromptSet,
    mappings: list[str] | None,
    only: list[str] | None,
    *,
    ignore_unknown: bool,
) -> JudgedTruth:
    """Read a truth file in the labels of a prompt set; raises TruthError."""
    vocabulary = Vocabulary(
        prompt_set,
        parse_mappings(mappings or []),
        ignore_unknown,
        tuple(only) if only else None,
    )
    return judge(read_truth(truth_file), vocabulary, media)
