"""Options of `clipwarden classify`, and the question that they make together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.classification.labels import check_labels, read_labels, split_labels
from clipwarden.classification.questions import (
    DEFAULT_THRESHOLD,
    LabelQuestion,
    Question,
    SetQuestion,
)
from clipwarden.classification.templates import Preset, templates_of
from clipwarden.classification.truth import Answers
from clipwarden.cli.picture_words import opened_list
from prompts.loader import load_prompt_set


class AnswerFormat(StrEnum):
    """How answers are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        "-l",
        metavar="A,B,C",
        help="What to choose from; a label with a comma stands in double quotes.",
        show_default=False,
    ),
]
LabelsFrom = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="A file with labels, one a line; - is stdin."),
]
PromptSetName = Annotated[
    str | None,
    typer.Option(
        "--prompts",
        "-p",
        metavar="SET",
        help="Choose among the labels of a prompt set, shipped or a YAML file.",
        show_default=False,
    ),
]
Multi = Annotated[
    bool,
    typer.Option("--multi", help="Judge each label by itself: several can be true, or none."),
]
Contrast = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="With --multi, what labels are compared with in place of each other; again for more.",
        show_default=False,
    ),
]
LabelThreshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        min=0,
        max=1,
        help=f"With --multi, the confidence from which on a label is found: {DEFAULT_THRESHOLD}.",
        show_default=False,
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help='A sentence that labels are put into: "a photo of a {}"; again for more.',
        show_default=False,
    ),
]
Templates = Annotated[
    Preset | None,
    typer.Option(help="Templates by the kind of picture; photo by default."),
]
Reading = Annotated[
    bool,
    typer.Option("--reading", help="Labels are words, plates or digits written in the picture."),
]
TopK = Annotated[int, typer.Option(min=0, help="Labels to show of each picture; 0 for all.")]
Truth = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Right answers to measure against, JSON [{"file", "class"}] or CSV; names the '
        "pictures, too.",
        show_default=False,
    ),
]
AnswersFormat = Annotated[
    AnswerFormat,
    typer.Option("--format", "-f", help="A table for people, the others for programs."),
]


@dataclass(frozen=True)
class Wording:
    """Templates, the user's own and a preset's, and whether labels are words to be read."""

    templates: tuple[str, ...]
    preset: Preset | None
    reads: bool

    @property
    def is_given(self) -> bool:
        """Whether any of it was asked for."""
        return bool(self.templates) or self.preset is not None or self.reads


@dataclass(frozen=True)
class Wish:
    """What to choose from, and whether each label is judged by itself."""

    labels: list[str] | None
    labels_from: str | None
    prompts: str | None
    is_multi: bool
    contrast: list[str] | None
    threshold: float | None

    def question(self, words: Wording, answers: Answers | None) -> Question:
        """Read labels and templates; raises ClassificationError, PromptsError, a usage error."""
        self._check(words, answers)
        if self.prompts is not None:
            return SetQuestion.of(load_prompt_set(self.prompts), is_multi=self.is_multi)
        found = split_labels(self.labels or ())
        if self.labels_from is not None:
            with opened_list(self.labels_from, "--labels-from") as lines:
                found += read_labels(lines, self.labels_from)
        if not self._names_labels and answers is not None:
            found = list(answers.classes)
        return LabelQuestion(
            labels=check_labels(found, fewest=1 if self.is_multi else 2),
            templates=templates_of(words.templates, words.preset, reads=words.reads),
            contrast=check_labels(self.contrast, fewest=1) if self.contrast else (),
            is_multi=self.is_multi,
            threshold=DEFAULT_THRESHOLD if self.threshold is None else self.threshold,
        )

    @property
    def _names_labels(self) -> bool:
        return bool(self.labels) or self.labels_from is not None

    def _check(self, words: Wording, answers: Answers | None) -> None:
        if self._names_labels and self.prompts is not None:
            raise typer.BadParameter("name labels or a prompt set, not both.")
        if not self._names_labels and self.prompts is None and answers is None:
            raise typer.BadParameter(
                "name what to choose from: --labels, --labels-from, --prompts."
            )
        has_own = words.is_given or bool(self.contrast) or self.threshold is not None
        if self.prompts is not None and has_own:
            raise typer.BadParameter("a prompt set brings its templates, contrast and thresholds.")
        if not self.is_multi and (self.contrast or self.threshold is not None):
            raise typer.BadParameter("--contrast and --threshold need --multi.")
