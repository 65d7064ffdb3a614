"""One attempt: what becomes of a job follows from how the attempt ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.errors import DatabaseLocked, JobTimedOut, MediaUnreadable
from ingest.queue import claims
from ingest.queue.attempts import FAILURE_BUDGET, Handler, Verdict, attempt
from ingest.queue.claims import Claim, Interrupted, Reason, Stopwatch
from ingest.queue.leases import Count, Lease, Outcome
from ingest.stores import Stores
from prompts.errors import ClipwardenError

TIMEOUT_S = 60.0


@pytest.fixture
def claim(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Claim:
    monkeypatch.setattr(claims, "_FIRST_WAIT_S", 0.01)
    return Claim(stores.redis, Lease("jobs", "one", "0" * 32), Stopwatch())


def raising(error: BaseException) -> Callable[[object, Claim], None]:
    def run(_args: object, _claim: Claim) -> None:
        raise error

    return run


class Noted:
    """Notes what is given up."""

    def __init__(self, *refusals: BaseException) -> None:
        self.refusals = list(refusals)
        self.errors: list[ClipwardenError] = []

    def give_up(self, _args: object, error: ClipwardenError) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.errors.append(error)


def test_a_job_that_ends_is_done(claim: Claim) -> None:
    done: list[object] = []
    handler = Handler(lambda args, _claim: done.append(args), Noted().give_up)
    assert attempt(handler, "clip", claim, 0, TIMEOUT_S) == Verdict(Outcome.DONE)
    assert done == ["clip"]


def test_failures_are_tried_again_with_growing_delays_and_the_sixth_is_the_last(
    claim: Claim,
) -> None:
    noted = Noted()
    handler = Handler(raising(RuntimeError("two\nlines")), noted.give_up)
    verdicts = [
        attempt(handler, "clip", claim, failures, TIMEOUT_S)
        for failures in range(FAILURE_BUDGET + 1)
    ]
    *retries, last = verdicts
    assert FAILURE_BUDGET == len(retries) == 5
    assert {(verdict.outcome, verdict.count) for verdict in retries} == {
        (Outcome.LATER, Count.FAILURE)
    }
    delays_s = [verdict.delay_s for verdict in retries]
    assert delays_s == sorted(set(delays_s))
    assert delays_s[0] > 0
    assert last == Verdict(Outcome.DEAD, Count.FAILURE)
    [error] = noted.errors
    assert error.code == "queue.job_failed"
    assert error.message == "a job failed with RuntimeError: two lines."


def test_an_input_at_fault_is_given_up_at_once(claim: Claim) -> None:
    noted = Noted()
    error = MediaUnreadable("no video.", "Convert it.")
    verdict = attempt(Handler(raising(error), noted.give_up), "clip", claim, 0, TIMEOUT_S)
    assert verdict == Verdict(Outcome.DONE)
    assert noted.errors == [error]


def test_giving_up_is_repeated_until_it_is_recorded(claim: Claim) -> None:
    locked = DatabaseLocked("somebody holds it.", "Wait.")
    noted = Noted(locked, locked)
    error = MediaUnreadable("no video.", "Convert it.")
    attempt(Handler(raising(error), noted.give_up), "clip", claim, 0, TIMEOUT_S)
    assert noted.errors == [error]
    assert noted.refusals == []


def test_a_timeout_is_a_failure_like_others(claim: Claim) -> None:
    noted = Noted()
    handler = Handler(raising(Interrupted(Reason.TIMED_OUT)), noted.give_up)
    assert attempt(handler, "clip", claim, 0, TIMEOUT_S).count is Count.FAILURE
    assert attempt(handler, "clip", claim, FAILURE_BUDGET, TIMEOUT_S).outcome is Outcome.DEAD
    [error] = noted.errors
    assert isinstance(error, JobTimedOut)
    assert "60 s" in error.message


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (Reason.STOPPED, Outcome.DONE),
        (Reason.HANDED_BACK, Outcome.AGAIN),
        (Reason.POSTPONED, Outcome.LATER),
        (Reason.LOST, None),
    ],
)
def test_a_job_that_is_broken_off_is_not_counted(
    claim: Claim, reason: Reason, outcome: Outcome | None
) -> None:
    noted = Noted()
    handler = Handler(raising(Interrupted(reason)), noted.give_up)
    verdict = attempt(handler, "clip", claim, FAILURE_BUDGET, TIMEOUT_S)
    assert (verdict.outcome, verdict.count) == (outcome, Count.NOTHING)
    assert noted.errors == []


def test_a_job_that_is_broken_off_while_it_is_given_up_goes_back(claim: Claim) -> None:
    noted = Noted(Interrupted(Reason.HANDED_BACK))
    handler = Handler(raising(Interrupted(Reason.TIMED_OUT)), noted.give_up)
    verdict = attempt(handler, "clip", claim, FAILURE_BUDGET, TIMEOUT_S)
    assert verdict == Verdict(Outcome.AGAIN)
