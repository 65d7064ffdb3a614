"""One file through the way that a sampler uses, and what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from random import Random

from clipwarden.fuzz.contract import Contract
from clipwarden.fuzz.watch import Watch, child_pid, left_alive
from ingest.errors import DecoderCrashed, MediaError
from ingest.geometry import CROPS, Geometry
from ingest.media.check import check_input
from ingest.media.decoder import DecodeSession, decode
from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec

LIMITS = DecodeLimits(
    max_duration_s=3600,
    max_pixels=1920 * 1088,
    max_frames=2000,
    max_streams=16,
    memory_bytes=768 * 1024**2,
    cpu_s=15,
    wall_s=20.0,
    stall_timeout_s=5.0,
    threads=1,
)
"""Tight, so that a case takes a few seconds at most."""
LONGEST_S = 40.0
"""A case that takes longer hangs: it got past every limit."""

SAMPLINGS = (
    *("fps:1", "fps:2", "fps:60", "fps:1/3", "fps:2,fast", "fps:60,fast", "keyframes"),
    *("shots", "shots:9", "adaptive", "adaptive:1/60-60"),
)
_SIZES_PX = (32, 64, 224)
_SOURCE = "fuzzed.bin"
_SIGNAL = re.compile(r"ended by (SIG[A-Z0-9]+|signal \d+)")
_NUMBER = re.compile(r"\d+")


class Kind(StrEnum):
    """What became of a case."""

    DECODED = "decoded"
    REFUSED = "refused"
    DIED = "died"
    """The decoding process was ended by a signal: a named result, and a defect of a decoder."""
    FINDING = "finding"


@dataclass(frozen=True)
class Case:
    """A file and how it is to be decoded."""

    content: bytes
    sampling: SamplingSpec
    geometry: Geometry
    parent: str
    mutations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `label` is an error's code, a signal's name or a kind of finding.

    Two outcomes of the same `signature` are alike as far as can be told from outside.
    """

    kind: Kind
    label: str
    detail: str = ""
    signature: tuple[str, ...] = field(default=(), repr=False)


def draw_way(rng: Random) -> tuple[SamplingSpec, Geometry]:
    """Draw a sampling strategy and a geometry."""
    sampling = SamplingSpec.parse(rng.choice(SAMPLINGS))
    return sampling, Geometry(rng.choice(CROPS), rng.choice(_SIZES_PX))


def run_case(case: Case, folder: Path, watch: Watch) -> Outcome:
    """Decode a case in a new folder of its own, which is gone afterwards."""
    folder.mkdir()
    path = folder / "input.bin"
    path.write_bytes(case.content)
    outcome = _decoded(case, path, watch)
    left = sorted(item.name for item in folder.iterdir() if item != path)
    if left:
        outcome = _finding("file left behind", ", ".join(left))
    elif path.read_bytes() != case.content:
        outcome = _finding("input changed", "its file is not what it was")
    for item in folder.iterdir():
        item.unlink()
    folder.rmdir()
    return outcome


def _decoded(case: Case, path: Path, watch: Watch) -> Outcome:
    """Decode under watch; what the watch saw outweighs what the decoding says."""
    session = decode(path, case.sampling, case.geometry, source=_SOURCE, limits=LIMITS)
    watched = watch.begin(session, LONGEST_S)
    try:
        outcome = _taken(case, path, session)
    finally:
        watch.end(watched)
    pid = child_pid(session)
    if watched.hung:
        return _finding("hang", f"not done after {LONGEST_S:g} s ({outcome.detail})")
    if watched.peak_bytes > LIMITS.memory_bytes:
        return _finding("memory", f"{watched.peak_bytes} bytes of {LIMITS.memory_bytes}")
    if pid is not None and (left := left_alive(pid)):
        return _finding("process left behind", f"processes {left}")
    return outcome


def _taken(case: Case, path: Path, session: DecodeSession) -> Outcome:
    contract = Contract(case.sampling, case.geometry)
    try:
        check_input(path)
        with session:
            contract.take_facts(session.facts)
            for frame in session:
                contract.take_frame(frame)
            contract.take_summary(session.summary)
            outcome = _success(session)
    except MediaError as error:
        # The check before it is the submitter's, who named the file by its path.
        decoding = child_pid(session) is not None
        contract.take_error(error, str(path) if decoding else None)
        outcome = _failure(error, path)
    except Exception as error:  # whatever escapes is what we look for
        return _finding(f"raised {type(error).__name__}", repr(error))
    return _finding("contract", "; ".join(contract.faults)) if contract.faults else outcome


def _success(session: DecodeSession) -> Outcome:
    facts, summary = session.facts, session.summary
    codes = sorted({text.split(":")[0] for text in summary.warnings})
    label = "partial" if summary.partial else "complete"
    counts = summary.frames_shown, summary.frames_sampled, len(summary.cuts_us)
    signature = (label, *codes, facts.codec, facts.container, _bucket(summary.duration_us // 1000))
    return Outcome(Kind.DECODED, label, signature=(*signature, *map(_bucket, counts)))


def _failure(error: MediaError, path: Path) -> Outcome:
    words = _NUMBER.sub("#", error.message.replace(str(path), _SOURCE))
    signature = (error.code, words)
    if not isinstance(error, DecoderCrashed):
        return Outcome(Kind.REFUSED, error.code, error.message, signature)
    if match := _SIGNAL.search(error.message):
        return Outcome(Kind.DIED, match[1], error.message, signature)
    # It ended without a signal and without an answer, or answered nonsense: our own child's fault.
    return replace(_finding("decoder failed", error.message), signature=signature)


def _finding(label: str, detail: str) -> Outcome:
    return Outcome(Kind.FINDING, label, detail, (label, _NUMBER.sub("#", detail)))


def _bucket(number: int) -> str:
    """Numbers of the same length in binary are taken for alike."""
    return str(number.bit_length())
