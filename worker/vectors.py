"""`python -P -m worker.vectors`: the process that computes what `clipwarden embed` writes.

It reads its settings, loads the model, and turns batches from stdin into vectors on stdout until
stdin ends. While one batch is computed the next is read.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

from prompts.errors import ClipwardenError
from worker.encoders.load import start_encoder
from worker.encoders.protocol import Encoder, Vectors
from worker.models.card import ModelCard
from worker.vector_messages import (
    ERROR,
    READY,
    STEP,
    TEXTS,
    VECTORS,
    VectorSettings,
    pack_vectors,
    read_message,
    unpack_pixels,
    unpack_texts,
    write_message,
)

_READ_AHEAD = 2


def main() -> int:
    """Serve batches until stdin ends; what goes wrong with model or device is an answer."""
    out = _take_stdout()
    source = sys.stdin.buffer
    settings = VectorSettings.model_validate_json(source.readline())
    if settings.cpus:
        # A container may have taken some away since they were chosen.
        with suppress(OSError):
            os.sched_setaffinity(0, settings.cpus)
    try:
        encoder, _ = start_encoder(
            ModelCard.from_json(settings.model_card),
            settings.device,
            settings.batch_size,
            lambda words: write_message(out, STEP, words.encode()),
        )
        write_message(out, READY, json.dumps({"device": encoder.device}).encode())
        _serve(encoder, source, out)
    except ClipwardenError as error:
        words = {"code": error.code, "message": error.message, "cure": error.cure}
        write_message(out, ERROR, json.dumps(words).encode())
        return 1
    except BrokenPipeError:
        # Whoever asked has gone.
        return 1
    return 0


def _serve(encoder: Encoder, source: BinaryIO, out: BinaryIO) -> None:
    batches: queue.Queue[tuple[bytes, bytes] | None] = queue.Queue(_READ_AHEAD)
    threading.Thread(target=_read_all, args=(source, batches), daemon=True).start()
    while (batch := batches.get()) is not None:
        write_message(out, VECTORS, pack_vectors(_embed(encoder, *batch)))


def _embed(encoder: Encoder, kind: bytes, payload: bytes) -> Vectors:
    if kind == TEXTS:
        return encoder.embed_texts(unpack_texts(payload))
    return encoder.embed_images(unpack_pixels(payload, encoder.card.geometry.size_px))


def _read_all(source: BinaryIO, batches: queue.Queue[tuple[bytes, bytes] | None]) -> None:
    try:
        while True:
            batches.put(read_message(source))
    except EOFError:
        batches.put(None)


def _take_stdout() -> BinaryIO:
    """Keep the answers' pipe to ourselves: whatever a library prints goes to stderr."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


if __name__ == "__main__":
    sys.exit(main())
