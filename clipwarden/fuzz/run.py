"""The loop: draw a file, mutate it, decode it, keep what was new.

The guidance is of the cheap kind. No coverage is measured inside the decoder; a mutated file whose
outcome looks like none before (see `Outcome.signature`) becomes one to mutate further. Each case
depends on the seed, its number and the files found until its round, never on which thread was
first: the same seed makes the same files again, with any number of threads.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from clipwarden.fuzz.keeping import Keeper, Record, kept_cases
from clipwarden.fuzz.mutate import MAX_BYTES, mutate
from clipwarden.fuzz.seeds import Seed, make_seeds
from clipwarden.fuzz.trial import Case, Kind, Outcome, draw_way, run_case
from clipwarden.fuzz.watch import Watch

_ROUND = 32
_FROM_SEEDS = 0.4
"""The part of all cases that starts from a seed again; the others start from found files."""

Tell = Callable[[int], None]
"""Told how many cases are done."""
Trial = Callable[[Case, Path, Watch], Outcome]


@dataclass(frozen=True)
class FuzzSettings:
    """How long, where to keep what is found, and what makes a run repeatable.

    It ends after `cases` or `seconds`, whichever comes first; None sets no bound.
    """

    seed: int
    jobs: int
    keep: Path
    cases: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class FuzzReport:
    """What came out: counts by kind and label, and what was kept.

    `novel_files` became seeds because their outcome was new.
    """

    cases: int
    elapsed_s: float
    seeds: int
    novel_files: int
    outcomes: dict[str, dict[str, int]]
    kept: list[Record]

    @property
    def findings(self) -> int:
        """How many cases broke a promise."""
        return sum(self.outcomes.get(Kind.FINDING, {}).values())


def run_fuzz(settings: FuzzSettings, tell: Tell, seeds: list[Seed] | None = None) -> FuzzReport:
    """Fuzz until the settings' end, starting from `seeds`, by default all there are."""
    with _workplace() as folder, Watch() as watch:
        fuzzer = Fuzzer(settings, seeds or make_seeds(), folder, watch)
        return fuzzer.run(tell)


def replay(path: Path) -> list[tuple[Case, Outcome]]:
    """Decode a kept file again as it was decoded; raises OSError where it can't be read."""
    with _workplace() as folder, Watch() as watch:
        return [(case, run_case(case, folder / "replay", watch)) for case in kept_cases(path)]


@contextmanager
def _workplace() -> Iterator[Path]:
    """Yield a folder for inputs; this process's temporary files go beside it meanwhile."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="clipwarden-fuzz-") as name:
        folder = Path(name)
        for inner in (folder / "cases", folder / "temporary"):
            inner.mkdir()
        tempfile.tempdir = str(folder / "temporary")
        try:
            yield folder / "cases"
        finally:
            tempfile.tempdir = before


class Fuzzer:
    """The files to mutate, the outcomes seen, and the rounds."""

    def __init__(
        self,
        settings: FuzzSettings,
        seeds: list[Seed],
        folder: Path,
        watch: Watch,
        trial: Trial = run_case,
    ) -> None:
        self._settings = settings
        self._seeds = seeds
        self._folder = folder
        self._watch = watch
        self._trial = trial
        self._novel: list[Seed] = []
        self._signatures: set[tuple[str, ...]] = set()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._keeper = Keeper(settings.keep, settings.seed)
        self._done = 0
        self._began_s = time.monotonic()

    def run(self, tell: Tell) -> FuzzReport:
        """Run rounds until the end; first every seed as it is, then mutations."""
        open_files = _open_files()
        number = 0
        with _pool(self._settings.jobs) as pool:
            while numbers := self._next_round(number):
                cases = [self._case(each) for each in numbers]
                futures = [
                    pool.submit(self._run_case, each, case)
                    for each, case in zip(numbers, cases, strict=True)
                ]
                self._take(numbers, cases, futures, tell)
                number = numbers[-1] + 1
                if _open_files() > open_files:
                    self._note_leak("file left open", number)
                    open_files = _open_files()
                if left := list((self._folder.parent / "temporary").iterdir()):
                    self._note_leak("temporary file left behind", number)
                    for path in left:
                        path.rename(self._folder / f"left-{number}-{path.name}")
        return self._report()

    def _next_round(self, first: int) -> range:
        end = first + _ROUND
        if self._settings.cases is not None:
            end = min(end, self._settings.cases)
        return range(first, first if self._is_late() else end)

    def _is_late(self) -> bool:
        longest_s = self._settings.seconds
        return longest_s is not None and time.monotonic() - self._began_s > longest_s

    def _case(self, number: int) -> Case:
        rng = Random(f"{self._settings.seed}:{number}")  # noqa: S311 - no secret
        sampling, geometry = draw_way(rng)
        if number < len(self._seeds):
            seed = self._seeds[number]
            return Case(seed.content, sampling, geometry, seed.name)
        novel = self._novel and rng.random() > _FROM_SEEDS
        parent = rng.choice(self._novel if novel else self._seeds)
        content, mutations = mutate(parent.content, rng.choice(self._seeds).content, rng)
        return Case(content, sampling, geometry, parent.name, mutations)

    def _run_case(self, number: int, case: Case) -> Outcome | None:
        if self._is_late():
            return None
        return self._trial(case, self._folder / f"case-{number}", self._watch)

    def _take(
        self, numbers: range, cases: list[Case], futures: list[Future[Outcome | None]], tell: Tell
    ) -> None:
        """Take in a round in the order of its cases, whichever was done first."""
        for number, case, future in zip(numbers, cases, futures, strict=True):
            outcome = future.result()
            if outcome is None:
                continue
            self._done += 1
            self._note(number, case, outcome)
            if outcome.signature not in self._signatures:
                self._signatures.add(outcome.signature)
                if case.mutations and 0 < len(case.content) <= MAX_BYTES:
                    self._novel.append(Seed(f"case {number}", case.content))
            tell(self._done)

    def _note(self, number: int, case: Case | None, outcome: Outcome) -> None:
        self._outcomes[outcome.kind, outcome.label] += 1
        self._keeper.take(number, case, outcome)

    def _note_leak(self, label: str, number: int) -> None:
        detail = f"in one of the {_ROUND} cases before {number}"
        self._note(number, None, Outcome(Kind.FINDING, label, detail, (label,)))

    def _report(self) -> FuzzReport:
        outcomes: dict[str, dict[str, int]] = {}
        for (kind, label), count in sorted(self._outcomes.items()):
            outcomes.setdefault(kind, {})[label] = count
        return FuzzReport(
            cases=self._done,
            elapsed_s=round(time.monotonic() - self._began_s, 1),
            seeds=len(self._seeds),
            novel_files=len(self._novel),
            outcomes=outcomes,
            kept=self._keeper.records,
        )


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that forgets what is queued when it is left in a hurry."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a Path would take two more each
