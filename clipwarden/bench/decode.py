"""Seconds of video per second: our sampling strategies beside what people use instead.

Each run is a process of its own, so that memory and CPU time are its own, too. Contenders take
turns, so that whatever else the machine does falls on all of them; medians are given.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av

from clipwarden.bench.contender import OTHERS, OURS, Cost, Request, ffmpeg_program
from clipwarden.bench.machine import load, processor, version
from clipwarden.errors import ProductError

STRATEGIES = ("fps:1", "fps:1,fast", "fps:2", "keyframes", "shots", "adaptive")
_COMMAND = (sys.executable, "-P", "-m", "clipwarden.bench.contender")
_PROBED_STRATEGY = "fps:1"

Tell = Callable[[str], None]
"""Told in words what is measured next."""


@dataclass(frozen=True)
class Row:
    """Medians of one contender on one clip; None where it gave no result, and `note` says why.

    `x_real_time` is seconds of video per second, `ratio` that over what OpenCV's read loop
    reaches. `cpu_ratio` is the same of CPU seconds: on a busy machine, believe that one.
    `peak_rss_mb` is the decoding process's, in millions of bytes.
    """

    clip: str
    contender: str
    x_real_time: float | None = None
    ratio: float | None = None
    cpu_ratio: float | None = None
    frames: int | None = None
    cpu_s_per_minute: float | None = None
    peak_rss_mb: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Clip:
    """A video to measure with, and what to call it."""

    name: str
    path: Path


def measure(clip: Clip, threads: int, repeats: int, tell: Tell) -> list[Row]:
    """Measure every contender on a clip; raises ProductError where we can't decode it."""
    contenders = [*((OURS, text) for text in STRATEGIES), *((name, "") for name in OTHERS)]
    costs: dict[tuple[str, str], list[Cost]] = {each: [] for each in contenders}
    for turn in range(repeats):
        for name, sampling in contenders:
            tell(f"{clip.name}, {turn + 1} of {repeats}: {sampling or name}")
            costs[name, sampling].append(
                _run(Request(name, str(clip.path.absolute()), sampling, threads))
            )
    duration_s = _duration_s(costs[OURS, _PROBED_STRATEGY], clip)
    reference = costs[OTHERS[0], ""]
    usable = not any(cost.missing or cost.failed for cost in reference)
    baseline = _medians(reference) if usable else None
    return [
        _row(clip, sampling or name, costs[name, sampling], duration_s, baseline)
        for name, sampling in contenders
    ]


def machine(threads: int) -> dict[str, str]:
    """What the figures depend on: processor, cores, versions, and what else goes on."""
    return {
        "processor": processor(),
        "cores": f"{len(os.sched_getaffinity(0))} usable, {threads} threads for ours",
        "load": load(),
        "python": platform.python_version(),
        "av": f"{av.__version__}, libavcodec {_dotted(av.library_versions['libavcodec'])}",
        "opencv": version("opencv-python-headless") or version("opencv-python") or "missing",
        "ffmpeg": _ffmpeg_version(),
    }


def as_json(facts: dict[str, str], rows: Sequence[Row]) -> dict[str, object]:
    """Machine and rows as plain objects."""
    return {"machine": facts, "rows": [asdict(row) for row in rows]}


def _run(request: Request) -> Cost:
    line = json.dumps(asdict(request)) + "\n"
    done = subprocess.run(_COMMAND, input=line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        words = lines[-1] if lines else f"exit status {done.returncode}"
        return Cost(failed=words)
    return Cost(**json.loads(done.stdout))


def _duration_s(costs: list[Cost], clip: Clip) -> float:
    if failed := next((cost.failed for cost in costs if cost.failed), ""):
        raise ProductError(failed, "Name another clip.")
    duration_s = costs[0].duration_s
    if duration_s <= 0:
        raise ProductError(f"{clip.path}: has no length.", "Name a longer clip.")
    return duration_s


def _row(
    clip: Clip,
    contender: str,
    costs: list[Cost],
    duration_s: float,
    baseline: tuple[float, float] | None,
) -> Row:
    if missing := next((cost.missing for cost in costs if cost.missing), ""):
        return Row(clip.name, contender, note=f"not installed: {missing}")
    if failed := next((cost.failed for cost in costs if cost.failed), ""):
        return Row(clip.name, contender, note=f"failed: {failed}")
    wall_s, cpu_s = _medians(costs)
    return Row(
        clip=clip.name,
        contender=contender,
        x_real_time=round(duration_s / wall_s, 1),
        ratio=round(baseline[0] / wall_s, 2) if baseline else None,
        cpu_ratio=round(baseline[1] / cpu_s, 2) if baseline else None,
        frames=costs[0].frames,
        cpu_s_per_minute=round(60 * cpu_s / duration_s, 2),
        peak_rss_mb=round(max(cost.peak_rss_mb for cost in costs), 1),
    )


def _medians(costs: list[Cost]) -> tuple[float, float]:
    """Seconds of wall clock and of CPU."""
    wall_s = statistics.median(cost.wall_s for cost in costs)
    return wall_s, statistics.median(cost.cpu_s for cost in costs)


def _ffmpeg_version() -> str:
    try:
        command = [ffmpeg_program(), "-version"]
    except ImportError:
        return "missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.match(r"ffmpeg version (\S+)", done.stdout)
    return match[1] if match else "unknown"


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
