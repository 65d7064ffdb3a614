"""Blob store, queue server and database."""

from __future__ import annotations

from ingest.errors.base import IngestError, Passing


class BlobError(IngestError):
    """Something is wrong with stored bytes."""


class BlobMissing(BlobError):
    """No blob of that key is in the store."""

    code = "blob.missing"


class BlobCorrupt(BlobError):
    """A blob's content is not what was written."""

    code = "blob.corrupt"


class BlobStoreFull(Passing, BlobError):
    """The store has no room left."""

    code = "blob.store_full"


class BlobStoreUnavailable(Passing, BlobError):
    """The store does not answer."""

    code = "blob.store_unavailable"


class BlobStoreFailed(Passing, BlobError):
    """The store refuses to be read or written: it is read-only, not ours, or damaged.

    Rights and credentials are the installation's, so no video is to fail for them.
    """

    code = "blob.store_failed"


class BlobStoreTaken(BlobError):
    """The store is another installation's, which would delete what ours keeps there."""

    code = "store.taken"


class BlobStoreNotOurs(BlobError):
    """The store holds nothing of an installation that has stored things: it is the wrong one."""

    code = "store.not_ours"


class QueueError(IngestError):
    """Something is wrong with the queue."""


class QueueUnavailable(Passing, QueueError):
    """The queue server can't be reached or refuses us."""

    code = "queue.unavailable"


class QueueFull(Passing, QueueError):
    """The queue server takes no more: its memory or its disk is full."""

    code = "queue.full"


class QueueFailed(QueueError):
    """The queue server refused a step: a key of ours holds what is not ours, or a defect."""

    code = "queue.failed"


class QueueTaken(QueueError):
    """The queue server serves another installation, whose jobs ours must not mix with."""

    code = "queue.taken"


class JobRefused(QueueError):
    """A job on the queue names no function of ours, or its payload breaks the schema."""

    code = "queue.job_refused"


class JobTimedOut(QueueError):
    """A job took longer than it may."""

    code = "queue.job_timed_out"


class JobLapsed(QueueError):
    """The processes that worked on a job died, or froze, more often than is believable."""

    code = "queue.job_lapsed"


class JobFailed(QueueError):
    """A job failed, at its last attempt, for a reason that is nobody's input."""

    code = "queue.job_failed"


class DatabaseError(IngestError):
    """Something is wrong with the database."""


class DatabaseUnavailable(Passing, DatabaseError):
    """The database can't be opened, reached, or written to."""

    code = "database.unavailable"


class DatabaseLocked(Passing, DatabaseError):
    """Another program holds the database's write lock for too long."""

    code = "database.locked"


class DatabaseFull(Passing, DatabaseError):
    """The database's disk is full."""

    code = "database.full"


class DatabaseOutdated(DatabaseError):
    """The database's schema is that of another release."""

    code = "database.outdated"


class DatabaseFailed(DatabaseError):
    """The database refused a statement of ours: a defect, or a damaged file."""

    code = "database.failed"
