"""An evaluation on a terminal: tables where they fit, lines where they don't, then mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
)
from clipwarden.report.wording import count
from ingest.media.check import displayed_name

_MISTAKES_AT_MOST = 40
_PADDING = 2

PIPE_COLUMNS = 1000
"""What is piped has no width, and rich wants one."""


def evaluation_console() -> Console:
    """Where an evaluation is printed: as wide as the terminal, a pipe as wide as it takes."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_COLUMNS)


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print what was measured, label by label, and the first of the mistakes."""
    figures = evaluation.figures
    _line(console, Text(_headline(evaluation), style="bold"))
    rows = (figures.overall, *figures.labels)
    _print_part(console, "Segments against scenes", rows, scene_cells)
    _print_part(console, "Files judged as a whole", rows, file_cells)
    _print_part(console, "Confidences of frames", rows, frame_cells)
    _print_mistakes(console, evaluation)
    for failure in evaluation.failures:
        words = f"{displayed_name(failure.file)}: error[{failure.error.code}] not measured"
        _line(console, Text(words, style="red"))
    if caution := in_sample_words(evaluation.prompt_set.calibration):
        _line(console, Text(caution, style="yellow"))
    _line(console, Text(interval_words(figures.unit), style="dim"))


def _headline(evaluation: Evaluation) -> str:
    figures, prompts = evaluation.figures, evaluation.prompt_set
    media = [
        *([count(figures.videos, "video")] if figures.videos else []),
        *([count(figures.pictures, "picture")] if figures.pictures else []),
    ]
    calibrated = (
        f"calibration {prompts.calibration[:12]}" if prompts.calibration else "uncalibrated"
    )
    return (
        f"{' and '.join(media) or 'nothing'} against {displayed_name(evaluation.truth)}: "
        f"{prompts.name} {prompts.version}, {evaluation.model.id}, {evaluation.sampling.spec}, "
        f"{calibrated}"
    )


def _print_part(
    console: Console,
    title: str,
    rows: Sequence[LabelFigures],
    cells_of: Callable[[LabelFigures], list[Cell]],
) -> None:
    filled = [(row.label or ALL_LABELS, cells_of(row)) for row in rows]
    filled = [(label, cells) for label, cells in filled if cells]
    if not filled:
        return
    console.print()
    _line(console, Text(title, style="bold"))
    table = _table(filled)
    unbounded = console.options.update(max_width=PIPE_COLUMNS)
    if table.__rich_measure__(console, unbounded).maximum <= console.width:
        console.print(table)
        return
    for label, cells in filled:
        _line(console, Text(label))
        for name, words in cells:
            if words != "–":
                _line(console, Text(f"  {name}: {words}"))


def _table(filled: Sequence[tuple[str, list[Cell]]]) -> Table:
    table = Table(box=None, padding=(0, _PADDING, 0, 0))
    table.add_column("label", no_wrap=True)
    for name, _ in filled[0][1]:
        table.add_column(name, no_wrap=True)
    for label, cells in filled:
        table.add_row(Text(label), *(Text(words) for _, words in cells))
    return table


def _print_mistakes(console: Console, evaluation: Evaluation) -> None:
    mistakes = evaluation.figures.mistakes
    console.print()
    if not mistakes:
        _line(console, Text("No mistakes."))
        return
    _line(console, Text(count(len(mistakes), "mistake"), style="bold"))
    for mistake in mistakes[:_MISTAKES_AT_MOST]:
        _line(console, Text(f"{displayed_name(mistake.file)}  {mistake_words(mistake)}"))
    if len(mistakes) > _MISTAKES_AT_MOST:
        more = len(mistakes) - _MISTAKES_AT_MOST
        _line(console, Text(f"and {more} more: --format json or --report has them all"))


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)
