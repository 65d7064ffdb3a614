"""Logs of a process: one JSON object per line, whoever logs, with the ids of the work at hand.

Every line has `ts` (UTC), `level`, `logger`, `event`, `role` and `pid`; between the ends of a
`job_context` also what was bound there.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

# Ours tell what they do; of foreign libraries only what is wrong is worth a line.
_OURS = ("prompts", "ingest", "worker", "clipwarden")

# Everything up to the last @: a password that was not percent-encoded may hold one itself.
_CREDENTIALS = re.compile(r"://[^\s/]*@")


def log_json_lines(role: str, stream: TextIO) -> None:
    """Write every log event, warning and uncaught exception of this process to a stream."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.StackInfoRenderer(),
        _process_adder(role),
    ]
    final: list[Processor] = [
        ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact_credentials,
        structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ProcessorFormatter(processors=final, foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for package in _OURS:
        logging.getLogger(package).setLevel(logging.INFO)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    _log_what_nobody_catches()


def job_context(**ids: str | int) -> AbstractContextManager[None]:
    """Add ids (submission, media, work, job, chunk) to what this thread logs in the block."""
    return structlog.contextvars.bound_contextvars(**ids)


def redact(text: str) -> str:
    """Take user names and passwords out of the URLs in a text."""
    return _CREDENTIALS.sub("://***@", text)


def redact_credentials(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Do that with every string of a log event; the last step before it is written."""
    return {name: _redact_value(value) for name, value in event.items()}


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(name)): _redact_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    # What JSON does not know would be rendered after this step.
    return redact(repr(value))


def _process_adder(role: str) -> Processor:
    """Not by context variables: threads, such as those that renew leases, begin without any."""

    def add_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["role"] = role
        event["pid"] = os.getpid()
        return event

    return add_process


def _log_what_nobody_catches() -> None:
    log = logging.getLogger("clipwarden.process")

    def log_death(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("this process dies of an error", exc_info=(kind, error, trace))

    def log_thread_death(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            name = args.thread.name if args.thread else "unknown"
            trace = (args.exc_type, args.exc_value, args.exc_traceback)
            log.error("the thread %s dies of an error", name, exc_info=trace)

    sys.excepthook = log_death
    threading.excepthook = log_thread_death
