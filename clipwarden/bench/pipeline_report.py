"""What a run of `bench pipeline` showed: rows of figures, what bounds each, and who has none."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clipwarden.bench.turns import ContenderProcess
from clipwarden.errors import ProductError
from worker.models.card import Precision

_BUSY_SHARE = 0.85
"""An encoder that reaches this part of what it does without a decoder beside it is the bound."""


@dataclass(frozen=True)
class Way:
    """A way from a file to vectors: who, which frames, on what."""

    name: str
    sampling: str
    device: str
    precision: Precision
    batch: int = 0

    @property
    def title(self) -> str:
        """What people call it."""
        runtime = "torch" if self.device == "cpu" else self.device
        return f"{self.name}, {self.sampling}, {runtime} {self.precision}"


@dataclass(frozen=True)
class Row:
    """Medians of one way; None where it can't be told.

    `x_real_time` is seconds of video per second, `ratio` that over the article's way, `cpu_ratio`
    the same of CPU seconds. The stages are busy seconds: of the decoding process's CPU for
    `decode_s` and `preprocess_s` (scaling and thumbnails, reckoned from what one picture takes),
    of the clock for the others. `encoder_share` is images per second over what the same encoder
    reaches with no decoder beside it, `to_bare` the whole product over the bare pipeline of the
    same sampling and runtime. `queue_empty_s` is how long the encoder waited for pictures,
    `queue_full_s` how long decoding waited for the encoder.
    """

    way: str
    sampling: str
    device: str
    precision: Precision
    batch: int
    samples: int
    wall_s: float
    x_real_time: float
    ratio: float
    cpu_ratio: float | None
    images_per_s: float
    decode_s: float | None
    preprocess_s: float | None
    embed_s: float | None
    store_s: float | None
    queue_empty_s: float | None
    queue_full_s: float | None
    pure_images_per_s: float | None
    encoder_share: float | None
    to_bare: float | None
    bound: str
    start_s: float | None


@dataclass(frozen=True)
class Missing:
    """A way without a row, and why."""

    way: str
    sampling: str
    reason: str


@dataclass(frozen=True)
class PipelineReport:
    """All rows, and what they depend on."""

    facts: dict[str, str]
    rows: list[Row]
    missing: list[Missing]

    def as_json(self) -> dict[str, Any]:
        """The report as plain objects."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "missing": [asdict(one) for one in self.missing],
            "machine": self.facts,
        }


@dataclass
class Entry:
    """A way's process, if it has one, and what its turns took."""

    way: Way
    process: ContenderProcess | None
    costs: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""

    def add(self, cost: dict[str, Any] | None) -> None:
        """Keep what a turn took, or why there was none."""
        if cost is None or "reason" in cost:
            self.reason = self.process.reason if self.process else str((cost or {})["reason"])
        else:
            self.costs.append(cost)

    def median(self, key: str) -> float | None:
        """The middle of what the turns say; None where they don't."""
        values = [cost[key] for cost in self.costs if cost.get(key) is not None]
        return statistics.median(values) if values else None


def reported(
    entries: Sequence[Entry],
    seconds: float,
    left_out: Mapping[Way, str],
    facts: dict[str, str],
) -> PipelineReport:
    """Make rows of what turns took; the first way is the one that ratios are to.

    Raises ProductError where that one failed.
    """
    article = entries[0]
    if article.reason:
        raise ProductError(
            f"{article.way.name} can't be measured: {article.reason}",
            "Name another clip, or measure without --model.",
        )
    rows = [_row(entry, entries, seconds) for entry in entries if not entry.reason]
    reasons = {entry.way: entry.reason for entry in entries if entry.reason} | dict(left_out)
    missing = [Missing(way.name, way.sampling, reason) for way, reason in reasons.items()]
    facts = facts | {"article's decoder": str(article.costs[0].get("decoder", ""))}
    return PipelineReport(facts, rows, missing)


def _row(entry: Entry, entries: Sequence[Entry], seconds: float) -> Row:
    way, wall_s = entry.way, entry.median("wall_s") or 0.0
    samples = int(entry.costs[0]["samples"])
    pure = entry.median("pure_images_per_s")
    return Row(
        way=way.name,
        sampling=way.sampling,
        device=way.device,
        precision=way.precision,
        batch=way.batch,
        samples=samples,
        wall_s=round(wall_s, 2),
        x_real_time=round(seconds / wall_s, 1),
        ratio=round((entries[0].median("wall_s") or 0.0) / wall_s, 2),
        cpu_ratio=_ratio(entries[0].median("cpu_s"), entry.median("cpu_s")),
        images_per_s=round(samples / wall_s, 2),
        decode_s=_rounded(entry.median("decode_s")),
        preprocess_s=_rounded(entry.median("preprocess_s")),
        embed_s=_rounded(entry.median("embed_s")),
        store_s=_rounded(entry.median("store_s")),
        queue_empty_s=_rounded(entry.median("queue_empty_s")),
        queue_full_s=_rounded(entry.median("queue_full_s")),
        pure_images_per_s=_rounded(pure),
        encoder_share=round(samples / wall_s / pure, 3) if pure else None,
        to_bare=_to_bare(entry, entries),
        bound=_bound(entry, wall_s, samples),
        start_s=_rounded(entry.process.start_s if entry.process else None),
    )


def _to_bare(entry: Entry, entries: Sequence[Entry]) -> float | None:
    """The other way of the same sampling, device and precision, over this one that has no pipe."""
    if entry.process is not None:
        return None
    same = (entry.way.sampling, entry.way.device, entry.way.precision)
    for other in entries[1:]:
        way = other.way
        if other.process and other.costs and (way.sampling, way.device, way.precision) == same:
            return _ratio(other.median("wall_s"), entry.median("wall_s"))
    return None


def _bound(entry: Entry, wall_s: float, samples: int) -> str:
    """What to make faster first; empty where nothing was asked.

    Decoder and encoder share the cores, so that the encoder may be slow because of the decoder
    without ever waiting for it.
    """
    empty, full = entry.median("queue_empty_s"), entry.median("queue_full_s")
    pure, cpu_s = entry.median("pure_images_per_s"), entry.median("cpu_s")
    if empty is None or full is None or pure is None or cpu_s is None:
        return ""
    if samples / wall_s >= _BUSY_SHARE * pure:
        return "embed"
    if empty > full:
        return "decode: the encoder waited for it"
    spent = (entry.median("decode_s") or 0.0) + (entry.median("preprocess_s") or 0.0)
    if cpu_s >= _BUSY_SHARE * wall_s * len(os.sched_getaffinity(0)):
        return f"the cores: decoding took {spent / cpu_s:.0%} of their time"
    return "embed"


def _ratio(reference: float | None, own: float | None) -> float | None:
    return round(reference / own, 2) if reference and own else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
