"""Errors of the ingest package.

ClipwardenError (prompts.errors)
└── IngestError
    ├── InvalidSampling         a sampling that can't be read or is out of bounds
    ├── MediaError              the input is at fault; trying again won't help
    │   ├── MediaNotFound       no file of that name
    │   ├── MediaChanged        the file changed between submission and analysis
    │   ├── MediaIsFolder       a folder where a file is wanted
    │   ├── MediaEmpty          a file of no bytes
    │   ├── MediaUnreadable     not a video in a format we take
    │   ├── NoVideoStream       sound only, or cover art only
    │   ├── TooManyPixels       a picture larger than the limit
    │   ├── DecoderOutOfMemory  decoding needs more memory than its process may have
    │   └── DecoderCrashed      the decoding process died, hung or answered nonsense
    ├── BlobError               the blob store
    │   ├── BlobMissing         no blob of that key
    │   ├── BlobCorrupt         its content is not what was written
    │   └── BlobStoreFailed     the store can't be read or written
    ├── QueueError              the queue server
    │   ├── QueueUnavailable    it can't be reached
    │   ├── QueueTaken          it serves another installation
    │   ├── QueueLost           what was queued there is gone
    │   ├── JobRefused          a job on the queue is not one of ours
    │   └── JobFailed           a job failed for a reason nobody foresaw
    └── DatabaseUnavailable     the database can't be opened, read or written
"""

from __future__ import annotations

from prompts.errors import ClipwardenError


class IngestError(ClipwardenError):
    """Something went wrong between the input and the queue."""

    code = "ingest.error"


class InvalidSampling(IngestError):
    """The sampling is not written as we read it, or its rate is out of bounds."""

    code = "sampling.invalid"


class MediaError(IngestError):
    """The input is at fault: trying again won't help."""

    code = "media.error"
    retry_helps = False


class MediaNotFound(MediaError):
    """There is no file of that name, or it may not be read."""

    code = "media.not_found"


class MediaChanged(MediaError):
    """The file changed between its submission and the end of its sampling."""

    code = "media.changed"


class MediaIsFolder(MediaError):
    """A folder was given where a file is wanted."""

    code = "media.is_folder"


class MediaEmpty(MediaError):
    """The file has no bytes."""

    code = "media.empty"


class MediaUnreadable(MediaError):
    """The file is not a video in one of the formats we take."""

    code = "media.unreadable"


class NoVideoStream(MediaError):
    """The file opens but holds no moving picture."""

    code = "media.no_video_stream"


class TooManyPixels(MediaError):
    """The video's pictures are larger than the limit."""

    code = "media.too_many_pixels"


class DecoderOutOfMemory(MediaError):
    """Decoding this file takes more memory than the decoding process is given."""

    code = "media.out_of_memory"


class DecoderCrashed(MediaError):
    """The process that decodes this file died, hung or answered nonsense."""

    code = "media.decoder_crashed"


class BlobError(IngestError):
    """Something is wrong with stored bytes."""

    code = "blob.error"


class BlobMissing(BlobError):
    """No blob of that key is in the store."""

    code = "blob.missing"


class BlobCorrupt(BlobError):
    """A blob's content is not what was written."""

    code = "blob.corrupt"


class BlobStoreFailed(BlobError):
    """The store can't be read or written: full, gone, or not ours."""

    code = "blob.store_failed"


class QueueError(IngestError):
    """Something is wrong with the queue."""

    code = "queue.error"


class QueueUnavailable(QueueError):
    """The queue server can't be reached or refuses us."""

    code = "queue.unavailable"


class QueueTaken(QueueError):
    """The queue server serves another installation, whose jobs ours must not mix with."""

    code = "queue.taken"


class QueueLost(QueueError):
    """What was queued is gone from the server: it was wiped, or lost its memory."""

    code = "queue.lost"


class JobRefused(QueueError):
    """A job on the queue names no function of ours, or its payload breaks the schema."""

    code = "queue.job_refused"


class JobFailed(QueueError):
    """A job failed, at its last attempt, for a reason that is nobody's input."""

    code = "queue.job_failed"


class DatabaseUnavailable(IngestError):
    """The database can't be opened, read or written."""

    code = "database.unavailable"
