"""What became of the inputs of `clipwarden submit`, and how that is told."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from clipwarden.cli.output import writing_stdout
from clipwarden.intake import Accepted, Input
from ingest.media.check import displayed_name
from ingest.stores import Stores
from ingest.submissions import find_submission
from ingest.tables import DEFAULT_TENANT, Status
from prompts.errors import ClipwardenError


@dataclass(frozen=True)
class Outcome:
    """What became of one input, as JSON has it; refused ones have no id."""

    id: str | None
    source: str
    status: str
    is_new: bool
    media_sha256: str | None
    error: dict[str, str] | None


def submitted(stores: Stores, accepted: Accepted) -> Outcome:
    """What became of an input that was submitted, now or before."""
    outcome = Outcome(
        id=accepted.submission_id,
        source=accepted.source,
        status=Status.QUEUED,
        is_new=accepted.is_new,
        media_sha256=accepted.work.media_sha256,
        error=None,
    )
    return outcome if accepted.is_new else standing(stores, outcome)


def refused(source: Input, error: ClipwardenError) -> Outcome:
    """What became of an input that was not submitted."""
    return Outcome(
        id=None,
        source=source.shown,
        status=Status.FAILED,
        is_new=False,
        media_sha256=None,
        error={"code": error.code, "message": error.message, "cure": error.cure},
    )


def standing(stores: Stores, outcome: Outcome) -> Outcome:
    """The outcome with what is recorded by now."""
    assert outcome.id is not None
    row = find_submission(stores.database, DEFAULT_TENANT, outcome.id)
    error = None
    if row.error_code is not None:
        error = {
            "code": row.error_code,
            "message": row.error_message or "",
            "cure": row.error_cure or "",
        }
    return replace(outcome, status=row.status, error=error)


def print_line(outcome: Outcome, *, is_end: bool = False) -> None:
    """Print an outcome for people; `is_end` where it was printed before."""
    words = f"{outcome.id}  {outcome.status}  {displayed_name(outcome.source)}"
    if not outcome.is_new and not is_end:
        words += "  (submitted before)"
    if outcome.error is not None:
        words += f"  [{outcome.error['code']}] {outcome.error['message']}"
    with writing_stdout():
        sys.stdout.write(f"{words}\n")
