"""What all errors of ingest are, and those of no other family."""

from __future__ import annotations

from prompts.errors import ClipwardenError


class IngestError(ClipwardenError):
    """Something went wrong between the input and the queue."""

    code = "ingest.error"


class Passing(IngestError):
    """A shortage or an outage: the work is to wait for its end, not to fail."""


class ProcessBroken(ClipwardenError):
    """The process that works can't go on, whatever job it gets: another one may do the job."""

    code = "process.broken"


class InvalidSampling(IngestError):
    """The sampling is not written as we read it, or its rate is out of bounds."""

    code = "sampling.invalid"
