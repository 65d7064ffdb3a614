"""Conditions on videos: what `--where` says, and whether a submission meets it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import PurePath

from clipwarden.rescoring.comparing import is_of, verdict_of
from clipwarden.rescoring.document import Verdict
from clipwarden.rescoring.errors import InvalidCondition
from clipwarden.rescoring.parts import Part, flags_of_parts
from ingest.tables import Submission
from prompts.actions import Action

KEYS = ("label", "flagged", "nsfw", "action", "source", "since", "until", "id", "prompts")

_AGE = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_ID = re.compile(r"[0-9a-f]{1,32}")

OfSubmission = Callable[[Submission], bool]
OfShown = Callable[[Verdict, Collection[str]], bool]
"""Asked of a document's verdict and the names of the prompt sets that it shows."""


@dataclass(frozen=True)
class Condition:
    """One condition; `text` is as it was written.

    It is asked either of the submission alone, or of what its document shows.
    """

    text: str
    key: str
    value: str
    of_submission: OfSubmission | None = None
    of_shown: OfShown | None = None


@dataclass(frozen=True)
class Conditions:
    """Conditions that must all hold; none hold always."""

    every: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str], now: datetime) -> Conditions:
        """Read `label=weapons` and the like; raises InvalidCondition.

        `since` and `until` count from `now`, which is UTC.
        """
        return cls(tuple(_parse(text, now) for text in texts))

    def check(self, labels: Collection[str], prompt_sets: Collection[str]) -> None:
        """Raise InvalidCondition where a label or prompt set is asked for that nobody knows."""
        for one in self.every:
            if one.key == "label" and not any(is_of(label, one.value) for label in labels):
                raise _unknown(one, "label", labels)
            if one.key == "prompts" and one.value not in prompt_sets:
                raise _unknown(one, "prompt set", prompt_sets)

    def hold(self, submission: Submission, shown: Callable[[], Sequence[Part]]) -> bool:
        """Whether a finished submission meets all; `shown` is called where they ask for it.

        Raises what `shown` raises.
        """
        asked = [one.of_submission for one in self.every if one.of_submission is not None]
        if not all(ask(submission) for ask in asked):
            return False
        deeper = [one.of_shown for one in self.every if one.of_shown is not None]
        if not deeper:
            return True
        parts = shown()
        verdict = verdict_of(flags_of_parts(parts))
        names = {part.prompt_set.name for part in parts}
        return all(ask(verdict, names) for ask in deeper)


def _parse(text: str, now: datetime) -> Condition:
    key, equals, value = text.partition("=")
    if not equals or not value or key not in KEYS:
        raise InvalidCondition(
            f"{text[:200]!r} is no condition.",
            f"Write KEY=VALUE, where KEY is one of {', '.join(KEYS)}.",
        )
    if key in ("source", "since", "until", "id"):
        return Condition(text, key, value, of_submission=_of_submission(text, key, value, now))
    return Condition(text, key, value, of_shown=_of_shown(text, key, value))


def _of_submission(text: str, key: str, value: str, now: datetime) -> OfSubmission:
    if key == "source":
        return lambda row: (
            fnmatchcase(row.source, value) or fnmatchcase(PurePath(row.source).name, value)
        )
    if key == "id":
        prefix = value.lower()
        if not _ID.fullmatch(prefix):
            raise InvalidCondition(
                f"{text[:200]!r}: an id is made of up to 32 hex digits.",
                "`clipwarden status` lists submissions with their ids.",
            )
        return lambda row: row.id.startswith(prefix)
    moment = _moment(text, value, now)
    if key == "since":
        return lambda row: row.finished_at is not None and row.finished_at >= moment
    if _is_date(value):
        # The day itself is still in it.
        moment += timedelta(days=1)
        return lambda row: row.finished_at is not None and row.finished_at < moment
    return lambda row: row.finished_at is not None and row.finished_at <= moment


def _of_shown(text: str, key: str, value: str) -> OfShown:
    if key == "label":
        return lambda verdict, _: any(is_of(label, value) for label in verdict.labels)
    if key == "prompts":
        return lambda _, names: value in names
    if key == "action":
        if value not in list(Action):
            raise InvalidCondition(
                f"{text[:200]!r}: there is no such action.", f"There are {', '.join(Action)}."
            )
        return lambda verdict, _: verdict.action == value
    if value not in ("yes", "no"):
        raise InvalidCondition(f"{text[:200]!r} is no answer.", f"Write {key}=yes or {key}=no.")
    wanted = value == "yes"
    if key == "flagged":
        return lambda verdict, _: verdict.flagged is wanted
    return lambda verdict, _: verdict.nsfw is wanted


def _moment(text: str, value: str, now: datetime) -> datetime:
    """A date or time, UTC unless it says otherwise, or that long ago."""
    age = _AGE.fullmatch(value)
    try:
        if age is not None:
            return now - timedelta(seconds=int(age["number"]) * _UNITS_S[age["unit"]])
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidCondition(
            f"{text[:200]!r} is no time.",
            "Write how long ago, as in 12h, 7d, 4w, or a date, as in 2026-11-01.",
        ) from error


def _is_date(value: str) -> bool:
    """Whether it names a day, and no time of it."""
    with suppress(ValueError):
        date.fromisoformat(value)
        return True
    return False


def _unknown(condition: Condition, what: str, known: Collection[str]) -> InvalidCondition:
    return InvalidCondition(
        f"{condition.text[:200]!r}: no stored result knows that {what}.",
        f"They know {', '.join(sorted(known)) or 'none'}.",
    )
