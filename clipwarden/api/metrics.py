"""Metrics for Prometheus, made anew at each scrape from what all processes share.

The counters live in Redis, so one address tells of all processes on all hosts; rates and ratios
are the reader's: `rate(clipwarden_frames_total[1m])` is frames per second by stage, and
`rate(clipwarden_batch_pictures_total[5m]) / rate(clipwarden_batch_slots_total[5m])` the batch fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from clipwarden.api.questions import Question, answer_deadline
from clipwarden.api.readings import (
    QueueReading,
    QueueServerReading,
    count_submissions,
    read_queue_server,
)
from ingest.queue.meters import Meter
from ingest.queue.presence import Presence, State
from ingest.stores import Stores
from ingest.tables import Status
from prompts.errors import ClipwardenError

# Metric, label and help text of each counter that processes add to.
_COUNTERS: Mapping[Meter, tuple[str, str, str]] = {
    Meter.FRAMES: ("clipwarden_frames_total", "stage", "Frames that went through a stage."),
    Meter.SECONDS: ("clipwarden_stage_seconds_total", "stage", "Working time of a stage."),
    Meter.BATCHES: ("clipwarden_batches_total", "model", "Runs of a model."),
    Meter.BATCH_PICTURES: ("clipwarden_batch_pictures_total", "model", "Pictures in those runs."),
    Meter.RECOMPILATIONS: (
        "clipwarden_recompilations_total",
        "model",
        "Graphs that a device compiled after its warm-up: any is an error.",
    ),
    Meter.CPU_FALLBACKS: (
        "clipwarden_cpu_fallbacks_total",
        "model",
        "Operations that a card left to the CPU after its warm-up: any is an error.",
    ),
    Meter.BATCH_SLOTS: ("clipwarden_batch_slots_total", "model", "Frames they had room for."),
    Meter.JOBS: (
        "clipwarden_jobs_total",
        "outcome",
        "Attempts at jobs by how they ended: done, retried, postponed, handed_back, stopped, dead, "
        "lost, lapsed.",
    ),
    Meter.SUBMISSIONS: (
        "clipwarden_submissions_ended_total",
        "status",
        "Submissions that came to an end, by how.",
    ),
    Meter.PAUSES: ("clipwarden_pauses_total", "code", "Waits for a shortage or outage to end."),
}

_QUEUE_LABELS = ("queue", "role", "model", "priority")

_QUEUE_GAUGES: tuple[tuple[str, str, Callable[[QueueReading], float | None]], ...] = (
    ("clipwarden_queue_depth", "Jobs that wait.", lambda one: one.waiting),
    (
        "clipwarden_queue_oldest_age_seconds",
        "How long ago the job at the head of the queue was queued; 0 where none waits.",
        lambda one: one.oldest_age_s,
    ),
    ("clipwarden_jobs_running", "Jobs that are being worked on.", lambda one: one.running),
    ("clipwarden_retries_scheduled", "Jobs that are tried again later.", lambda one: one.scheduled),
    ("clipwarden_dead_letters", "Jobs that were given up and kept.", lambda one: one.dead),
)

Answer = TypeVar("Answer")


class MetricsProbe:
    """Asks queue server and database at each scrape, and gives what those that answer say."""

    def __init__(self, stores: Stores) -> None:
        self._queue = Question("queue server", partial(read_queue_server, stores.redis))
        self._database = Question("database", partial(count_submissions, stores.database))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the text in the format that an Accept header asks for, and its content type."""
        deadline_s = answer_deadline()
        queue, database = self._queue.start(), self._database.start()
        figures = _Figures(
            _answer_or_none(self._queue, queue, deadline_s),
            _answer_or_none(self._database, database, deadline_s),
        )
        registry = CollectorRegistry()
        registry.register(figures)
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


class _Figures(Collector):
    """The metrics of one scrape; None stands for a store that gave no answer."""

    def __init__(
        self, queue: QueueServerReading | None, submissions: Mapping[Status, int] | None
    ) -> None:
        self._queue = queue
        self._submissions = submissions

    def collect(self) -> Iterable[Metric]:
        """Yield every metric family; what a silent store would have told is left out."""
        yield _gauge(
            "clipwarden_store_up",
            "Whether a store answered this scrape.",
            ("store",),
            {("queue",): self._queue is not None, ("database",): self._submissions is not None},
        )
        if self._queue is not None:
            yield from _queue_families(self._queue.queues)
            yield from _meter_families(self._queue.meters)
            yield from _worker_families(self._queue.presences)
        if self._submissions is not None:
            yield _gauge(
                "clipwarden_submissions",
                "Submissions in the database.",
                ("status",),
                {(status.value,): count for status, count in self._submissions.items()},
            )


def _answer_or_none(
    question: Question[Answer], asked: Future[Answer], deadline_s: float
) -> Answer | None:
    try:
        return question.answer(asked, deadline_s)
    except ClipwardenError:
        # clipwarden_store_up says so; /readyz says why.
        return None


def _queue_families(queues: tuple[QueueReading, ...]) -> Iterator[Metric]:
    for name, words, value_of in _QUEUE_GAUGES:
        family = GaugeMetricFamily(name, words, labels=_QUEUE_LABELS)
        for one in queues:
            value = value_of(one)
            if value is not None:
                labels = one.labels
                family.add_metric((labels.queue, labels.role, labels.model, labels.priority), value)
        yield family


def _meter_families(meters: Mapping[tuple[Meter, str], float]) -> Iterator[Metric]:
    for meter, (name, label, words) in _COUNTERS.items():
        family = CounterMetricFamily(name, words, labels=(label,))
        for (one, value), amount in sorted(meters.items()):
            if one is meter:
                family.add_metric((value,), amount)
        yield family


def _worker_families(presences: tuple[Presence, ...]) -> Iterator[Metric]:
    yield _gauge(
        "clipwarden_worker_state",
        "1 for what a process is doing, 0 for what it is not.",
        ("worker", "role", "state"),
        {
            (one.name, one.role, state.value): one.state is state
            for one in presences
            for state in State
        },
    )
    yield _gauge(
        "clipwarden_worker_resident_memory_bytes",
        "Memory that a process holds.",
        ("worker", "role"),
        {(one.name, one.role): one.rss_bytes for one in presences},
    )
    yield _gauge(
        "clipwarden_card_memory_bytes",
        "Memory that a process holds on its card.",
        ("worker", "device", "model"),
        {
            (one.name, one.model.device, one.model.key): one.model.memory_bytes
            for one in presences
            if one.model is not None and one.model.memory_bytes is not None
        },
    )


def _gauge(
    name: str, words: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
