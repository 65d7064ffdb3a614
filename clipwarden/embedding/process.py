"""The process that holds the model: batches go out to it, vectors come back in the same order."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clipwarden.child import Role, environment_of
from clipwarden.errors import WorkerFailed, WorkerRefused
from clipwarden.interrupts import interrupts_held
from worker.cards.placing import place
from worker.models.card import ModelCard
from worker.vector_messages import (
    ERROR,
    PIXELS,
    READY,
    STEP,
    TEXTS,
    VECTORS,
    VectorSettings,
    pack_texts,
    read_message,
    unpack_vectors,
    write_message,
)

Content = NDArray[np.uint8] | Sequence[str]
"""A batch: pictures as uint8 `[n, size, size, 3]`, or texts."""

_END_TIMEOUT_S = 5.0
_LAST_WORDS_BYTES = 4096


class VectorProcess:
    """`python -P -m worker.vectors`; leaving the block ends it."""

    def __init__(self, card: ModelCard, device: str, batch_size: int, threads: int) -> None:
        """Start it; raises WorkerFailed, and DeviceUnavailable for a card that is not there."""
        self._card = card
        placement = place(device)
        settings = VectorSettings(
            model_card=card.to_json(), device=device, batch_size=batch_size, cpus=placement.cpus
        )
        self._role = Role(
            "embed", "worker.vectors", settings, threads, variables=placement.variables
        )
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        with interrupts_held():
            self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Killed first: closing sends what is left, and one that stands still reads nothing.
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            # A process that hangs in a device's driver outlives even that.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_TIMEOUT_S)
        self._process.stdout.close()
        self._stderr.close()

    def wait_until_ready(self, tell: Callable[[str], None]) -> str:
        """Return the device as the process names it; `tell` hears what it is busy with.

        Raises WorkerRefused with the process's own error, WorkerFailed where it dies.
        """
        while True:
            kind, payload = self._receive()
            if kind == READY:
                return str(json.loads(payload)["device"])
            if kind != STEP:
                raise self._died(f"it answered with a message of kind {kind!r}")
            tell(payload.decode())

    def send(self, content: Content) -> None:
        """Send a batch of pictures or of texts."""
        assert self._process.stdin is not None
        # One that died says so in its answer's place.
        with contextlib.suppress(BrokenPipeError):
            if isinstance(content, np.ndarray):
                pixels = np.ascontiguousarray(content).data.cast("B")
                write_message(self._process.stdin, PIXELS, pixels)
            else:
                write_message(self._process.stdin, TEXTS, pack_texts(content))

    def receive(self, count: int) -> NDArray[np.float32]:
        """Return the vectors of the earliest batch that is under way, float32 `[count, dimension]`.

        Raises WorkerRefused with the process's own error, WorkerFailed where it dies.
        """
        kind, payload = self._receive()
        if kind != VECTORS or len(payload) != count * self._card.dimension * 4:
            raise self._died(f"it answered with {len(payload)} bytes of kind {kind!r}")
        return unpack_vectors(payload, self._card.dimension)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                # -P: a worker.py in the user's folder must not be taken for ours.
                [sys.executable, "-P", "-m", self._role.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                # Ctrl-C reaches this process alone.
                start_new_session=True,
                env=environment_of(self._role),
            )
        except OSError as error:
            raise WorkerFailed(
                f"the embedding process can't be started: {error.strerror or error}.",
                "Check memory, and the limits on processes and open files.",
            ) from error
        assert process.stdin is not None
        # One that died at once says so in its answer's place.
        with contextlib.suppress(OSError):
            process.stdin.write(self._role.settings.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        return process

    def _receive(self) -> tuple[bytes, bytes]:
        assert self._process.stdout is not None
        try:
            kind, payload = read_message(self._process.stdout)
        except EOFError as error:
            raise self._died(self._end()) from error
        if kind == ERROR:
            fields = json.loads(payload)
            raise WorkerRefused(fields["code"], fields["message"], fields["cure"])
        return kind, payload

    def _end(self) -> str:
        try:
            status = self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "it closed its output without an answer"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"it was ended by {signal.Signals(-status).name}"
        return f"it ended with status {status}"

    def _died(self, how: str) -> WorkerFailed:
        self._stderr.seek(0, 2)
        self._stderr.seek(max(0, self._stderr.tell() - _LAST_WORDS_BYTES))
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        last = "".join(c if c.isprintable() else "?" for c in lines[-1][:200]) if lines else ""
        detail = f": {last.rstrip('.')}" if last else ""
        return WorkerFailed(
            f"the embedding process failed, {how}{detail}.",
            "Where memory is short, take a smaller --batch-size; else report it.",
        )
