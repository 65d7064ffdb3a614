"""`--limit NAME=VALUE`: what one file may cost while it is decoded, in units for people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import typer

from clipwarden.roles import usable_cores
from ingest.media.limits import DecodeLimits
from ingest.sources.limits import FetchLimits

_VALUE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,6})?)(?P<unit>[A-Za-z]{0,3})")

_TIMES = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_COUNTS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
_SIZES = {
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "TB": 1000**4,
    "GB": 1000**3,
    "MB": 1000**2,
    "KB": 1000,
    "": 1,
}
_LONGEST_S = 366 * 86400
_MAX_THREADS = 8
"""More barely shorten one file, and each keeps pictures of its own in memory."""


@dataclass(frozen=True)
class Limit:
    """One limit that a name stands for: its field, its units, what it must at least be."""

    field: str
    units: dict[str, int]
    lowest: int = 1
    highest: int = 2**62


LIMITS = {
    "bytes": Limit("max_bytes", _SIZES),
    "duration": Limit("max_duration_s", _TIMES, highest=_LONGEST_S),
    "pixels": Limit("max_pixels", _COUNTS, highest=2**31 - 1),
    "frames": Limit("max_frames", _COUNTS),
    "streams": Limit("max_streams", _COUNTS, highest=10_000),
    # Python and FFmpeg alone take a quarter of a gigabyte of addresses.
    "memory": Limit("memory_bytes", _SIZES, lowest=320 * 1024**2),
    "cpu": Limit("cpu_s", _TIMES, highest=_LONGEST_S),
    "time": Limit("wall_s", _TIMES, highest=_LONGEST_S),
    "stall": Limit("stall_timeout_s", _TIMES, highest=_LONGEST_S),
    "files": Limit("open_files", _COUNTS, lowest=16, highest=65536),
    "threads": Limit("threads", _COUNTS, highest=64),
}


def decode_limits(texts: Iterable[str] | None, threads: int = 1) -> DecodeLimits:
    """Read `duration=6h`, `bytes=2GB` and the like; where one is named twice, the last counts.

    `threads` is the default of that name. Raises a usage error that lists the names or units.
    """
    values: dict[str, int] = {"threads": threads}
    for text in texts or ():
        name, _, value = text.partition("=")
        limit = LIMITS.get(name)
        if limit is None:
            raise _usage_error(
                f"{text!r} names no limit: write one of {', '.join(LIMITS)}.", "--limit"
            )
        values[limit.field] = _read(text, value, limit, "--limit")
    return replace(DecodeLimits(), **values)


def fetch_limits(max_bytes: str, *, allow_private: bool) -> FetchLimits:
    """What taking in one file may cost; raises a usage error where the size is none."""
    size = _read(max_bytes, max_bytes, LIMITS["bytes"], "--max-bytes")
    return FetchLimits(max_bytes=size, allow_private=allow_private)


def threads_for_one_file() -> int:
    """Decoding threads where one file at a time is analysed and its end is waited for."""
    return min(usable_cores(), _MAX_THREADS)


def described_defaults() -> str:
    """Every name with its default, such as `bytes=64GiB`, for the help text."""
    defaults = DecodeLimits()
    parts = []
    for name, limit in LIMITS.items():
        parts.append(f"{name}={_spelled(int(getattr(defaults, limit.field)), limit)}")
    return ", ".join(parts)


def _read(text: str, value: str, limit: Limit, option: str) -> int:
    match = _VALUE.fullmatch(value)
    if match is None or match["unit"] not in limit.units:
        units = ", ".join(f"1{unit}" for unit in limit.units)
        raise _usage_error(f"{text!r} is no value of this limit: write such as {units}.", option)
    number = Fraction(match["number"]) * limit.units[match["unit"]]
    if number.denominator != 1 or not limit.lowest <= number <= limit.highest:
        lowest, highest = _spelled(limit.lowest, limit), _spelled(limit.highest, limit)
        raise _usage_error(
            f"{text!r} is out of bounds: write a whole number from {lowest} to {highest}.", option
        )
    return int(number)


def _spelled(value: int, limit: Limit) -> str:
    """A value in its largest whole unit; days are not, for 12h reads better than half of one."""
    best = max(
        (size, unit)
        for unit, size in limit.units.items()
        if value % size == 0 and (size <= value) and unit != "m"
    )
    return f"{value // best[0]}{best[1]}"


def _usage_error(message: str, option: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)
