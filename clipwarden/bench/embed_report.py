"""What a run of `bench embed` showed: rows of figures, and who has none."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipwarden.bench.turns import ContenderProcess
from clipwarden.errors import ProductError
from worker.models.card import Precision
from worker.models.precision import OPENVINO

Vectors = NDArray[np.float32]
CPU_DEVICES = ("cpu", OPENVINO)


@dataclass(frozen=True)
class Contender:
    """A runtime in a precision, with a batch size."""

    runtime: str
    precision: Precision
    batch: int
    device: str

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.runtime} {self.precision}, {self.batch} at a time"


@dataclass(frozen=True)
class Row:
    """Medians of one contender.

    `peak_share` is the part of the fastest matrix product in `peak_precision` that its images
    make use of; None where the model's operations can't be counted. Cosines are to the loop's
    vectors: of all images on average, and of the worst image with the mean embedding subtracted
    from both. The `cpu_` figures are per CPU second, which a busy machine disturbs less.
    `start_s` is what loading took, `first_batch_s` what the first batch did, compiling included.
    """

    runtime: str
    precision: Precision
    batch: int
    images_per_s: float
    ratio_to_loop: float
    peak_share: float | None
    cosine_mean: float
    cosine_centred_worst: float
    cpu_ratio_to_loop: float | None
    cpu_peak_share: float | None
    peak_precision: Precision
    device: str
    start_s: float
    first_batch_s: float


@dataclass(frozen=True)
class Missing:
    """A contender without a row, and why."""

    runtime: str
    precision: Precision
    batch: int
    reason: str


@dataclass(frozen=True)
class Peak:
    """The fastest product of two square matrices of `side`, and which library made it."""

    device: str
    precision: Precision
    library: str
    side: int
    flop_per_s: float
    flop_per_cpu_s: float


@dataclass(frozen=True)
class EmbedReport:
    """All rows, and what they depend on."""

    facts: dict[str, str]
    flop_per_image: float | None
    peaks: list[Peak]
    rows: list[Row]
    missing: list[Missing]

    def as_json(self) -> dict[str, Any]:
        """The report as plain objects."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "missing": [asdict(one) for one in self.missing],
            "peaks": [asdict(peak) for peak in self.peaks],
            "flop_per_image": self.flop_per_image,
            "machine": self.facts,
        }


@dataclass
class Entry:
    """A contender's process and what its turns took."""

    contender: Contender
    process: ContenderProcess
    vectors: Path
    costs: list[dict[str, Any]] = field(default_factory=list)


def fastest(rates: Sequence[tuple[str, dict[str, Any]]]) -> list[Peak]:
    """The most that was measured of each device and precision: a peak is what was reached once."""
    peaks: dict[tuple[str, Precision], Peak] = {}
    for device, rate in rates:
        peak = Peak(device=device, **rate)
        best = peaks.setdefault((device, peak.precision), peak)
        if best.flop_per_s < peak.flop_per_s:
            best = replace(best, library=peak.library, side=peak.side, flop_per_s=peak.flop_per_s)
        most_per_cpu_s = max(best.flop_per_cpu_s, peak.flop_per_cpu_s)
        peaks[device, peak.precision] = replace(best, flop_per_cpu_s=most_per_cpu_s)
    return list(peaks.values())


def reported(
    entries: Sequence[Entry],
    missing: Sequence[Missing],
    peaks: Sequence[Peak],
    flop: float | None,
    facts: dict[str, str],
) -> EmbedReport:
    """Make rows of what contenders' turns took; the first is the loop, to which ratios are.

    Raises ProductError where the loop itself failed.
    """
    loop = entries[0]
    if not loop.costs:
        raise ProductError(
            f"{loop.contender.runtime} can't run this model: {loop.process.reason}",
            "Measure with a dual encoder of transformers, or without --model.",
        )
    reference = _load(loop)
    rows, left_out = [], list(missing)
    for entry in entries:
        if entry.process.reason or not entry.costs:
            left_out.append(missing_one(entry.contender, entry.process.reason))
        else:
            rows.append(_row(entry, loop, _load(entry), reference, peaks, flop))
    return EmbedReport(facts, flop, list(peaks), rows, left_out)


def _row(
    entry: Entry,
    loop: Entry,
    vectors: Vectors,
    reference: Vectors,
    peaks: Sequence[Peak],
    flop: float | None,
) -> Row:
    contender = entry.contender
    rate, cpu_rate = _rates(entry)
    loop_rate, loop_cpu_rate = _rates(loop)
    place = "cpu" if contender.device in CPU_DEVICES else contender.device
    peak = next((p for p in peaks if (p.device, p.precision) == (place, contender.precision)), None)
    on_cpu = place == "cpu"
    return Row(
        runtime=contender.runtime,
        precision=contender.precision,
        batch=contender.batch,
        images_per_s=round(rate, 2),
        ratio_to_loop=round(rate / loop_rate, 2),
        peak_share=round(rate * flop / peak.flop_per_s, 3) if flop and peak else None,
        cosine_mean=round(float((vectors * reference).sum(axis=1).mean()), 6),
        cosine_centred_worst=round(float(_centred(vectors, reference).min()), 5),
        cpu_ratio_to_loop=round(cpu_rate / loop_cpu_rate, 2) if on_cpu else None,
        cpu_peak_share=(
            round(cpu_rate * flop / peak.flop_per_cpu_s, 3) if on_cpu and flop and peak else None
        ),
        peak_precision=contender.precision,
        device=entry.costs[0].get("device", "cpu"),
        start_s=round(entry.process.start_s, 2),
        first_batch_s=round(entry.costs[0].get("first_batch_s", 0.0), 2),
    )


def _rates(entry: Entry) -> tuple[float, float]:
    """Images per second and per CPU second."""
    wall, cpu = (
        statistics.median(cost["images"] / cost[key] for cost in entry.costs)
        for key in ("wall_s", "cpu_s")
    )
    return wall, cpu


def _centred(vectors: Vectors, reference: Vectors) -> Vectors:
    """The cosine of each row with its counterpart, their means subtracted."""
    ours, theirs = vectors - vectors.mean(axis=0), reference - reference.mean(axis=0)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return np.asarray((ours * theirs).sum(axis=1) / np.maximum(lengths, 1e-30), np.float32)


def _load(entry: Entry) -> Vectors:
    return np.asarray(np.load(entry.vectors, allow_pickle=False), np.float32)


def missing_one(contender: Contender, reason: str) -> Missing:
    """Say that a contender has no row."""
    return Missing(contender.runtime, contender.precision, contender.batch, reason)
