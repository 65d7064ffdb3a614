"""What we took from RQ's inside is still there: each piece that we override, call or imitate.

A failure here after an upgrade of RQ says what to read; when it is read and adapted to, the new
digest goes into the table.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import requires
from typing import Any

import pytest
from packaging.requirements import Requirement
from redis import Redis
from rq import Queue, SimpleWorker, command, executions, registry, scripts, utils
from rq.executions import Execution
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.worker import BaseWorker

from ingest.queue import leases
from ingest.queue.jobs import AllowlistedJob
from ingest.queue.leases import Lease
from ingest.queue.worker import PinnedWorker

_LOOP = "does work() still call what PinnedWorker overrides, in this order?"
_STOP = "does a stop command still reach PinnedWorker.kill_horse with _stopped_job_id set?"
_END = "is what the original does still not wanted, or done by the override?"
_KEEP = "may RQ still not touch a job, its lease or its queue by this?"
_ENQUEUE = "is a unique job still checked, stored and queued in one step, as a hash and a list?"
_READ = "does a job still read as AllowlistedJob and fetch_job expect it?"
_REFUSE = "is a job's code still only called through what AllowlistedJob overrides?"
_FORM = "do the scripts of ingest.queue.leases still write what RQ writes there?"

# By digest: the source of RQ 2.12.0 that was read, and what to check where it changed.
READ = {
    "BaseWorker.__init__": ("e3ed8b85f386", _LOOP),
    "BaseWorker.work": ("04b5cdf8e554", _LOOP),
    "BaseWorker.bootstrap": ("7197ad79c7ff", _LOOP),
    "BaseWorker.check_for_suspension": ("e8095ae1fcf9", _LOOP),
    "BaseWorker._install_signal_handlers": ("f30e3c58661a", _LOOP),
    "BaseWorker.should_run_maintenance_tasks": ("eda86dbb1a00", _LOOP),
    "BaseWorker.register_birth": ("4690ab4f7b74", _KEEP),
    "BaseWorker.register_death": ("92e03f8d3c57", _KEEP),
    "BaseWorker.set_state": ("bb8d4f1d93ff", _KEEP),
    "BaseWorker.set_current_job_id": ("532719514c8a", _KEEP),
    "BaseWorker.run_maintenance_tasks": ("b2589c362668", _KEEP),
    "BaseWorker.heartbeat": ("d00c83971db2", _KEEP),
    "BaseWorker.dequeue_job_and_maintain_ttl": ("0c0b1bc6c873", _END),
    "SimpleWorker.execute_job": ("d8a40d49f515", _END),
    "BaseWorker.request_stop": ("f934e7e7e6ee", _END),
    "BaseWorker.teardown": ("bfc2572817e5", _END),
    "BaseWorker.kill_horse": ("65cfacbb36ac", _STOP),
    "BaseWorker.get_current_job_id": ("a24132d856e6", _STOP),
    "BaseWorker._pubsub_exception_handler": ("5213e36c3b77", _STOP),
    "BaseWorker.subscribe": ("3437c20bb267", _STOP),
    "BaseWorker.unsubscribe": ("16e9db30b9c5", _STOP),
    "BaseWorker.handle_payload": ("123753585f88", _STOP),
    "command.handle_command": ("8ffa12247342", _STOP),
    "command.handle_stop_job_command": ("77848f5b9357", _STOP),
    "command.handle_shutdown_command": ("3273f5400c6c", _STOP),
    "command.send_stop_job_command": ("1c944c461d59", _STOP),
    "Queue.enqueue": ("06abdd832238", _ENQUEUE),
    "Queue.enqueue_call": ("2d5db52990a2", _ENQUEUE),
    "Queue.enqueue_job": ("0e05fbb378d5", _ENQUEUE),
    "Queue._enqueue_job": ("7f2d41e2157c", _ENQUEUE),
    "Queue._enqueue_async_job": ("3c3efebb3730", _ENQUEUE),
    "Queue._prepare_for_queue": ("cd8e2a082123", _ENQUEUE),
    "scripts.UNIQUE_ENQUEUE_SCRIPT": ("29cab659d282", _ENQUEUE),
    "scripts.save_unique_job": ("af0753230560", _ENQUEUE),
    "Job.fetch": ("4c0184a10a6c", _READ),
    "Job.refresh": ("818b52b414f3", _READ),
    "Job.restore": ("b81242d7b8dc", _READ),
    "Job._deserialize_data": ("00c06178d415", _READ),
    "Job.args": ("558a46876b89", _READ),
    "Job.func_name": ("bf03aef34369", _READ),
    "Job.delete": ("3f2367fbda74", _READ),
    "Job.func": ("2347dd5ec691", _REFUSE),
    "Job.success_callback": ("6d23cf7db33e", _REFUSE),
    "Job.failure_callback": ("0bccbb92ea7d", _REFUSE),
    "Job.stopped_callback": ("39852cf148dc", _REFUSE),
    "Job.send_webhooks": ("1c525171cc2b", _REFUSE),
    "Job._execute": ("d49a6f89c085", _REFUSE),
    "Job.perform": ("d86f4829a8d2", _REFUSE),
    "Execution.composite_key": ("cf43d2d8fe57", _FORM),
    "StartedJobRegistry.add_execution": ("058aeccefc8e", _FORM),
    "utils.parse_composite_key": ("7861b4d223be", _FORM),
}


def digest(source: Any) -> str:
    text = source if isinstance(source, str) else inspect.getsource(_function(source))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _function(source: Any) -> Callable[..., Any]:
    if isinstance(source, property):
        assert source.fget is not None
        return source.fget
    function: Callable[..., Any] = inspect.unwrap(getattr(source, "__func__", source))
    return function


def _found(path: str) -> Any:
    owner_name, _, name = path.partition(".")
    owner = {
        "BaseWorker": BaseWorker,
        "SimpleWorker": SimpleWorker,
        "Queue": Queue,
        "Job": Job,
        "Execution": Execution,
        "StartedJobRegistry": StartedJobRegistry,
        "command": command,
        "scripts": scripts,
        "utils": utils,
        "registry": registry,
        "executions": executions,
    }[owner_name]
    return inspect.getattr_static(owner, name)


@pytest.mark.parametrize("path", READ)
def test_rq_s_source_is_the_one_that_was_read(path: str) -> None:
    expected, question = READ[path]
    found = digest(_found(path))
    assert found == expected, f"RQ changed {path} (now {found}): {question}"


def overridden(ours: type) -> dict[str, type]:
    """The names of RQ's that a class of ours defines anew, each with the class it is RQ's in."""
    told = {"__module__", "__doc__", "__annotations__", "__static_attributes__", "__firstlineno__"}
    return {
        name: next(base for base in ours.__mro__[1:] if name in vars(base))
        for name in vars(ours)
        if name not in told and any(name in vars(base) for base in ours.__mro__[1:-1])
    }


@pytest.mark.parametrize("ours", [PinnedWorker, AllowlistedJob])
def test_all_that_is_overridden_is_in_the_table(ours: type) -> None:
    names = {f"{base.__name__}.{name}" for name, base in overridden(ours).items()}
    assert names
    assert names <= set(READ)


@pytest.mark.parametrize(
    ("ours", "name", "theirs"),
    [
        (ours, name, theirs)
        for ours in (PinnedWorker, AllowlistedJob)
        for name, theirs in overridden(ours).items()
        if name != "__init__"
    ],
)
def test_an_override_takes_what_rq_gives(ours: type, name: str, theirs: type) -> None:
    mine, original = vars(ours)[name], vars(theirs)[name]
    assert isinstance(mine, property) == isinstance(original, property)
    found = inspect.signature(_function(mine)).parameters
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in found.values()):
        expected = inspect.signature(_function(original)).parameters
        assert list(found) == list(expected)
        assert [one.default for one in found.values() if name != "kill_horse"] == [
            one.default for one in expected.values() if name != "kill_horse"
        ]


def test_keys_are_named_as_rq_names_them(queue_server: str) -> None:
    with Redis.from_url(queue_server) as connection:
        queue = Queue("jobs", connection=connection)
        assert queue.key == leases.QUEUE.format("jobs")
        assert queue.redis_queues_keys == "rq:queues"
        for kind, form in (
            (StartedJobRegistry, leases.STARTED),
            (ScheduledJobRegistry, leases.SCHEDULED),
            (FailedJobRegistry, leases.FAILED),
        ):
            assert kind("jobs", connection=connection).key == form.format("jobs")
        assert Job.key_for("one") == leases._JOB.format("one")


def test_a_lease_is_written_as_rq_writes_an_execution(queue_server: str) -> None:
    with Redis.from_url(queue_server) as connection:
        execution = Execution("0" * 32, "embed-0", connection)
        lease = Lease("jobs", "embed-0", "0" * 32)
        assert lease.member == execution.composite_key
        assert Lease.parse("jobs", lease.member) == lease
        assert utils.parse_composite_key(lease.member) == (lease.job_id, lease.id)


def test_the_release_of_rq_that_was_read_is_required() -> None:
    needed = [Requirement(line) for line in requires("clipwarden") or ()]
    [rq] = [one for one in needed if one.name == "rq"]
    assert str(rq.specifier) == "~=2.12.0"
