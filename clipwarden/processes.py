"""Worker processes as a group: watched, restarted, their logs bounded, and stopped in stages."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipwarden.child import Child, Role
from clipwarden.errors import WorkerFailed
from clipwarden.events import Event, Observer, What, ignore
from clipwarden.interrupts import interrupts_held
from clipwarden.restarts import (
    FOR_A_RUN,
    REFUSAL_PAUSE_S,
    Deaths,
    RestartPolicy,
    is_passing,
)
from clipwarden.role_logs import ROTATION_PERIOD_S, rotate_log
from ingest.queue.process import EXIT_RECYCLED

# A worker hands its job back and ends within half of this.
_STOP_TIMEOUT_S = 10.0


@dataclass
class _Post:
    """A role, and the process that fills it; None between a death and the restart."""

    role: Role
    deaths: Deaths
    child: Child | None = None
    restart_due_s: float = 0.0
    is_ready: bool = False
    was_ready: bool = False


class WorkerProcesses:
    """The worker processes of one command; use it in a `with` block.

    `logs` is a folder for one log per role; without it they share this process's stderr.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        logs: Path | None,
        policy: RestartPolicy = FOR_A_RUN,
        observer: Observer = ignore,
    ) -> None:
        if len({role.name for role in roles}) < len(roles):
            raise ValueError("two roles of one name")
        self._logs = logs
        self._policy = policy
        self._observer = observer
        self._posts = [_Post(role, Deaths(policy)) for role in roles]
        self._rotation_due_s = 0.0

    def __enter__(self) -> WorkerProcesses:
        try:
            for post in self._posts:
                self._fill(post)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def all_ready(self) -> bool:
        """Whether every process takes jobs by now."""
        return all(post.child is not None and post.child.is_ready for post in self._posts)

    def check(self) -> None:
        """Restart what died and is due, without waiting; call it a few times a second.

        Raises WorkerFailed where the policy gives up, and WorkerRefused where a process says
        why it can't work and the policy does not wait that out.
        """
        for post in self._posts:
            if post.child is not None:
                self._look_at(post, post.child)
            if post.child is None and time.monotonic() >= post.restart_due_s:
                self._refill(post)
        self._rotate_logs()

    def stop(self) -> None:
        """End all, stage by stage: ask them, wait, and end by force what is left."""
        with interrupts_held():
            for stage in sorted({post.role.stage for post in self._posts}):
                self._stop([post for post in self._posts if post.role.stage is stage])

    def _look_at(self, post: _Post, child: Child) -> None:
        if child.is_ready and not post.is_ready:
            post.is_ready = post.was_ready = True
            self._observer(Event(post.role.name, What.READY, child.pid, port=child.port))
        status = child.status()
        if status is None:
            return
        event = self._judge(post, child, status)
        post.restart_due_s = time.monotonic() + (event.restart_in_s or 0.0)
        post.child, post.is_ready = None, False
        child.close()
        self._observer(event)

    def _judge(self, post: _Post, child: Child, status: int) -> Event:
        """Say what an end means and when to try again."""
        name, pid = post.role.name, child.pid
        if status == EXIT_RECYCLED and child.is_ready:
            return Event(name, What.RECYCLED, pid=pid, restart_in_s=0.0)
        refusal = child.refusal()
        if refusal is not None:
            if not self._policy.waits_out(refusal, was_ready=post.was_ready):
                raise refusal
            pause_s = (
                self._delay_s(post, child.lived_s, status)
                if is_passing(refusal)
                else REFUSAL_PAUSE_S
            )
            return Event(name, What.REFUSED, pid, status, pause_s, refusal)
        delay_s = self._delay_s(post, child.lived_s, status)
        return Event(name, What.DIED, pid, status, delay_s)

    def _delay_s(self, post: _Post, lived_s: float, status: int) -> float:
        """Note a death and return how long to wait; raises WorkerFailed where it is hopeless."""
        count = post.deaths.add(time.monotonic(), lived_s)
        if post.deaths.are_too_many:
            log = self._log_path(post.role)
            raise WorkerFailed(
                f"the {post.role.name} process died {count} times within "
                f"{self._policy.window_s / 60:.0f} minutes, at last with status {status}.",
                f"Its log is {log}." if log else "Its log stands above.",
            )
        return self._policy.delay_s(count)

    def _refill(self, post: _Post) -> None:
        """Start a process where one died; a machine out of memory may have room later."""
        try:
            self._fill(post)
        except WorkerFailed as error:
            if self._policy.max_restarts is not None:
                raise
            delay_s = self._policy.delay_s(post.deaths.add(time.monotonic(), 0.0))
            post.restart_due_s = time.monotonic() + delay_s
            self._observer(Event(post.role.name, What.REFUSED, restart_in_s=delay_s, error=error))

    def _fill(self, post: _Post) -> None:
        try:
            with interrupts_held():
                post.child = Child.start(post.role, self._log_path(post.role))
        except OSError as error:
            raise WorkerFailed(
                f"the {post.role.name} process can't be started: "
                f"{error.filename or sys.executable}: {error.strerror or error}.",
                "Mend that, then run the command again.",
            ) from error
        self._observer(Event(post.role.name, What.STARTED, pid=post.child.pid))

    def _stop(self, posts: Iterable[_Post]) -> None:
        living = [(post, post.child) for post in posts if post.child is not None]
        for _, child in living:
            child.terminate()
        deadline_s = time.monotonic() + _STOP_TIMEOUT_S
        for post, child in living:
            status, killed = child.end(deadline_s)
            post.child, post.is_ready = None, False
            what = What.KILLED if killed else What.STOPPED
            self._observer(Event(post.role.name, what, child.pid, status))

    def _rotate_logs(self) -> None:
        if time.monotonic() < self._rotation_due_s:
            return
        self._rotation_due_s = time.monotonic() + ROTATION_PERIOD_S
        for post in self._posts:
            if (path := self._log_path(post.role)) is not None:
                rotate_log(path)

    def _log_path(self, role: Role) -> Path | None:
        return None if self._logs is None else self._logs / f"{role.name}.log"
