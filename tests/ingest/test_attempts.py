"""A job that can't be done is reported, even where reporting itself fails for a while."""

from __future__ import annotations

import pytest

from ingest.errors import DatabaseUnavailable, MediaUnreadable
from ingest.queue import attempts
from ingest.queue.attempts import Handler, attempt
from prompts.errors import ClipwardenError


def test_giving_up_is_repeated_until_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_RECORD_PAUSE_S", 0.0)
    refusals = [DatabaseUnavailable("locked.", "Wait."), DatabaseUnavailable("locked.", "Wait.")]
    recorded: list[str] = []

    def run(args: object) -> None:
        raise MediaUnreadable(f"{args}: no video.", "Convert it.")

    def give_up(args: object, error: ClipwardenError) -> None:
        if refusals:
            raise refusals.pop()
        recorded.append(f"{args} {error.code}")

    attempt(Handler(run, give_up), "clip")
    assert recorded == ["clip media.unreadable"]


def test_an_error_that_may_pass_is_given_up_at_the_last_attempt_and_goes_on_to_rq() -> None:
    recorded: list[str] = []

    def run(_args: object) -> None:
        raise RuntimeError("two\nlines")

    with pytest.raises(RuntimeError):
        attempt(Handler(run, lambda _args, error: recorded.append(error.message)), "clip")
    assert recorded == ["a job failed with RuntimeError: two lines."]
