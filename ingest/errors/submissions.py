"""Submissions, and what is asked of them."""

from __future__ import annotations

from ingest.errors.base import IngestError


class SubmissionError(IngestError):
    """Something is wrong with a submission, or with what is asked of it."""


class SubmissionNotFound(SubmissionError):
    """There is no submission of that id."""

    code = "submission.not_found"


class SubmissionEnded(SubmissionError):
    """The submission has ended: there is nothing left to cancel."""

    code = "submission.ended"


class StillRunning(SubmissionError):
    """The submission is cancelled, but a worker that froze or is cut off still has a job of it."""

    code = "submission.still_running"


class SubmissionNotEnded(SubmissionError):
    """The submission is still being worked on: there is nothing to try again."""

    code = "submission.not_ended"


class TokenReused(SubmissionError):
    """A request token came a second time, with another request."""

    code = "submission.token_reused"
