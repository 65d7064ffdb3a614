"""`python -P -m worker.bench.article_video`: the article's way with a video, one thing at a time.

It decodes every frame, keeps one a second and puts that through PIL, processor and the network
in float32; nothing runs beside anything else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ingest.errors import MediaUnreadable
from worker.bench.article import ArticleEncoder
from worker.bench.turns import Turn, cpu_s, serve_turns

_WARM_UP_PX = 64


def prepare(settings: Mapping[str, Any]) -> Turn:
    """Load the model in `folder`."""
    encoder = ArticleEncoder(Path(settings["folder"]))
    encoder.embed(Image.new("RGB", (_WARM_UP_PX, _WARM_UP_PX)))
    reader, pictures_of = _reader()

    def turn(request: Mapping[str, Any]) -> dict[str, Any]:
        encoder.forget_times()
        vectors = []
        began_s, began_cpu_s = time.perf_counter(), cpu_s()
        for picture in pictures_of(request["clip"]):
            vectors.append(encoder.embed(picture))
        done_s = time.perf_counter()
        np.save(request["vectors"], np.stack(vectors), allow_pickle=False)
        ended_s = time.perf_counter()
        preprocess_s, embed_s = encoder.preprocess_s, encoder.embed_s
        return {
            "samples": len(vectors),
            "wall_s": ended_s - began_s,
            "cpu_s": cpu_s() - began_cpu_s,
            "decode_s": done_s - began_s - preprocess_s - embed_s,
            "preprocess_s": preprocess_s,
            "embed_s": embed_s,
            "store_s": ended_s - done_s,
            "decoder": reader,
        }

    return turn


def _reader() -> tuple[str, Any]:
    """OpenCV, which the tutorials use, or PyAV where that is not installed."""
    try:
        import cv2  # noqa: F401 - whether it is there
    except ImportError:
        return "PyAV", _by_pyav
    return "OpenCV", _by_opencv


def _by_opencv(clip: str) -> Iterator[Image.Image]:
    import cv2

    capture = cv2.VideoCapture(clip)
    if not capture.isOpened():
        raise MediaUnreadable(f"{Path(clip).name}: OpenCV can't read it.", "Take another clip.")
    due_ms = 0.0
    while True:
        read, picture = capture.read()
        if not read:
            break
        if capture.get(cv2.CAP_PROP_POS_MSEC) >= due_ms:
            due_ms += 1000
            yield Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    capture.release()


def _by_pyav(clip: str) -> Iterator[Image.Image]:
    import av

    due_s = 0.0
    with av.open(clip) as container:
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= due_s:
                due_s += 1
                yield Image.fromarray(frame.to_ndarray(format="rgb24"))


if __name__ == "__main__":
    serve_turns(prepare)
