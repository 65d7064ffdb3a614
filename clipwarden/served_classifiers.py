"""Whether the processes of a running installation can score what a request needs."""

from __future__ import annotations

from redis import Redis

from clipwarden.request import Request
from ingest.queue.presence import read_presences
from worker.errors import ClassifierUnavailable


def require_served_classifiers(redis: Redis, request: Request) -> None:
    """Refuse a request while a process that holds its model lacks a frame classifier it needs.

    One such process is enough, for any of a video's chunks may come to it. Where none holds the
    model now nothing is known, and nothing refused. Raises ClassifierUnavailable.
    """
    if not request.classifiers:
        return
    key = request.model.key
    holding = [one for one in read_presences(redis) if one.model and one.model.key == key]
    for name in request.classifiers:
        lacking = {one.host for one in holding if one.model and name not in one.model.classifiers}
        if lacking:
            raise ClassifierUnavailable(
                f"the frame classifier {name} is missing where {request.model.id} is held, on "
                f"{', '.join(sorted(lacking))}.",
                "pip install 'clipwarden[nsfw]' there and start its processes anew, or leave such "
                "labels out with --no-classifiers.",
            )
