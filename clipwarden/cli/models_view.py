"""Models and what was found about them, as tables for people and as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from ingest.media.check import displayed_name
from worker.errors import ModelError
from worker.models.inventory import LocalModel, keys_by_precision
from worker.models.verification import Verdict, Verified

_STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.FAILED: "bold red"}
_PIPE_COLUMNS = 10_000
"""What reads a pipe wants lines whole."""

_BYTES_PER_MB = 1_000_000


def size_words(size_bytes: int) -> str:
    """A size in MB, as the hub's own pages count them."""
    megabytes = size_bytes / _BYTES_PER_MB
    return f"{megabytes:.1f} MB" if megabytes < 100 else f"{megabytes:,.0f} MB"


def model_facts(model: LocalModel) -> dict[str, Any]:
    """A model as JSON has it; what only a card tells is null where we can't run it."""
    card = model.card
    return {
        "id": model.id,
        "revision": model.revision,
        "branches": list(model.branches),
        "folder": str(model.folder) if model.folder else None,
        "size_bytes": model.size_bytes,
        "last_used": model.last_used.isoformat(timespec="seconds") if model.last_used else None,
        "licence": model.licence,
        "keys": keys_by_precision(card) if card else None,
        "weights_sha256": card.weights_sha256 if card else None,
        "dimension": card.dimension if card else None,
        "geometry": card.geometry.name if card else None,
        "error": _error_facts(model.reason),
    }


def verified_facts(verified: Verified) -> dict[str, Any]:
    """What was found about a model as JSON has it."""
    return {
        "id": verified.id,
        "revision": verified.revision,
        "folder": str(verified.folder) if verified.folder else None,
        "sound": verified.is_sound,
        "key": verified.card.key if verified.card else None,
        "findings": [
            {"file": one.file, "verdict": one.verdict, "detail": one.detail, "cure": one.cure}
            for one in verified.findings
        ],
    }


def print_models(models: Iterable[LocalModel]) -> None:
    """Print one block for each model: a table would be wider than terminals are."""
    with _printing() as console:
        for model in models:
            branches = f" ({', '.join(model.branches)})" if model.branches else ""
            console.print(f"[bold]{escape(displayed_name(model.id))}[/]{escape(branches)}")
            console.print(_indented(_grid(_rows(model))))
            console.print()


def print_verified(verified: Sequence[Verified]) -> None:
    """Print what was found about each model, file by file."""
    with _printing() as console:
        for one in verified:
            revision = f"@{one.revision}" if one.revision else ""
            verdict = Verdict.OK if one.is_sound else Verdict.FAILED
            name = escape(displayed_name(one.id) + revision)
            console.print(f"[bold]{name}[/] [{_STYLES[verdict]}]{verdict}[/]")
            facts = [("folder", str(one.folder or "-"))]
            facts += [("key", f"{one.card.key} (float32)")] if one.card else []
            console.print(_indented(_findings(one)))
            console.print(_indented(_grid(facts)))
            console.print()


def _findings(verified: Verified) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in verified.findings:
        mark = f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]"
        words = f"{finding.detail.rstrip('.')}. {finding.cure}".rstrip()
        grid.add_row(escape(displayed_name(finding.file)), mark, escape(_printable(words)))
    return grid


def _rows(model: LocalModel) -> list[tuple[str, str]]:
    rows = [("revision", model.revision or "-")]
    if model.card is not None:
        rows += [(f"key, {name}", key) for name, key in keys_by_precision(model.card).items()]
        rows += [
            ("weights", f"sha256 {model.card.weights_sha256}"),
            ("vectors", f"{model.card.dimension} numbers, from {model.card.geometry.name}"),
        ]
    rows.append(("size", size_words(model.size_bytes)))
    if model.last_used is not None:
        rows.append(("last used", f"{model.last_used.astimezone():%Y-%m-%d %H:%M}"))
    rows.append(("licence", model.licence))
    if model.folder is not None:
        rows.append(("folder", str(model.folder)))
    if model.reason is not None:
        rows.append(("can't be run", str(model.reason)))
    return rows


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, escape(_printable(value)))
    return grid


def _indented(grid: Table) -> Padding:
    return Padding(grid, (0, 0, 0, 2))


@contextmanager
def _printing() -> Iterator[Console]:
    """Print to stdout what is printed in the block, without the spaces that fill lines up."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    with console.capture() as capture:
        yield console
    for line in capture.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")


def _error_facts(error: ModelError | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "cure": error.cure}


def _printable(text: str) -> str:
    """Text in which names of strangers stand, whole, but unable to steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
