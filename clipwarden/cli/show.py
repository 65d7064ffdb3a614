"""Result documents for people: a table of segments per video."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clipwarden.report.sampling import sampling_words
from clipwarden.report.wording import rule_words, why
from ingest.media.check import displayed_name
from prompts.actions import Action
from worker.document import ResultDocument, SegmentInfo

_STYLES = {
    Action.ALLOW: "green",
    Action.NOTE: "cyan",
    Action.REVIEW: "yellow",
    Action.BLOCK: "bold red",
}

_TABLE_MIN_COLUMNS = 60
"""On a narrower terminal the fixed columns would leave the label none."""


_WHY_MIN_COLUMNS = 100
"""What decided takes half a line."""

_LABEL_COLUMNS = 30


def print_documents(console: Console, documents: Sequence[ResultDocument]) -> None:
    """Print each document: a line on the video, then its segments.

    Lines are wrapped for a terminal only; a pipe gets them whole.
    """
    for document in documents:
        _print_line(console, _headline(document))
        if document.error is not None:
            words = (
                f"  error[{document.error.code}]: {document.error.message} {document.error.cure}"
            )
            _print_line(console, Text(words, style="red"))
        elif document.segments and console.width >= _TABLE_MIN_COLUMNS:
            console.print(_segments_table(console, document))
        elif document.segments:
            for segment in document.segments:
                _print_line(console, _segment_line(segment))
        else:
            _print_line(console, Text("  nothing above its threshold"))
        for reason in document.flags.reasons:
            if reason.rule is not None:
                _print_line(console, Text(f"  rule {reason.rule}: {rule_words(reason)}"))
        for warning in document.video.warnings:
            _print_line(console, Text(f"  warning: {displayed_name(warning)}", style="yellow"))
        console.print()
    if any(document.model.id == "starter" for document in documents):
        words = (
            "The starter model is a small stand-in: it knows everyday things and nothing of "
            "nudity. Use --model for a real one."
        )
        _print_line(console, Text(words, style="dim"))


def clock(time_ms: int) -> str:
    """A time as `m:ss.s`, or `h:mm:ss.s` from an hour on."""
    tenths = round(time_ms / 100)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def _print_line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)


def _headline(document: ResultDocument) -> Text:
    video, flags = document.video, document.flags
    text = Text(displayed_name(video.source), style="bold")
    text.append(f"  {document.status}", style="red" if document.error else "green")
    if video.duration_ms is not None:
        facts = f"  {clock(video.duration_ms)}, {video.width}x{video.height} {video.codec}, "
        frames = "frame" if video.frames_sampled == 1 else "frames"
        facts += f"{video.frames_sampled} {frames} ({sampling_words(document)})"
        text.append(facts, style="not bold")
        text.append(f"  {flags.action}", style=_STYLES[flags.action])
        if flags.nsfw:
            text.append("  NSFW", style="bold red")
    return text


def _segments_table(console: Console, document: ResultDocument) -> Table:
    table = Table(box=None, pad_edge=True, padding=(0, 1))
    table.add_column("start", justify="right", no_wrap=True)
    table.add_column("end", justify="right", no_wrap=True)
    longest = max((len(segment.label) for segment in document.segments), default=0)
    # Results of earlier releases tell nothing of it.
    tells_why = any(why(segment) for segment in document.segments)
    has_room = tells_why and console.width >= _WHY_MIN_COLUMNS
    # Beside the reasons, which are long, it would be squeezed.
    label_min = min(longest, _LABEL_COLUMNS) if has_room else None
    table.add_column("label", overflow="fold", min_width=label_min)
    table.add_column("conf", justify="right", no_wrap=True)
    table.add_column("frames", justify="right", no_wrap=True)
    table.add_column("action", no_wrap=True)
    if has_room:
        table.add_column("why", overflow="ellipsis", no_wrap=True)
    for segment in document.segments:
        table.add_row(*_row(segment), *([escape(why(segment))] if has_room else []))
    return table


def _segment_line(segment: SegmentInfo) -> Text:
    start, end, label, confidence, _, action = _row(segment)
    return Text.from_markup(f"  {start} to {end} {label} {confidence} {action}")


def _row(segment: SegmentInfo) -> tuple[str, ...]:
    nsfw = " [bold red]NSFW[/]" if segment.nsfw else ""
    style = _STYLES[segment.action]
    return (
        clock(segment.start_ms),
        clock(segment.end_ms),
        escape(segment.label),
        f"{segment.confidence:.2f}",
        str(segment.frames),
        f"[{style}]{segment.action}[/]{nsfw}",
    )
