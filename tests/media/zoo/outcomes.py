"""Runs one file through the real decoding process and compares what came with what is right."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest.errors import MediaError
from ingest.geometry import Geometry
from ingest.media.check import check_input
from ingest.media.decoder import decode
from ingest.media.facts import SampledFrame
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec
from tests import clips
from tests.media.sampled import CENTRE
from tests.media.zoo.bait import CANARY_COLOUR
from tests.media.zoo.entry import ANY_WARNING, Outcome, Status

LIMITS = DecodeLimits(stall_timeout_s=120.0)
"""The product's own, but for its patience: the machine that runs the tests may be a slow one."""
_TOLD_APART = 12.0
"""Mean distance of 255 by which two plain colours are still the same."""


@dataclass(frozen=True)
class Seen:
    """What the decoding of one file gave. `code_ms` are the times shown in the pictures."""

    status: Status
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    times_ms: tuple[float, ...] = ()
    codes_ms: tuple[int | None, ...] = ()
    size: tuple[int, int] | None = None
    duration_ms: float = 0.0
    showed_canary: bool = False
    peak_bytes: int = 0


def examine(
    path: Path,
    sampling: str = "fps:2",
    geometry: Geometry = CENTRE,
    limits: DecodeLimits = LIMITS,
) -> Seen:
    """Decode a file to its end; an error of any other kind than a MediaError comes through."""
    frames: list[SampledFrame] = []
    peak_bytes = 0
    try:
        check_input(path)
        with decode(path, SamplingSpec.parse(sampling), geometry, limits=limits) as session:
            for frame in session:
                frames.append(frame)
                peak_bytes = max(peak_bytes, _peak_bytes(session.child_pid))
            summary, facts = session.summary, session.facts
            peak_bytes = max(peak_bytes, _peak_bytes(session.child_pid))
    except MediaError as error:
        return Seen(
            "failed",
            code=error.code,
            message=str(error),
            showed_canary=_show_canary(frames),
            peak_bytes=peak_bytes,
        )
    return Seen(
        "partial" if summary.partial else "done",
        warnings=summary.warnings,
        times_ms=tuple(frame.pts_us / 1000 for frame in frames),
        codes_ms=tuple(_code_ms(frame) for frame in frames),
        size=(facts.width, facts.height),
        duration_ms=summary.duration_us / 1000,
        showed_canary=_show_canary(frames),
        peak_bytes=peak_bytes,
    )


def differences(seen: Seen, right: Outcome) -> list[str]:
    """Say in which ways what was seen is not what is right."""
    found = []
    if seen.showed_canary:
        found.append("a picture of the canary")
    if seen.status not in right.statuses:
        found.append(f"{seen.status} instead of {' or '.join(sorted(right.statuses))}")
    elif seen.status == "failed":
        if seen.code not in right.codes:
            found.append(f"{seen.code} instead of {' or '.join(sorted(right.codes))}")
        if "\n" in seen.message or not seen.message.isprintable():
            found.append("a message that is not one printable line")
    else:
        found += _differences_of_a_result(seen, right)
    return found


def _differences_of_a_result(seen: Seen, right: Outcome) -> list[str]:
    found = []
    given = {warning.partition(":")[0] for warning in seen.warnings}
    wanted = given if right.warnings == ANY_WARNING else right.warnings
    if right.warnings and not given & wanted:
        found.append(f"none of the warnings {sorted(right.warnings)}")
    if seen.status == "partial" and not given:
        found.append("partial without a warning")
    if list(seen.times_ms) != sorted(seen.times_ms) or not seen.times_ms:
        found.append("times that go back, or none")
    elif seen.times_ms[0] != 0 or seen.duration_ms < seen.times_ms[-1]:
        found.append("times outside 0 and the duration")
    if right.times_ms is not None and not _alike(seen.times_ms, right):
        found.append(f"sampled at {seen.times_ms} instead of {right.times_ms}")
    if right.frames and not right.frames[0] <= len(seen.times_ms) <= right.frames[1]:
        found.append(f"{len(seen.times_ms)} frames instead of {right.frames}")
    if right.duration_ms and not right.duration_ms[0] <= seen.duration_ms <= right.duration_ms[1]:
        found.append(f"{seen.duration_ms} ms instead of {right.duration_ms}")
    if right.size and seen.size != right.size:
        found.append(f"size {seen.size} instead of {right.size}")
    if right.timed:
        found += _wrong_times(seen, right)
    return found


def _alike(times_ms: tuple[float, ...], right: Outcome) -> bool:
    assert right.times_ms is not None
    return len(times_ms) == len(right.times_ms) and bool(
        np.allclose(times_ms, right.times_ms, rtol=0, atol=right.tolerance_ms)
    )


def _wrong_times(seen: Seen, right: Outcome) -> list[str]:
    """Compare times with those the pictures carry, which count from the first one shown."""
    legible = [
        (time, code)
        for time, code in zip(seen.times_ms, seen.codes_ms, strict=True)
        if code is not None
    ]
    if len(legible) < len(seen.times_ms) * (1.0 if "done" in right.statuses else 0.5):
        return ["pictures that can't be read"]
    start = legible[0][1] - legible[0][0] if legible else 0
    wrong = [
        f"{time:g} ms shows the picture of {code - start:g} ms"
        for time, code in legible
        if abs(time - (code - start)) > right.tolerance_ms
    ]
    return wrong[:3] if "done" in right.statuses or len(wrong) > 1 else []


def _code_ms(frame: SampledFrame) -> int | None:
    try:
        return clips.read_time_code(frame.pictures[0])
    except (AssertionError, IndexError):
        return None


def _show_canary(frames: list[SampledFrame]) -> bool:
    pictures = [picture for frame in frames for picture in frame.pictures]
    means = [picture.mean((0, 1)) for picture in pictures]
    return any(np.abs(mean - CANARY_COLOUR).max() < _TOLD_APART for mean in means)


def _peak_bytes(pid: int) -> int:
    """The most memory a process had so far, of which the limit is on its address space."""
    try:
        with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
            sizes = dict(line.split(":", 1) for line in status)
    except FileNotFoundError:
        return 0
    return int(sizes.get("VmPeak", "0").split()[0]) * 1024


def largest_child_bytes() -> int:
    """The largest resident memory of all children that have ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
