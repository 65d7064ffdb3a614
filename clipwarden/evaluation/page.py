"""An evaluation as an HTML page: figures, precision-recall curves, every mistake."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeVar

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipwarden.evaluation.curves import Curve
from clipwarden.evaluation.report import Evaluation
from clipwarden.evaluation.run import LabelFigures
from clipwarden.evaluation.wording import (
    ALL_LABELS,
    Cell,
    file_cells,
    frame_cells,
    in_sample_words,
    interval_words,
    mistake_words,
    scene_cells,
    share,
)
from clipwarden.report.wording import clock, count, short_hash, visible

T = TypeVar("T")

SIDE_PX: Final = 220
"""Height and width of a curve's square."""

_POLICY: Final = "default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class _Fact:
    name: str
    value: str
    note: str | None = None


@dataclass(frozen=True)
class _Part:
    """A table: a row per label, all of one length."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class _Mark:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class _Plot:
    """A label's curve in pixels, recall to the right and precision up; `mark` is its threshold."""

    label: str
    points: str
    mark: _Mark | None
    summary: str


def render_evaluation(evaluation: Evaluation) -> str:
    """Return a whole HTML page that loads nothing, runs nothing and is the same for the same input.

    It has the looks of the report on a run, and its policy admits exactly that style.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("clipwarden.evaluation"), PackageLoader("clipwarden.report")]
        ),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _read("clipwarden.report", "report.css") + _read(
        "clipwarden.evaluation", "evaluation.css"
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    figures = evaluation.figures
    rows = (figures.overall, *figures.labels)
    page = environment.get_template("evaluation.html").render(
        created=evaluation.created_at.strftime("%Y-%m-%d %H:%M %Z"),
        version=evaluation.version,
        facts_of_run=_facts(evaluation),
        intervals=interval_words(figures.unit),
        caution=in_sample_words(evaluation.prompt_set.calibration),
        parts=[
            *_part("scenes", "Segments against scenes", rows, scene_cells),
            *_part("files", "Files judged as a whole", rows, file_cells),
            *_part("frames", "Confidences of frames", rows, frame_cells),
        ],
        plots=list(_plots(evaluation)),
        side=SIDE_PX,
        mistakes=[(one.file, mistake_words(one), one.kind) for one in figures.mistakes],
        failures=evaluation.failures,
        style=style,
        policy=_POLICY.format(style=f"sha256-{digest}"),
    )
    return page + "\n"


def _facts(evaluation: Evaluation) -> list[_Fact]:
    figures, prompts, model = evaluation.figures, evaluation.prompt_set, evaluation.model
    calibration = prompts.calibration
    footage = clock(round(figures.footage_us / 1000))
    return [
        _Fact("Truth", f"{evaluation.truth}, {short_hash(evaluation.truth_sha256)}"),
        _Fact("Media", f"{count(figures.videos, 'video')}, {count(figures.pictures, 'picture')}"),
        _Fact("Footage", footage),
        _Fact("Model", f"{model.id}, {model.precision}, {short_hash(model.key)}"),
        _Fact("Prompt set", f"{prompts.name} {prompts.version}, {short_hash(prompts.sha256)}"),
        _Fact("Calibration", short_hash(calibration) if calibration else "none"),
        _Fact("Sampling", f"{evaluation.sampling.spec}, {evaluation.sampling.geometry}"),
    ]


def _part(
    part_id: str,
    title: str,
    rows: Sequence[LabelFigures],
    cells_of: Callable[[LabelFigures], list[Cell]],
) -> list[_Part]:
    """The table, or none where no label has such figures."""
    filled = [(row.label or ALL_LABELS, cells_of(row)) for row in rows]
    filled = [(label, cells) for label, cells in filled if cells]
    if not filled:
        return []
    columns = tuple(name for name, _ in filled[0][1])
    lines = tuple((label, tuple(words for _, words in cells)) for label, cells in filled)
    return [_Part(part_id, title, columns, lines)]


def _plots(evaluation: Evaluation) -> list[_Plot]:
    return [
        _plot(row.label, row.curve, evaluation.thresholds.get(row.label))
        for row in evaluation.figures.labels
        if row.label is not None and row.curve is not None and row.curve.points
    ]


def _plot(label: str, curve: Curve, threshold: float | None) -> _Plot:
    corners = [(0.0, curve.points[0].precision)]
    corners += [(point.recall, point.precision) for point in curve.points]
    above = [point for point in curve.points if threshold and point.confidence >= threshold]
    mark = None
    if above:
        at = above[-1]
        text = f"from {threshold:.2f} on: precision {at.precision:.2f}, recall {at.recall:.2f}"
        mark = _Mark(*_place(at.recall, at.precision), text)
    words = f"average precision {share(curve.average_precision)}"
    return _Plot(
        label=label,
        points=" ".join("{},{}".format(*_place(*corner)) for corner in corners),
        mark=mark,
        summary=f"{count(curve.positives, 'frame')} that show it, {words}",
    )


def _place(recall: float, precision: float) -> tuple[float, float]:
    return round(SIDE_PX * recall, 1), round(SIDE_PX * (1 - precision), 1)


def _finalize(value: T) -> T | str:
    """Make unseen characters visible in all that templates write, whoever wrote it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath("templates", name).read_text("utf-8")
