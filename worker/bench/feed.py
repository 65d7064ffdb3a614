"""Batches of a video's pictures, decoded while the one before is embedded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread

import numpy as np

from ingest.errors import MediaError
from ingest.geometry import Geometry
from ingest.media.decoder import decode
from ingest.media.facts import DecodeSummary
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from worker.encoders.protocol import Pixels

_WAITING_BATCHES = 4
_LOOK_S = 0.1


class Feed:
    """Reads the decoding process in a thread of its own; iterate it once, in a `with` block.

    `full_s` is how long decoding stood still because nobody took its batches, `empty_s` how long
    whoever takes them waited: the larger one names the slower side.
    """

    def __init__(
        self,
        path: Path,
        sampling: SamplingSpec,
        geometry: Geometry,
        limits: DecodeLimits,
        batch_size: int,
    ) -> None:
        self._session = decode(path, sampling, geometry, limits=limits)
        self._batch_size = batch_size
        self._batches: Queue[Pixels | MediaError | None] = Queue(_WAITING_BATCHES)
        self._stopped = Event()
        self._thread = Thread(target=self._read, daemon=True)
        self._summary: DecodeSummary | None = None
        self.full_s = 0.0
        self.empty_s = 0.0

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Pixels]:
        """Yield uint8 `[n, size, size, 3]`; raises the MediaError that ended the decoding."""
        while True:
            began_s = time.perf_counter()
            batch = self._batches.get()
            self.empty_s += time.perf_counter() - began_s
            if batch is None:
                return
            if isinstance(batch, MediaError):
                raise batch
            yield batch

    @property
    def summary(self) -> DecodeSummary:
        """What the decoding took; there once every batch was taken."""
        assert self._summary is not None
        return self._summary

    def _read(self) -> None:
        try:
            with self._session as session:
                pictures: list[Pixels] = []
                for frame in session:
                    pictures.extend(frame.pictures)
                    if len(pictures) >= self._batch_size:
                        self._hand_over(np.stack(pictures))
                        pictures = []
                    if self._stopped.is_set():
                        return
                if pictures:
                    self._hand_over(np.stack(pictures))
                self._summary = session.summary
        except MediaError as error:
            self._hand_over(error)
        self._hand_over(None)

    def _hand_over(self, batch: Pixels | MediaError | None) -> None:
        began_s = time.perf_counter()
        while not self._stopped.is_set():
            try:
                self._batches.put(batch, timeout=_LOOK_S)
                break
            except Full:
                continue
        self.full_s += time.perf_counter() - began_s
