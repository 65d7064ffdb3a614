"""Options of `clipwarden calibrate`, and what their words mean."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipwarden.calibration.thresholds import Wish, WishKind
from prompts.schema import PromptSet


class MethodName(StrEnum):
    """What is fitted."""

    AUTO = "auto"
    PLATT = "platt"
    ISOTONIC = "isotonic"


PromptSetName = Annotated[
    str, typer.Option("--prompts", "-p", help="A shipped prompt set or a YAML file.")
]
MethodOption = Annotated[
    MethodName,
    typer.Option(
        "--method",
        help="platt is a logistic curve, isotonic are rising steps; auto takes what does best on "
        "scenes it was not fitted on, be it the model's own scale.",
    ),
]
Share = Annotated[
    bool,
    typer.Option(
        "--share/--no-share",
        help="Labels with too few examples get one link, fitted on all labels together; else they "
        "stay uncalibrated.",
    ),
]
Priors = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="LABEL=RATE",
        help="In which part of your footage a label really is, where the truth has it more often: "
        "0.001; give it again for more.",
        show_default=False,
    ),
]
WantedPrecision = Annotated[
    float | None,
    typer.Option(
        "--target-precision",
        metavar="P",
        help="Pick thresholds: this part of the frames that reach them is right.",
        show_default=False,
    ),
]
WantedRecall = Annotated[
    float | None,
    typer.Option(
        "--target-recall",
        metavar="R",
        help="Pick thresholds: this part of the frames that show a label reaches them.",
        show_default=False,
    ),
]
WantedAlarms = Annotated[
    float | None,
    typer.Option(
        "--false-alarms-per-hour",
        metavar="F",
        help="Pick thresholds: of each label no more segments than that are false in an hour.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the calibration goes; by default PROMPTS-MODEL.calibration.json.",
        show_default=False,
    ),
]
NoActivate = Annotated[
    bool, typer.Option("--no-activate", help="Store it, but leave in use what is.")
]
Report = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write an HTML report with plots.", show_default=False),
]
Device = Annotated[
    str,
    typer.Option(help="Where the model runs: cpu, openvino, cuda:1, hpu; not in a service."),
]


def wanted_thresholds(
    precision: float | None, recall: float | None, alarms_per_hour: float | None
) -> Wish | None:
    """What thresholds are to keep, if anything; else a usage error."""
    given: dict[WishKind, float | None] = {
        "precision": precision,
        "recall": recall,
        "false_alarms_per_hour": alarms_per_hour,
    }
    wishes = [Wish(kind, value) for kind, value in given.items() if value is not None]
    if len(wishes) > 1:
        raise typer.BadParameter("thresholds can be picked for one target only.")
    for wish in wishes:
        limit = math.inf if wish.kind == "false_alarms_per_hour" else 1.0
        if not 0 <= wish.value <= limit or math.isinf(wish.value):
            raise typer.BadParameter(f"{wish.value:g} can't be the target of {wish.kind}.")
    return wishes[0] if wishes else None


def given_priors(texts: list[str], prompt_set: PromptSet) -> dict[str, float]:
    """Read `label=rate` texts; a usage error for labels that the set has not, and other rates."""
    found = {}
    known = {label.id for label in prompt_set.labels}
    for text in texts:
        label, _, rate = text.partition("=")
        if label not in known:
            raise typer.BadParameter(
                f"prompt set {prompt_set.name} has no label {label!r}.", param_hint="--prior"
            )
        try:
            found[label] = float(rate)
        except ValueError:
            found[label] = math.nan
        if not 0 < found[label] < 1:
            raise typer.BadParameter(
                f"{text!r}: a rate is a number between 0 and 1.", param_hint="--prior"
            )
    return found
