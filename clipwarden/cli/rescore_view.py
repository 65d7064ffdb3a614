"""What re-scoring changes, and how two versions differ, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipwarden.cli.show import clock
from clipwarden.report.wording import count, short_hash
from clipwarden.rescoring.document import (
    Counts,
    DiffDocument,
    LabelCounts,
    LeftVideo,
    Preview,
    RescoreDocument,
    SegmentChange,
    Span,
    Stored,
    StoredVersionInfo,
    Verdict,
    VersionInfo,
    VideoChange,
)
from ingest.media.check import displayed_name

_ID_DIGITS = 8
_LEFT_SHOWN = 20
_KINDS = {"appeared": ("+", "yellow"), "disappeared": ("-", "green"), "moved": ("~", "cyan")}


def print_preview(console: Console, document: RescoreDocument) -> None:
    """Print what re-scoring would change: counts, labels, the first videos, and what is left."""
    preview = document.preview
    _line(console, Text(" and ".join(map(version_words, document.versions)), style="bold"))
    _line(console, Text(preview_words(preview)))
    _print_labels(console, preview.counts)
    _print_changes(console, preview.changes, preview.counts.changed)
    _print_left(console, preview)


def print_stored(console: Console, document: RescoreDocument, stored: Stored) -> None:
    """Print how many results were stored, and where they are seen."""
    words = f"{count(stored.videos, 'result')} stored"
    words += ", shown by the videos' own results from now on." if stored.shown else "."
    if stored.left:
        words += f" {count(stored.left, 'video')} could not be scored."
    if stored.vanished:
        words += f" {count(stored.vanished, 'video')} deleted meanwhile."
    _line(console, Text(words, style="green"))
    if not stored.shown:
        named = " or ".join(map(version_name, document.versions))
        _line(console, Text(f"clipwarden results --version {named} ID shows one.", style="dim"))


def print_diff(console: Console, document: DiffDocument) -> None:
    """Print how two versions differ: counts, labels, every video that differs."""
    words = f"{version_words(document.old)} against {version_words(document.new)}"
    _line(console, Text(words, style="bold"))
    _line(console, Text(counts_words(document.counts)))
    alone = [
        f"{count(number, 'video')} scored by the {which} alone"
        for number, which in ((document.only_old, "old"), (document.only_new, "new"))
        if number
    ]
    if alone:
        _line(console, Text(f"Left out: {', '.join(alone)}.", style="dim"))
    _print_labels(console, document.counts)
    _print_changes(console, document.changes, document.counts.changed)


def print_versions(console: Console, versions: Sequence[StoredVersionInfo]) -> None:
    """Print the stored versions, two lines each."""
    if not versions:
        _line(console, Text("there are no stored results"))
    for one in versions:
        _line(console, Text(version_words(one), style="bold"))
        days = dict.fromkeys(f"{at:%Y-%m-%d}" for at in (one.first_at, one.last_at))
        words = f"  {count(one.videos, 'video')}, shown by {count(one.shown_by, 'submission')}"
        _line(console, Text(f"{words}, scored {' to '.join(days)}: {version_name(one)}"))


def preview_words(preview: Preview) -> str:
    """The preview in a sentence or two."""
    words = counts_words(preview.counts, "would be ")
    if preview.left_count:
        words += f" {count(preview.left_count, 'video')} can't be scored anew."
    if preview.vanished:
        words += f" {count(preview.vanished, 'video')} deleted meanwhile."
    return words


def counts_words(counts: Counts, verb: str = "") -> str:
    """How many videos differ, and how: `would be ` stands before it where nothing is stored yet."""
    return (
        f"{count(counts.videos, 'video')}: {counts.newly_flagged} {verb}newly flagged, "
        f"{counts.no_longer_flagged} no longer, {counts.action_changed} with another action; "
        f"{counts.changed} differ at all."
    )


def version_words(version: VersionInfo) -> str:
    """A version as people read it."""
    calibrated = (
        f"calibration {short_hash(version.calibration)}" if version.calibration else "uncalibrated"
    )
    return f"{version.prompt_set} {displayed_name(version.version)}, {calibrated}"


def version_name(version: VersionInfo) -> str:
    """A version as commands take it."""
    calibration = short_hash(version.calibration) if version.calibration else "none"
    return f"{short_hash(version.sha256)}:{calibration}"


def _print_labels(console: Console, counts: Counts) -> None:
    if not counts.labels:
        return
    headings = ("label", "videos", "segments", "new", "gone", "moved")
    rows = [_label_row(one) for one in counts.labels]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        if place:
            table.add_column(heading, justify="right", no_wrap=True)
        else:
            table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _label_row(one: LabelCounts) -> tuple[str, ...]:
    return (
        one.label,
        f"{one.videos_before} > {one.videos_after}",
        f"{one.segments_before} > {one.segments_after}",
        str(one.appeared),
        str(one.disappeared),
        str(one.moved),
    )


def _print_changes(console: Console, changes: Sequence[VideoChange], changed: int) -> None:
    for change in changes:
        shared = "" if change.submissions == 1 else f" (in {change.submissions} submissions)"
        words = f"{change.id[:_ID_DIGITS]}  {displayed_name(change.source)}{shared}"
        _line(console, Text(words, style="bold"))
        if change.before != change.after:
            words = f"  {_verdict_words(change.before)} > {_verdict_words(change.after)}"
            _line(console, Text(words, style=_style(change)))
        for segment in change.segments:
            _line(console, _segment_line(segment))
    if changed > len(changes):
        words = f"and {changed - len(changes):,} more: --first N lists N of them"
        _line(console, Text(words, style="dim"))


def _print_left(console: Console, preview: Preview) -> None:
    if not preview.left_count:
        return
    _line(console, Text(f"Not to be scored: {count(preview.left_count, 'video')}", style="red"))
    for one in preview.left[:_LEFT_SHOWN]:
        _print_left_video(console, one)
    if preview.left_count > _LEFT_SHOWN:
        words = f"and {preview.left_count - _LEFT_SHOWN:,} more: --format json has them"
        _line(console, Text(words, style="dim"))


def _print_left_video(console: Console, one: LeftVideo) -> None:
    words = f"{one.id[:_ID_DIGITS]}  {displayed_name(one.source)}: error[{one.error.code}]"
    _line(console, Text(f"{words}: {one.error.message}"))
    _line(console, Text(f"  {displayed_name(one.command)}"))


def _segment_line(change: SegmentChange) -> Text:
    sign, style = _KINDS[change.kind]
    spans = [_span_words(one) for one in (change.before, change.after) if one is not None]
    return Text(f"  {sign} {change.label} {' > '.join(spans)}", style=style)


def _span_words(span: Span) -> str:
    return f"{clock(span.start_ms)}-{clock(span.end_ms)} ({span.confidence:.2f})"


def _verdict_words(verdict: Verdict) -> str:
    nsfw = " NSFW" if verdict.nsfw else ""
    labels = f" ({', '.join(verdict.labels)})" if verdict.labels else ""
    return f"{verdict.action}{nsfw}{labels}"


def _style(change: VideoChange) -> str:
    if change.is_newly_flagged:
        return "red"
    return "green" if change.is_no_longer_flagged else ""


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal)
