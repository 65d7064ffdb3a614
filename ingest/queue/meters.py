"""Counters that all processes of an installation add to, kept in Redis so that one place has all.

Lost with Redis: whoever reads them (Prometheus) takes that for a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

from redis import Redis
from redis.exceptions import RedisError
from rq.utils import as_text

_KEY = "clipwarden:meters"


class Meter(StrEnum):
    """What is counted; a label value follows the name after a colon."""

    FRAMES = "frames"
    """Frames by stage: sample, embed, finish."""
    SECONDS = "seconds"
    """Working time by stage."""
    BATCHES = "batches"
    """Runs of a model, by model key."""
    BATCH_SLOTS = "batch_slots"
    """Pictures that those runs had room for, by model key."""
    BATCH_PICTURES = "batch_pictures"
    """Pictures that were in those runs, by model key."""
    RECOMPILATIONS = "recompilations"
    """Graphs that a device compiled after its warm-up, by model key: there should be none."""
    CPU_FALLBACKS = "cpu_fallbacks"
    """Operations that a card left to the CPU after its warm-up, by model key: likewise."""
    JOBS = "jobs"
    """Attempts by outcome: `Verdict.label` says which there are, the reaper adds lapsed."""
    SUBMISSIONS = "submissions"
    """Submissions by their final status."""
    PAUSES = "pauses"
    """Pauses by the code of the error that was waited out."""


def add_to_meters(connection: Redis, amounts: Mapping[tuple[Meter, str], float]) -> None:
    """Add to counters, each named by a meter and a label value.

    What can't be counted now is not counted: work must not fail for its statistics.
    """
    with suppress(RedisError), connection.pipeline(transaction=False) as pipeline:
        for (meter, label), amount in amounts.items():
            pipeline.hincrbyfloat(_KEY, f"{meter}:{label}", amount)
        pipeline.execute()


def read_meters(connection: Redis) -> dict[tuple[Meter, str], float]:
    """Every counter's sum, by meter and label value."""
    found = {}
    for name, amount in connection.hgetall(_KEY).items():
        meter, _, label = as_text(name).partition(":")
        # Another release may count other things.
        with suppress(ValueError):
            found[Meter(meter), label] = float(amount)
    return found
