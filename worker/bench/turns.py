"""A contender's end of the pipe: it gets ready once, then takes a turn for each line it reads.

The first line holds its settings and is answered with `{"ready": true, "start_s": ...}`, or with
`{"ready": false, "reason": ...}` where it can't take part; each later line is one request.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from prompts.errors import ClipwardenError

Turn = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Does what a request says and returns what it took."""


def serve_turns(prepare: Callable[[Mapping[str, Any]], Turn]) -> None:
    """Get ready by the settings on stdin, then answer requests until stdin ends."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        # A library that prints must not be taken for us.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def say(answer: Mapping[str, Any]) -> None:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        settings = json.loads(sys.stdin.readline())
        began_s = time.perf_counter()
        try:
            turn = prepare(settings)
        except (ClipwardenError, ImportError) as error:
            say({"ready": False, "reason": str(error)})
            return
        say({"ready": True, "start_s": time.perf_counter() - began_s})
        for line in sys.stdin:
            try:
                say(turn(json.loads(line)))
            except ClipwardenError as error:
                say({"reason": str(error)})


def cpu_s() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
