"""One attempt: what becomes of a job follows from how the attempt ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.errors import (
    DatabaseFailed,
    DatabaseLocked,
    JobRefused,
    JobTimedOut,
    MediaUnreadable,
)
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


def test_what_is_refused_is_dead_at_once_and_not_given_up(claim: Claim) -> None:
    refusal, noted = JobRefused("malformed.", "Update."), Noted()
    verdict = attempt(Handler(raising(refusal), noted.give_up), "clip", claim, 0, TIMEOUT_S)
    assert verdict == Verdict(Outcome.DEAD, Count.FAILURE)
    assert noted.errors == []
    # The same where it is noticed only when it is given up.
    handler = Handler(raising(RuntimeError("oops")), Noted(refusal).give_up)
    verdict = attempt(handler, "clip", claim, FAILURE_BUDGET, TIMEOUT_S)
    assert verdict == Verdict(Outcome.DEAD, Count.FAILURE)


@pytest.mark.parametrize("failure", [DatabaseFailed("refused.", "Restore."), ValueError("a bug")])
def test_what_can_not_be_given_up_is_given_up_later(claim: Claim, failure: Exception) -> None:
    handler = Handler(raising(RuntimeError("oops")), Noted(failure).give_up)
    verdict = attempt(handler, "clip", claim, FAILURE_BUDGET, TIMEOUT_S)
    assert (verdict.outcome, verdict.count) == (Outcome.LATER, Count.NOTHING)
    assert verdict.delay_s > 0


@pytest.mark.parametrize(
    ("ending", "failures", "label"),
    [
        (RuntimeError("oops"), 0, "retried"),
        (RuntimeError("oops"), FAILURE_BUDGET, "dead"),
        (Interrupted(Reason.POSTPONED, 1.0), 0, "postponed"),
        (Interrupted(Reason.HANDED_BACK), 0, "handed_back"),
        (Interrupted(Reason.STOPPED), 0, "stopped"),
        (Interrupted(Reason.LOST), 0, "lost"),
        (MediaUnreadable("no video.", "Convert it."), 0, "done"),
    ],
)
def test_attempts_are_counted_by_how_they_ended(
    claim: Claim, ending: BaseException, failures: int, label: str
) -> None:
    handler = Handler(raising(ending), Noted().give_up)
    assert attempt(handler, "clip", claim, failures, TIMEOUT_S).label == label


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
