"""`python -P -m worker.bench.loop`: the article's loop over given pictures, one at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from worker.bench.article import ArticleEncoder
from worker.bench.turns import Turn, cpu_s, serve_turns


def prepare(settings: Mapping[str, Any]) -> Turn:
    """Load the model in `folder` and the pictures in `pixels`, an NPY file."""
    encoder = ArticleEncoder(Path(settings["folder"]))
    pictures = [Image.fromarray(each) for each in np.load(settings["pixels"], allow_pickle=False)]
    encoder.embed(pictures[0])

    def turn(request: Mapping[str, Any]) -> dict[str, Any]:
        began_s, began_cpu_s = time.perf_counter(), cpu_s()
        vectors = np.stack([encoder.embed(picture) for picture in pictures])
        wall_s, used_s = time.perf_counter() - began_s, cpu_s() - began_cpu_s
        np.save(request["vectors"], vectors, allow_pickle=False)
        return {"images": len(vectors), "wall_s": wall_s, "cpu_s": used_s}

    return turn


if __name__ == "__main__":
    serve_turns(prepare)
