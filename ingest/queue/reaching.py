"""The queue server's errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import (
    ClusterError,
    DataError,
    ExecAbortError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from ingest.errors import QueueError, QueueFailed, QueueFull, QueueUnavailable

# redis-py takes the word off an answer for which it has a class; older servers put it into the
# middle of what a script failed of.
_STATE_ERRORS = (ClusterError, ExecAbortError, NoPermissionError, ReadOnlyError, TryAgainError)
_STATE = re.compile(
    r"(?:^|[-: ])(LOADING|READONLY|NOAUTH|WRONGPASS|NOPERM|MASTERDOWN|CLUSTERDOWN|BUSY|TRYAGAIN"
    r"|NOREPLICAS|UNKILLABLE|NOGOODSLAVE) "
    r"|max number of clients|invalid password|[Nn]ot enough good replicas",
)
# How a server says that it can't write its file, or holds all that it may.
_FULL = re.compile(r"(?:^|[-: ])(MISCONF|OOM) ")


@contextmanager
def reaching_queue() -> Iterator[None]:
    """Turn redis-py's errors into ours: QueueFull, QueueUnavailable where the server is at fault,
    QueueFailed where what it holds is; used as a decorator too.
    """
    try:
        yield
    except RedisError as error:
        raise _named(error) from error


def _named(error: RedisError) -> QueueError:
    words = str(error)
    is_answer = isinstance(error, ResponseError)
    if isinstance(error, OutOfMemoryError) or (is_answer and _FULL.search(words)):
        return QueueFull(
            f"the queue server takes no more: {error}.",
            "Make room on its disk, or raise its maxmemory; work goes on by itself then.",
        )
    is_state = isinstance(error, _STATE_ERRORS) or _STATE.search(words)
    if isinstance(error, DataError) or (is_answer and not is_state):
        return QueueFailed(
            f"the queue server refused a step: {error}.",
            "A key of ours may hold what is not ours: give Clipwarden a queue server, or a "
            "database number, of its own. Else this is a defect: please report it.",
        )
    return QueueUnavailable(
        f"the queue server does not answer as it should: {error}.",
        "See whether it still runs; the embedded one logs to logs/queue.log in the data "
        "folder. Work goes on by itself once it answers.",
    )
