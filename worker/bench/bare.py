"""`python -P -m worker.bench.bare`: decoder and encoder with a queue between them, nothing else.

The decoding process works while the encoder computes. There are no jobs, no stores and no
database: what the whole product takes beyond this is what those cost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np

from ingest.geometry import Geometry
from ingest.media.limits import DecodeLimits
from ingest.media.picture import PictureMaker
from ingest.media.spec import SamplingSpec
from worker.bench.feed import Feed
from worker.bench.turns import Turn, cpu_s, serve_turns
from worker.encoders.load import load_encoder
from worker.encoders.probes import probe_pictures
from worker.encoders.protocol import Encoder
from worker.models.card import ModelCard

_PURE_S = 3.0
_PICTURES_TIMED = 20


def prepare(settings: Mapping[str, Any]) -> Turn:
    """Load the model of `card` onto `device`, and run every batch size once."""
    card = ModelCard.from_json(settings["card"])
    batch_size = int(settings["batch_size"])
    encoder = load_encoder(card, settings["device"], batch_size)
    for size in encoder.batch_sizes:
        encoder.embed_images(probe_pictures(size, card.geometry.size_px))
    sampling = SamplingSpec.parse(settings["sampling"])
    limits = DecodeLimits(threads=int(settings["decode_threads"]))

    def turn(request: Mapping[str, Any]) -> dict[str, Any]:
        feed = Feed(Path(request["clip"]), sampling, card.geometry, limits, batch_size)
        answer = _run(feed, encoder, request["vectors"])
        answer["preprocess_s"] = answer["samples"] * _picture_s(request["clip"], card.geometry)
        # Of the CPU seconds of the decoding process, for it does both.
        answer["decode_s"] = max(0.0, feed.summary.decode_cpu_s - answer["preprocess_s"])
        answer["pure_images_per_s"] = _pure_rate(encoder, batch_size)
        return answer

    return turn


def _run(feed: Feed, encoder: Encoder, target: str) -> dict[str, Any]:
    embed_s, vectors = 0.0, []
    began_s, began_cpu_s = time.perf_counter(), cpu_s()
    with feed:
        for pixels in feed:
            taken_s = time.perf_counter()
            vectors.append(encoder.embed_images(pixels))
            embed_s += time.perf_counter() - taken_s
    done_s = time.perf_counter()
    stored = np.concatenate(vectors)
    np.save(target, stored, allow_pickle=False)
    ended_s = time.perf_counter()
    return {
        "samples": len(stored),
        "wall_s": ended_s - began_s,
        "cpu_s": cpu_s() - began_cpu_s,
        "embed_s": embed_s,
        "store_s": ended_s - done_s,
        "queue_empty_s": feed.empty_s,
        "queue_full_s": feed.full_s,
    }


def _picture_s(clip: str, geometry: Geometry) -> float:
    """Seconds for one sample's square and thumbnail, out of a decoded frame."""
    with av.open(clip) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(2), strict=False)]
    maker = PictureMaker(geometry, None)
    began_s = time.thread_time()
    for index in range(_PICTURES_TIMED):
        frame = frames[index % len(frames)]
        maker.squares(frame)
        maker.thumbnail(frame)
    return (time.thread_time() - began_s) / _PICTURES_TIMED


def _pure_rate(encoder: Encoder, batch_size: int) -> float:
    """Images per second where nothing is decoded meanwhile."""
    pixels = probe_pictures(batch_size, encoder.card.geometry.size_px)
    images, began_s = 0, time.perf_counter()
    while (passed_s := time.perf_counter() - began_s) < _PURE_S:
        images += len(encoder.embed_images(pixels))
    return images / passed_s


if __name__ == "__main__":
    serve_turns(prepare)
