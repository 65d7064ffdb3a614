"""The way of a run: files -> pictures -> batches -> vectors -> rows.

Pictures are decoded some batches ahead, and a batch waits at the model while the one before is
computed, so that neither side waits for the other; what is ahead is bounded, whatever the number
of inputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clipwarden.embedding.images import Named, Unfit, shown_path
from clipwarden.embedding.output import Drafts
from clipwarden.embedding.process import Content, VectorProcess
from clipwarden.embedding.rows import Failure, Row, VectorFile, run_facts
from clipwarden.roles import usable_cores
from ingest.errors import MediaError
from ingest.media.limits import DecodeLimits
from ingest.media.pictures import Picture, PictureDecoders
from worker.models.card import ModelCard

_BATCHES_AHEAD = 3
_BATCHES_UNDER_WAY = 2
"""At the process: one is computed, and the next waits there already."""
_MAX_DECODERS = 16


class Watcher(Protocol):
    """Hears how a run goes on."""

    def busy(self, step: str) -> None:
        """What is done before the first vector."""

    def advanced(self, inputs: int) -> None:
        """That many inputs more have a row, or failed."""

    def failed(self, error: MediaError) -> None:
        """An input gets no row."""

    def warned(self, source: str, warnings: Sequence[str]) -> None:
        """An input has a row, but not all of it was seen as it was meant."""


@dataclass(frozen=True)
class Plan:
    """With what a run computes."""

    card: ModelCard
    device: str
    batch_size: int
    limits: DecodeLimits


@dataclass(frozen=True)
class _Batch:
    rows: Sequence[Row]
    content: Content


def embed_pictures(
    plan: Plan, named: Sequence[Named], drafts: Drafts, watcher: Watcher
) -> tuple[int, int]:
    """Embed picture files and write their vectors; returns how many have one, and how many failed.

    Raises WorkerRefused, WorkerFailed, OSError; then nothing is kept.
    """
    ahead = _BATCHES_AHEAD * plan.batch_size
    paths = (one for one in named if isinstance(one, str))
    with (
        _process(plan) as process,
        PictureDecoders(plan.card.geometry, plan.limits, _decoders()) as decoders,
    ):
        # They begin while the model is loaded.
        pictures = decoders.decode_all(paths, ahead)
        device = process.wait_until_ready(watcher.busy)
        run = _Run(process, drafts.begin(run_facts(plan.card, device)), watcher)
        outcomes = (one if isinstance(one, Unfit) else (one, next(pictures)) for one in named)
        run.write(_picture_batches(run, outcomes, plan.batch_size))
        return run.rows, run.failures


def embed_texts(
    plan: Plan, texts: Sequence[str], drafts: Drafts, watcher: Watcher
) -> tuple[int, int]:
    """Embed texts and write their vectors; returns how many have one, and 0. Raises likewise."""
    with _process(plan) as process:
        device = process.wait_until_ready(watcher.busy)
        run = _Run(process, drafts.begin(run_facts(plan.card, device)), watcher)
        run.write(_text_batches(texts, plan.batch_size))
        return run.rows, run.failures


def embed_texts_then_pictures(
    plan: Plan,
    texts: Sequence[str],
    named: Sequence[Named],
    begin: Callable[[NDArray[np.float32], str], VectorFile],
    watcher: Watcher,
) -> tuple[int, int]:
    """Embed both by one process: `begin` makes of the texts' vectors what takes the pictures'.

    It gets `[texts, dimension]`, in order, and the device's name. Returns how many pictures have
    a vector, and how many failed. Raises likewise.
    """
    paths = (one for one in named if isinstance(one, str))
    with (
        _process(plan) as process,
        PictureDecoders(plan.card.geometry, plan.limits, _decoders()) as decoders,
    ):
        pictures = decoders.decode_all(paths, _BATCHES_AHEAD * plan.batch_size)
        device = process.wait_until_ready(watcher.busy)
        watcher.busy("embedding texts")
        vectors = _text_vectors(process, texts, plan)
        run = _Run(process, begin(vectors, device), watcher)
        outcomes = (one if isinstance(one, Unfit) else (one, next(pictures)) for one in named)
        run.write(_picture_batches(run, outcomes, plan.batch_size))
        return run.rows, run.failures


class _Run:
    def __init__(self, process: VectorProcess, file: VectorFile, watcher: Watcher) -> None:
        self._process = process
        self._file = file
        self._watcher = watcher
        self.rows = 0
        self.failures = 0

    def write(self, batches: Iterable[_Batch]) -> None:
        """Send every batch and write what comes back, in the same order, to the end."""
        try:
            self._write(batches)
        except BaseException:
            self._file.abandon()
            raise

    def _write(self, batches: Iterable[_Batch]) -> None:
        under_way: deque[Sequence[Row]] = deque()
        for batch in batches:
            if len(under_way) == _BATCHES_UNDER_WAY:
                self._take(under_way.popleft())
            self._process.send(batch.content)
            under_way.append(batch.rows)
        while under_way:
            self._take(under_way.popleft())
        self._file.finish()

    def warn(self, source: str, warnings: Sequence[str]) -> None:
        if warnings:
            self._watcher.warned(source, warnings)

    def fail(self, source: str, error: MediaError) -> None:
        self._file.fail(Failure.of(source, error))
        self._watcher.failed(error)
        self._watcher.advanced(1)
        self.failures += 1

    def _take(self, rows: Sequence[Row]) -> None:
        self._file.add(rows, self._process.receive(len(rows)))
        self._watcher.advanced(len(rows))
        self.rows += len(rows)


def _process(plan: Plan) -> VectorProcess:
    return VectorProcess(plan.card, plan.device, plan.batch_size, threads=usable_cores())


def _decoders() -> int:
    """One for each core: where the model needs it, they yield, for they are niced."""
    return min(usable_cores(), _MAX_DECODERS)


def _picture_batches(
    run: _Run,
    outcomes: Iterable[Unfit | tuple[str, Picture | MediaError]],
    batch_size: int,
) -> Iterator[_Batch]:
    rows: list[Row] = []
    pixels = []
    for outcome in outcomes:
        if isinstance(outcome, Unfit):
            run.fail(outcome.source, outcome.error)
            continue
        path, picture = outcome
        source = shown_path(path)
        if isinstance(picture, MediaError):
            run.fail(source, picture)
            continue
        run.warn(source, picture.warnings)
        rows.append(_row(source, picture))
        pixels.append(picture.pixels)
        if len(rows) == batch_size:
            yield _Batch(rows, np.stack(pixels))
            rows, pixels = [], []
    if rows:
        yield _Batch(rows, np.stack(pixels))


def _text_vectors(process: VectorProcess, texts: Sequence[str], plan: Plan) -> NDArray[np.float32]:
    found = [np.empty((0, plan.card.dimension), np.float32)]
    for batch in _text_batches(texts, plan.batch_size):
        process.send(batch.content)
        found.append(process.receive(len(batch.rows)))
    return np.concatenate(found)


def _row(source: str, picture: Picture) -> Row:
    return Row(
        source=source,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        warnings=picture.warnings,
    )


def _text_batches(texts: Sequence[str], batch_size: int) -> Iterator[_Batch]:
    left = iter(texts)
    while batch := list(islice(left, batch_size)):
        yield _Batch([Row(text=text) for text in batch], batch)
