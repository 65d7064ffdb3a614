"""The queue server's errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from ingest.errors import QueueFull, QueueUnavailable

# How a server says that it can't write its file, or holds all that it may.
_FULL = ("MISCONF", "OOM")


@contextmanager
def reaching_queue() -> Iterator[None]:
    """Turn redis-py's errors into ours: QueueFull, QueueUnavailable; used as a decorator too."""
    try:
        yield
    except RedisError as error:
        full = isinstance(error, OutOfMemoryError) or (
            isinstance(error, ResponseError) and str(error).startswith(_FULL)
        )
        if full:
            raise QueueFull(
                f"the queue server takes no more: {error}.",
                "Make room on its disk, or raise its maxmemory; work goes on by itself then.",
            ) from error
        raise QueueUnavailable(
            f"the queue server does not answer as it should: {error}.",
            "See whether it still runs; the embedded one logs to logs/queue.log in the data "
            "folder. Work goes on by itself once it answers.",
        ) from error
