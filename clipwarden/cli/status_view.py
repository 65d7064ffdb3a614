"""How `status` looks: a summary, and a table where there is room for one, else lines."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipwarden.cli.figures import progress_words
from clipwarden.overview import Overview, SubmissionInfo, WorkerInfo
from ingest.media.check import displayed_name
from ingest.tables import Status

TABLE_MIN_COLUMNS = 90
"""On a narrower terminal how far a video is stands under its name: beside it is no room."""

# The beginning of an id that is told apart among hundreds of thousands, nearly always.
_ID_DIGITS = 8

_STYLES = {
    Status.QUEUED: "cyan",
    Status.DONE: "green",
    Status.PARTIAL: "yellow",
    Status.FAILED: "bold red",
    Status.CANCELLED: "dim",
}


def overview_view(overview: Overview, columns: int, *, with_summary: bool) -> RenderableType:
    """Everything for a terminal, or a pipe, of that many columns."""
    parts: list[RenderableType] = []
    if with_summary:
        parts += [_counts(overview), _queues(overview), *_workers(overview.workers), Text()]
    if not overview.submissions:
        parts.append(Text("no submissions", style="dim"))
    elif columns >= TABLE_MIN_COLUMNS:
        parts.append(_table(overview.submissions))
    else:
        parts += [line for one in overview.submissions for line in _lines(one)]
    return Group(*parts)


def standing_words(one: SubmissionInfo) -> str:
    """How far an unfinished submission is, why another failed; empty for what is done."""
    if one.error is not None:
        return f"[{one.error.code}] {one.error.message} {one.error.cure}"
    if one.progress is None:
        return ""
    words = [progress_words(one.progress)] if one.progress.frames_sampled else []
    if not one.model_served:
        words.append(f"waits for a worker with {one.model}")
    return ", ".join(words) or "waiting"


def _counts(overview: Overview) -> Text:
    text = Text()
    for status in Status:
        style = _STYLES[status] if overview.counts[status] else "dim"
        text.append(f"{overview.counts[status]} {status}  ", style=style)
    return text


def _queues(overview: Overview) -> Text:
    words = []
    for role, queue in overview.queues.items():
        counts = {
            "waiting": queue.waiting,
            "running": queue.running,
            "to be tried again": queue.scheduled,
            "given up": queue.dead,
        }
        if facts := [f"{count} {what}" for what, count in counts.items() if count]:
            words.append(f"{role} {', '.join(facts)}")
    return Text(f"jobs: {'; '.join(words) or 'none'}")


def _workers(workers: Sequence[WorkerInfo]) -> list[RenderableType]:
    if not workers:
        return [Text("no worker is at work", style="yellow")]
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(overflow="fold")
    for one in workers:
        state = f"{one.state}: {one.paused}" if one.paused else one.state
        facts = (f"{one.model} on {one.device}" if one.model else "", one.precision)
        style = "yellow" if one.paused else ""
        table.add_row(
            *(Text(words) for words in (one.role, one.host)),
            Text(state, style),
            ", ".join(filter(None, facts)),
        )
    return [table]


def _table(submissions: Sequence[SubmissionInfo]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("id", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("video", overflow="fold", ratio=2)
    table.add_column("", overflow="fold", ratio=3)
    for one in submissions:
        table.add_row(
            one.id[:_ID_DIGITS],
            Text(one.status, _STYLES[one.status]),
            Text(displayed_name(one.source)),
            Text(standing_words(one)),
        )
    return table


def _lines(one: SubmissionInfo) -> list[Text]:
    head = Text(f"{one.id[:_ID_DIGITS]}  ")
    head.append(f"{one.status}  ", style=_STYLES[one.status])
    head.append(displayed_name(one.source))
    words = standing_words(one)
    return [head, Text(f"  {words}")] if words else [head]
