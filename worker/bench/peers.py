"""What others make of a video, at one frame a second: OpenCV with open_clip, and openmoderate.

A script that stands alone, for an environment of their own, where we are not installed: it is run
by its path and takes turns as `worker.bench.turns` describes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_MODEL = "ViT-B-32-quickgelu"

Analysis = Callable[[str], int]
"""Analyses the video of a path and returns how many frames it looked at."""


def _open_clip(weights: str) -> Analysis:
    """The read loop that people write, one picture at a time."""
    cv2, open_clip, torch = map(importlib.import_module, ("cv2", "open_clip", "torch"))
    pillow: Any = importlib.import_module("PIL.Image")
    model, _, preprocess = open_clip.create_model_and_transforms(_MODEL, pretrained=weights)
    model.eval()

    def embed(picture: Any) -> Any:
        with torch.no_grad():
            features = model.encode_image(preprocess(picture).unsqueeze(0))
            return (features / features.norm(dim=-1, keepdim=True)).numpy()

    def analyse(clip: str) -> int:
        capture = cv2.VideoCapture(clip)
        vectors: list[Any] = []
        due_ms = 0.0
        while True:
            read, picture = capture.read()
            if not read:
                return len(vectors)
            if capture.get(cv2.CAP_PROP_POS_MSEC) >= due_ms:
                due_ms += 1000
                rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                vectors.append(embed(pillow.fromarray(rgb)))

    embed(pillow.new("RGB", (64, 64)))
    return analyse


def _openmoderate(weights: str) -> Analysis:
    """Its own analysis of videos, with its own categories."""
    openmoderate: Any = importlib.import_module("openmoderate")
    pillow: Any = importlib.import_module("PIL.Image")
    # It looks for OpenCV only when it meets a video.
    importlib.import_module("cv2")
    config = openmoderate.ModerationConfig(model_name=_MODEL, pretrained=weights)
    moderator = openmoderate.Moderator(config, device="cpu")
    # Loads the model and embeds the texts.
    moderator.analyze(pillow.new("RGB", (64, 64)))
    return lambda clip: int(moderator.analyze_video(clip, fps=1.0).frames_analyzed)


_PEERS = {"OpenCV and open_clip": _open_clip, "openmoderate": _openmoderate}


def main() -> None:
    """Get ready once, then take a turn for each line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    settings = json.loads(sys.stdin.readline())
    began_s = time.perf_counter()
    try:
        analyse = _PEERS[settings["peer"]](settings["weights"])
    except (ImportError, OSError, RuntimeError) as error:
        # RuntimeError comes from a torchvision that was built for another torch.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        say({"ready": False, "reason": lines[0]})
        return
    say({"ready": True, "start_s": time.perf_counter() - began_s})
    for line in sys.stdin:
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        samples = analyse(json.loads(line)["clip"])
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        say({"samples": samples, "wall_s": wall_s, "cpu_s": cpu_s})


if __name__ == "__main__":
    main()
