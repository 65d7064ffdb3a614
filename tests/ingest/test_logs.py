"""Logs: one JSON object per line, from whomever, with ids and without passwords."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.queue.logs import redact

BEGIN = """
import logging, sys, threading, warnings
import structlog
from ingest.queue.logs import job_context
from ingest.queue.process import log_to_stderr
log_to_stderr("embed")
log = structlog.get_logger("clipwarden.queue")
"""


def logged(script: str, status: int = 0) -> list[dict[str, Any]]:
    """Run a script in a process of its own, whose logging it sets up; every line must be JSON."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_says_when_who_and_what() -> None:
    [line] = logged("log.info('chunk embedded', frames=64)")
    assert datetime.fromisoformat(line.pop("ts")).utcoffset() == datetime.now(UTC).utcoffset()
    assert line.pop("pid") != os.getpid()
    assert line == {
        "level": "info",
        "event": "chunk embedded",
        "logger": "clipwarden.queue",
        "role": "embed",
        "frames": 64,
    }


def test_ids_are_in_every_line_of_their_block_and_in_no_other() -> None:
    lines = logged(
        "with job_context(submission='s1', work='w1'):\n"
        "    with job_context(job='j1', chunk=3, attempt=2):\n"
        "        log.info('inner')\n"
        "        logging.getLogger('rq.worker').warning('foreign')\n"
        "    log.info('outer')\n"
        "log.info('after')\n"
    )
    names = ("submission", "work", "job", "chunk", "attempt")
    ids = [{name: line[name] for name in names if name in line} for line in lines]
    outer = {"submission": "s1", "work": "w1"}
    inner = outer | {"job": "j1", "chunk": 3, "attempt": 2}
    assert ids == [inner, inner, outer, {}]


def test_other_threads_say_role_and_process_too() -> None:
    lines = logged(
        "log.info('here')\n"
        "thread = threading.Thread(target=log.info, args=('there',))\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    here, there = ((line["role"], line["pid"]) for line in lines)
    assert here == there


def test_libraries_that_log_by_the_standard_module_come_out_alike() -> None:
    lines = logged(
        "for name in ('rq.worker', 'alembic', 'botocore', 'uvicorn.error'):\n"
        "    logging.getLogger(name).warning('%d left', 3)\n"
        "    logging.getLogger(name).info('chatter')\n"
    )
    assert [line["logger"] for line in lines] == [
        "rq.worker",
        "alembic",
        "botocore",
        "uvicorn.error",
    ]
    assert {line["event"] for line in lines} == {"3 left"}
    assert {frozenset(line) for line in lines} == {
        frozenset({"ts", "level", "event", "logger", "role", "pid"})
    }


def test_rqs_own_handlers_stay_away() -> None:
    [line] = logged(
        "from rq.logutils import setup_loghandlers\n"
        "setup_loghandlers('WARNING', name='rq.worker')\n"
        "logging.getLogger('rq.worker').warning('once')\n"
    )
    assert line["event"] == "once"


def test_an_exception_is_one_line_whoever_logs_it() -> None:
    lines = logged(
        "try:\n"
        "    raise OSError('no redis://:sesame@host\\nat all')\n"
        "except OSError as error:\n"
        "    log.exception('ours')\n"
        "    log.error('given', exc_info=error)\n"
        "    logging.getLogger('rq').exception('foreign')\n"
    )
    assert [line["event"] for line in lines] == ["ours", "given", "foreign"]
    for line in lines:
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("OSError: no redis://***@host\nat all")


def test_what_nobody_catches_is_logged_too() -> None:
    lines = logged(
        "thread = threading.Thread(target=lambda: 1 / 0, name='beat')\n"
        "thread.start()\n"
        "thread.join()\n"
        "warnings.warn('outdated')\n"
        "raise KeyError('lost')\n",
        status=1,
    )
    assert [line["level"] for line in lines] == ["error", "warning", "critical"]
    assert "beat" in lines[0]["event"]
    assert "ZeroDivisionError" in lines[0]["exception"]
    assert "outdated" in lines[1]["event"]
    assert lines[2]["exception"].endswith("KeyError: 'lost'")


def test_passwords_are_taken_out_wherever_they_stand() -> None:
    [line] = logged(
        "from pathlib import Path\n"
        "from ingest.errors import QueueUnavailable\n"
        "url = 'postgresql://me:sesame@db/x'\n"
        "log.warning(f'no answer from {url}', url=url, urls=[url, (url,)], by={url: {'a': url}},\n"
        "    error=QueueUnavailable(url, 'Look.'), path=Path('a'), n=1.5, none=None, yes=True)\n"
    )
    assert "sesame" not in json.dumps(line)
    assert line["event"] == "no answer from postgresql://***@db/x"
    assert line["by"] == {"postgresql://***@db/x": {"a": "postgresql://***@db/x"}}
    assert "***@db" in line["error"]
    assert (line["n"], line["none"], line["yes"]) == (1.5, None, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://:secret@host:6379/0 is gone", "redis://***@host:6379/0 is gone"),
        ("redis://token@host", "redis://***@host"),
        ("rediss://me:p@ss:word@host/0", "rediss://***@host/0"),
        ("s3://key:secret@bucket/a@b and x@y", "s3://***@bucket/a@b and x@y"),
        ("https://host/me@home.mp4", "https://host/me@home.mp4"),
        ("me@example.org", "me@example.org"),
    ],
)
def test_only_what_stands_before_a_host_is_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected
