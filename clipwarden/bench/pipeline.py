"""Seconds of video per second, from the file to stored vectors, and where they go.

Every contender is a process of its own that is loaded before its clock starts; the clock runs
from before the file is opened to after the vectors are stored. They take turns, so that whatever
else the machine does falls on all of them, and medians are given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clipwarden.bench import machine
from clipwarden.bench.models import BenchModel, in_precision
from clipwarden.bench.pipeline_report import Entry, PipelineReport, Way, reported
from clipwarden.bench.product import analyse_once
from clipwarden.bench.turns import ContenderProcess, module_command
from worker.errors import DeviceUnavailable, ModelUncalibrated
from worker.models.card import Precision
from worker.models.precision import OPENVINO, check_precision

Tell = Callable[[str], None]

ARTICLE = "the article's way"
BARE = "bare pipeline"
PRODUCT = "whole product"
PEERS = ("OpenCV and open_clip", "openmoderate")

_WAYS = (
    Way(ARTICLE, "fps:1", "cpu", "float32", batch=1),
    Way(BARE, "fps:1", "cpu", "bfloat16"),
    Way(BARE, "fps:1", OPENVINO, "bfloat16"),
    Way(BARE, "fps:1,fast", OPENVINO, "int8"),
    Way(BARE, "keyframes", "cpu", "bfloat16"),
    Way(BARE, "keyframes", OPENVINO, "int8"),
    Way(BARE, "fps:2", "cpu", "bfloat16"),
    Way(PRODUCT, "fps:1", "cpu", "bfloat16"),
    Way(PRODUCT, "fps:1", OPENVINO, "bfloat16"),
)


@dataclass(frozen=True)
class PipelinePlan:
    """What is measured: a clip, a model, and how many threads each side gets.

    `peers` is the interpreter of an environment where others are installed, None for none.
    """

    clip: Path
    seconds: float
    model: BenchModel
    batch_size: int
    decode_threads: int
    encoder_threads: int
    repeats: int
    peers: str | None = None
    facts: dict[str, str] = field(default_factory=dict)


def ways(batch_size: int) -> list[Way]:
    """Who takes part, in the order of the table.

    Where the processor has no bfloat16 instructions, float32 stands in its rows, and they say so.
    """
    return [
        way if way.batch == 1 else replace(way, batch=batch_size, precision=_possible(way))
        for way in _WAYS
    ]


def measure(plan: PipelinePlan, folder: Path, tell: Tell) -> PipelineReport:
    """Measure all ways, with files in `folder`; raises ProductError where the article's fails."""
    with ExitStack() as stack:
        entries, left_out = [], _without_peers(plan)
        for way in [*ways(plan.batch_size), *_peers(plan)]:
            process = None
            if way.name != PRODUCT:
                tell(f"starting {way.title}")
                try:
                    process = _process(way, plan)
                except ModelUncalibrated as error:
                    left_out[way] = str(error)
                    continue
                stack.enter_context(process)
            entries.append(Entry(way, process))
        for turn in range(plan.repeats):
            for number, entry in enumerate(entries):
                tell(f"{turn + 1} of {plan.repeats}: {entry.way.title}")
                work = folder / f"{number}-{turn}"
                entry.add(_turn(entry, plan, work))
    return reported(entries, plan.seconds, left_out, _facts(plan))


def _turn(entry: Entry, plan: PipelinePlan, work: Path) -> dict[str, Any] | None:
    if entry.process is None:
        return analyse_once(
            plan.clip,
            in_precision(plan.model.card, entry.way.precision),
            entry.way,
            decode_threads=plan.decode_threads,
            folder=work,
        )
    return entry.process.turn({"clip": str(plan.clip), "vectors": f"{work}.npy"})


def _process(way: Way, plan: PipelinePlan) -> ContenderProcess:
    cores = len(os.sched_getaffinity(0))
    if way.name in PEERS:
        assert plan.peers is not None
        # -I: nothing of this environment is found there.
        command = (plan.peers, "-I", str(_peers_script()))
        settings = {"peer": way.name, "weights": str(plan.model.peers_weights)}
        return ContenderProcess(command, settings, cores)
    if way.name == ARTICLE:
        folder = {"folder": str(plan.model.card.folder)}
        return ContenderProcess(module_command("worker.bench.article_video"), folder, cores)
    bare = {
        "card": in_precision(plan.model.card, way.precision).to_json(),
        "device": way.device,
        "batch_size": way.batch,
        "sampling": way.sampling,
        "decode_threads": plan.decode_threads,
    }
    return ContenderProcess(module_command("worker.bench.bare"), bare, plan.encoder_threads)


def _peers(plan: PipelinePlan) -> list[Way]:
    if plan.peers is None or plan.model.peers_weights is None:
        return []
    return [Way(name, "fps:1", "cpu", "float32", batch=1) for name in PEERS]


def _without_peers(plan: PipelinePlan) -> dict[Way, str]:
    """Why the peers have no rows, where nothing was tried."""
    if _peers(plan):
        return {}
    reason = (
        "they run the random ViT-B/32 only: leave out --model"
        if plan.model.peers_weights is None
        else "name an interpreter that has open_clip_torch, openmoderate and OpenCV: --peers PYTHON"
    )
    return {Way(name, "fps:1", "cpu", "float32", batch=1): reason for name in PEERS}


def _peers_script() -> Path:
    """Found beside its package, which imports no torch; never imported here."""
    import worker.bench

    return Path(worker.bench.__file__).with_name("peers.py")


def _possible(way: Way) -> Precision:
    try:
        check_precision(way.precision, way.device)
    except DeviceUnavailable:
        return "float32"
    return way.precision


def _facts(plan: PipelinePlan) -> dict[str, str]:
    names = ("torch", "transformers", "openvino", "av", "opencv-python-headless")
    return {
        "processor": machine.processor(),
        "cores": f"{len(os.sched_getaffinity(0))} usable",
        "threads": f"{plan.decode_threads} to decode, {plan.encoder_threads} to embed; "
        "the article's way and the peers take all cores",
        "load": machine.load(),
        "model": plan.model.name,
        "clip": f"{plan.seconds:.0f} s, {plan.clip.stat().st_size / 1e6:.0f} MB",
        **plan.facts,
        **{name: machine.version(name) or "missing" for name in names},
    }
