"""Whether this installation can take work and do it: one check per thing that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Literal

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import BaseModel
from redis import Redis
from sqlalchemy import func, select

import clipwarden.migrations
from clipwarden.api.answers import ErrorBody
from clipwarden.api.errors import NoModelServed, RoleAbsent, WorkersPaused
from clipwarden.api.questions import Question, answer_deadline
from ingest.database import Database
from ingest.errors import DatabaseOutdated
from ingest.queue.presence import Presence, State, models_served, read_presences
from ingest.queue.reaching import reaching_queue
from ingest.stores import Stores
from ingest.tables import Installation
from prompts.errors import ClipwardenError

Presences = tuple[Presence, ...]


class Check(BaseModel):
    """What one check found; `error` says what is wrong where it is not ok."""

    name: str
    ok: bool
    error: ErrorBody | None = None


class Readiness(BaseModel):
    """Every check's finding; ready where all are ok."""

    status: Literal["ready", "unready"]
    checks: tuple[Check, ...]


class ReadinessProbe:
    """Checks the three stores and who is at work, all at once and within ANSWER_TIMEOUT_S."""

    def __init__(self, stores: Stores, expected_roles: Sequence[str]) -> None:
        revision = _released_revision()
        self._stores = {
            "queue": Question("queue server", partial(_ping, stores.redis)),
            "database": Question("database", partial(_check_schema, stores.database, revision)),
            "blobs": Question("blob store", stores.blobs.check),
        }
        self._worker_checks: dict[str, Callable[[Presences], None]] = {
            **{f"role:{role}": partial(_require_role, role) for role in expected_roles},
            "model": _require_model,
            "unpaused": _require_nobody_paused,
        }
        self._presences = Question("queue server", partial(read_presences, stores.redis))

    def run(self) -> Readiness:
        """Ask everything now; an error is a finding, never raised."""
        deadline_s = answer_deadline()
        asked = {name: question.start() for name, question in self._stores.items()}
        presences = self._presences.start()
        checks = [
            _finding(name, partial(question.answer, asked[name], deadline_s))
            for name, question in self._stores.items()
        ]
        checks += self._check_workers(presences, deadline_s)
        ready = all(check.ok for check in checks)
        return Readiness(status="ready" if ready else "unready", checks=tuple(checks))

    def _check_workers(self, asked: Future[Presences], deadline_s: float) -> list[Check]:
        try:
            present = self._presences.answer(asked, deadline_s)
        except ClipwardenError as error:
            unknown = ErrorBody.of(error)
            return [Check(name=name, ok=False, error=unknown) for name in self._worker_checks]
        return [
            _finding(name, partial(check, present)) for name, check in self._worker_checks.items()
        ]


def _finding(name: str, check: Callable[[], object]) -> Check:
    try:
        check()
    except ClipwardenError as error:
        return Check(name=name, ok=False, error=ErrorBody.of(error))
    return Check(name=name, ok=True)


@reaching_queue()
def _ping(connection: Redis) -> None:
    connection.ping()


def _released_revision() -> str | None:
    """The migration that this release's tables come from."""
    folder = Path(clipwarden.migrations.__file__).parent
    return ScriptDirectory(str(folder)).get_current_head()


def _check_schema(database: Database, wanted: str | None) -> None:
    with database.read() as session:
        found = MigrationContext.configure(session.connection()).get_current_revision()
        if found == wanted:
            session.execute(select(func.count()).select_from(Installation))
            return
    raise DatabaseOutdated(
        f"the database's schema is {found or 'empty'}, and this release's is {wanted}.",
        "Start Clipwarden of one release with `clipwarden serve`, which brings an older schema up "
        "to date; a newer one needs its own release.",
    )


def _require_role(role: str, presences: Presences) -> None:
    if all(one.role != role for one in presences):
        raise RoleAbsent(
            f"no {role} process is at work.",
            f"See {role}.log in the logs folder of the data folder.",
        )


def _require_model(presences: Presences) -> None:
    if not models_served(presences):
        raise NoModelServed(
            "no process holds a model, so nothing is embedded.",
            "Wait until one is loaded; embed.log in the logs folder of the data folder says why "
            "it takes long or fails.",
        )


def _require_nobody_paused(presences: Presences) -> None:
    paused = [one for one in presences if one.state is State.PAUSED]
    if paused:
        words = ", ".join(f"{one.name} ({one.paused or 'unknown'})" for one in paused)
        raise WorkersPaused(
            f"{len(paused)} of {len(presences)} processes wait for a shortage or an outage to "
            f"end: {words}.",
            "End what the code in brackets names; they go on by themselves then.",
        )
