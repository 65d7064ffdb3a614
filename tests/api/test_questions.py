"""Stores that hang, or fail in ways that nobody foresaw."""

from __future__ import annotations

import threading
import time

import pytest

from clipwarden.api.errors import CheckFailed, CheckTimedOut
from clipwarden.api.questions import Question, answer_deadline
from ingest.errors import DatabaseUnavailable


class Gate:
    """A store that answers its number of questions so far, but not before it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        assert self.opened.wait(30)
        return self.asked


def test_a_store_that_hangs_costs_one_thread_however_often_it_is_asked() -> None:
    gate = Gate()
    question = Question("gate", gate.ask)
    asked = [question.start() for _ in range(5)]
    with pytest.raises(CheckTimedOut, match="the gate did not answer"):
        question.answer(asked[0], time.monotonic())
    gate.opened.set()
    assert [question.answer(one, answer_deadline()) for one in asked] == [1] * 5
    assert question.answer(question.start(), answer_deadline()) == 2


def test_an_error_of_ours_comes_as_it_was_raised_and_others_with_a_code() -> None:
    ours = DatabaseUnavailable("the database is gone.", "Bring it back.")

    def raise_ours() -> None:
        raise ours

    def raise_other() -> None:
        raise TimeoutError("too slow")

    question = Question("database", raise_ours)
    with pytest.raises(DatabaseUnavailable) as caught:
        question.answer(question.start(), answer_deadline())
    assert caught.value is ours
    other = Question("database", raise_other)
    with pytest.raises(CheckFailed, match="TimeoutError: too slow") as failed:
        other.answer(other.start(), answer_deadline())
    assert isinstance(failed.value.__cause__, TimeoutError)
