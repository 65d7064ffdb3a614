"""The roles of an installation: which module fills each, with what settings and threads."""

from __future__ import annotations

import os

from clipwarden.child import Role, Stage
from ingest.chunks import CHUNK_PICTURES
from ingest.media.limits import DecodeLimits
from ingest.settings import ProcessSettings, SamplerSettings
from worker.cards.placing import place
from worker.models.precision import OPENVINO
from worker.settings import Duty, EmbedderSettings, KeeperSettings, Retention

MAX_QUEUED_BYTES = 512 * 1024 * 1024

_CPU_BATCH_SIZE = 8


def usable_cores() -> int:
    """The cores that this process may use: fewer than there are in a container with a cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sampler(
    name: str,
    shared: ProcessSettings,
    max_queued_bytes: int = MAX_QUEUED_BYTES,
    decoding: DecodeLimits = DecodeLimits(),  # noqa: B008 - frozen
) -> Role:
    """Samples videos; pauses while more than that many bytes of frames wait to be embedded."""
    settings = SamplerSettings(**dict(shared), max_queued_bytes=max_queued_bytes, decoding=decoding)
    return Role(name, "ingest.sampler", settings)


def embedder(
    name: str,
    shared: ProcessSettings,
    model_card: str,
    device: str,
    threads: int,
    batch_size: int | None = None,
) -> Role:
    """Holds one model on one device; `model_card` is the JSON of a ModelCard.

    Without a batch size it takes what suits the device. Raises DeviceUnavailable for a Gaudi card
    that is not there.
    """
    placement = place(device)
    settings = EmbedderSettings(
        **dict(shared),
        model_card=model_card,
        device=device,
        batch_size=batch_size or default_batch_size(device),
        cpus=placement.cpus,
    )
    return Role(name, "worker.embedder", settings, threads, variables=placement.variables)


def default_batch_size(device: str) -> int:
    """Pictures per run: more bring a CPU little, and a card much, up to a whole chunk."""
    return _CPU_BATCH_SIZE if device in ("cpu", OPENVINO) else CHUNK_PICTURES


def finisher(name: str, shared: ProcessSettings) -> Role:
    """Scores frames, cuts segments and stores results."""
    return Role(name, "worker.finisher", shared)


def keeper(
    name: str,
    shared: ProcessSettings,
    duties: tuple[Duty, ...] = tuple(Duty),
    retention: Retention = Retention(),  # noqa: B008 - frozen
) -> Role:
    """Puts dead workers' jobs and due retries back on their queues, and deletes what is too old."""
    settings = KeeperSettings(**dict(shared), duties=duties, retention=retention)
    return Role(name, "worker.keeper", settings, stage=Stage.KEEP)
