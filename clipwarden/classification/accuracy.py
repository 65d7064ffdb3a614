"""How often the right label comes first, or among the first five, and what is taken for what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clipwarden.classification.answers import Answer

_Z_95 = 1.959964
"""The normal distribution holds 95% within so many standard deviations."""
TOP = 5
MAX_CONFUSIONS = 10


@dataclass(frozen=True)
class Share:
    """Hits of a number of pictures, with the bounds of the 95% interval."""

    hits: int
    pictures: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, pictures: int) -> Share:
        """Wilson's score interval (Wilson 1927), which also holds near 0 and 1."""
        if not pictures:
            return cls(0, 0, 0.0, 1.0)
        share, z2 = hits / pictures, _Z_95**2
        centre = share + z2 / (2 * pictures)
        spread = _Z_95 * math.sqrt(share * (1 - share) / pictures + z2 / (4 * pictures**2))
        scale = 1 + z2 / pictures
        return cls(
            hits, pictures, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
        )

    @property
    def value(self) -> float:
        """The share itself; 0 of no pictures."""
        return self.hits / self.pictures if self.pictures else 0.0


@dataclass(frozen=True)
class Confusion:
    """A label that was given in place of the right one, how often, and how sure at most."""

    truth: str
    given: str
    count: int
    confidence: float


@dataclass(frozen=True)
class Accuracy:
    """Shares of pictures whose right label comes first, or among the first five."""

    top1: Share
    top5: Share
    confusions: tuple[Confusion, ...]


def accuracy_of(answers: Sequence[Answer]) -> Accuracy:
    """Measure the answers whose truth is known; the commonest confusions come first."""
    known = [one for one in answers if one.truth_rank is not None]
    ranks = [one.truth_rank or 0 for one in known]
    counts: Counter[tuple[str, str]] = Counter()
    surest: dict[tuple[str, str], float] = {}
    for one in known:
        if one.truth_rank != 1 and one.truth is not None:
            first = one.choices[0]
            pair = (one.truth, first.label)
            counts[pair] += 1
            surest[pair] = max(surest.get(pair, 0.0), first.confidence)
    worst = sorted(counts, key=lambda pair: (-counts[pair], -surest[pair], pair))
    return Accuracy(
        Share.of(sum(rank == 1 for rank in ranks), len(known)),
        Share.of(sum(rank <= TOP for rank in ranks), len(known)),
        tuple(Confusion(*pair, counts[pair], surest[pair]) for pair in worst[:MAX_CONFUSIONS]),
    )
