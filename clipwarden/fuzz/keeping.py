"""Keeps the files that something was found with, and how to decode them again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clipwarden.fuzz.trial import SAMPLINGS, Case, Kind, Outcome
from ingest.errors import InvalidSampling
from ingest.geometry import Geometry
from ingest.media.spec import SamplingSpec

RECORDS = "findings.jsonl"
_KEPT_ALIKE = 3


@dataclass(frozen=True)
class Record:
    """One line on what happened; `file` is empty where it belongs to no single file."""

    kind: str
    label: str
    detail: str
    seed: int
    case: int
    file: str = ""
    sampling: str = ""
    geometry: str = ""
    parent: str = ""
    mutations: tuple[str, ...] = ()


class Keeper:
    """Writes files and records into a folder, which is made when there is something to keep."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.records: list[Record] = []
        self._folder = folder
        self._seed = seed
        self._alike: Counter[tuple[str, ...]] = Counter()

    def take(self, number: int, case: Case | None, outcome: Outcome) -> None:
        """Keep what is worth it, but no more than three of those that look alike."""
        if outcome.kind not in {Kind.FINDING, Kind.DIED}:
            return
        self._alike[outcome.signature] += 1
        if self._alike[outcome.signature] > _KEPT_ALIKE:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        record = Record(outcome.kind, outcome.label, outcome.detail, self._seed, number)
        if case is not None:
            record = self._with_file(record, case)
        with (self._folder / RECORDS).open("a") as lines:
            lines.write(json.dumps(asdict(record)) + "\n")
        self.records.append(record)

    def _with_file(self, record: Record, case: Case) -> Record:
        path = self._folder / f"{record.kind}-{self._seed}-{record.case:07d}.bin"
        path.write_bytes(case.content)
        return replace(
            record,
            file=path.name,
            sampling=case.sampling.name,
            geometry=case.geometry.name,
            parent=case.parent,
            mutations=case.mutations,
        )


def kept_cases(path: Path) -> list[Case]:
    """Return how a file was decoded when it was kept, or every strategy where that is unknown.

    Raises OSError where it can't be read.
    """
    content = path.read_bytes()
    ways = list(_recorded_ways(path))
    if not ways:
        ways = [(SamplingSpec.parse(text), Geometry("centre", 224)) for text in SAMPLINGS]
    return [Case(content, sampling, geometry, path.name) for sampling, geometry in ways]


def _recorded_ways(path: Path) -> Iterator[tuple[SamplingSpec, Geometry]]:
    records = path.parent / RECORDS
    for line in records.read_text().splitlines() if records.exists() else ():
        # Lines that somebody edited are passed over.
        with suppress(ValueError, KeyError, TypeError, InvalidSampling):
            fields = json.loads(line)
            if fields["file"] == path.name:
                yield SamplingSpec.parse(fields["sampling"]), Geometry.parse(fields["geometry"])
