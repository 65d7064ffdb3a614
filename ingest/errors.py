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
    │   ├── MediaTruncated      cut off before anything that could be decoded
    │   ├── NoVideoStream       sound only, or cover art only
    │   ├── TooManyBytes        a file larger than the limit
    │   ├── TooManyPixels       a picture larger than the limit
    │   ├── TooManyFrames       more frames to sample than the limit
    │   ├── TooManyStreams      more streams than the limit
    │   ├── TooLong             a longer video than the limit
    │   ├── DecoderOutOfMemory  decoding needs more memory than its process may have
    │   ├── DecodingTimedOut    decoding stood still, or took longer than it may
    │   ├── DecoderCrashed      the decoding process died or answered nonsense
    │   └── SourceError         what was named can't be fetched
    │       ├── LiveSource          a stream without an end, or a playlist of one
    │       ├── SourceUnsupported   an address of a kind we don't read
    │       ├── SourceForbidden     an address inside a private network
    │       ├── SourceUnavailable   nobody answers, or not with the content
    │       └── SourceTimedOut      the content takes longer to come than it may
    ├── BlobError               the blob store
    │   ├── BlobMissing         no blob of that key
    │   ├── BlobCorrupt         its content is not what was written
    │   ├── BlobStoreFull       the store has no room left                          (passes)
    │   ├── BlobStoreUnavailable  the store does not answer                         (passes)
    │   ├── BlobStoreFailed     the store refuses to be read or written             (passes)
    │   ├── BlobStoreTaken      it is another installation's
    │   └── BlobStoreNotOurs    it holds nothing of this installation
    ├── QueueError              the queue server
    │   ├── QueueUnavailable    it can't be reached                                 (passes)
    │   ├── QueueFull           it has no memory or disk left                       (passes)
    │   ├── QueueFailed         it refused a step: a key holds what is not ours
    │   ├── QueueTaken          it serves another installation
    │   ├── JobRefused          a job on the queue is not one of ours
    │   ├── JobTimedOut         a job took longer than it may
    │   ├── JobLapsed           the processes that worked on a job died too often
    │   └── JobFailed           a job failed for a reason nobody foresaw
    ├── DatabaseError           the database
    │   ├── DatabaseUnavailable it can't be reached, opened or written              (passes)
    │   ├── DatabaseLocked      another writer holds it for too long                (passes)
    │   ├── DatabaseFull        its disk is full                                    (passes)
    │   ├── DatabaseOutdated    its schema is another release's
    │   └── DatabaseFailed      it refused a statement of ours
    └── SubmissionError         a submission
        ├── SubmissionNotFound  there is none of that id
        ├── SubmissionEnded     it has ended, so it can't be cancelled
        ├── StillRunning        it is cancelled, but a worker does not let go of it
        ├── SubmissionNotEnded  it has not ended, so it can't be tried again
        └── TokenReused         a request token came again with another request

Those marked so are Passing too: they pass by themselves once somebody makes room, gives us the
rights, or the other side is back. A worker that meets one pauses with its job in hand, and goes
on; none of the job's attempts is spent.
"""

from __future__ import annotations

from prompts.errors import ClipwardenError


class IngestError(ClipwardenError):
    """Something went wrong between the input and the queue."""

    code = "ingest.error"


class Passing(IngestError):
    """A shortage or an outage: the work is to wait for its end, not to fail."""


class InvalidSampling(IngestError):
    """The sampling is not written as we read it, or its rate is out of bounds."""

    code = "sampling.invalid"


class MediaError(IngestError):
    """The input is at fault: trying again won't help."""

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


class MediaTruncated(MediaError):
    """The file was cut off before anything that could be decoded."""

    code = "media.truncated"


class NoVideoStream(MediaError):
    """The file opens but holds no moving picture."""

    code = "media.no_video_stream"


class TooManyBytes(MediaError):
    """The file is larger than the limit."""

    code = "media.too_many_bytes"


class TooManyPixels(MediaError):
    """The video's pictures are larger than the limit."""

    code = "media.too_many_pixels"


class TooManyFrames(MediaError):
    """The sampling of the video gives more frames than the limit."""

    code = "media.too_many_frames"


class TooManyStreams(MediaError):
    """The file holds more streams than the limit."""

    code = "media.too_many_streams"


class TooLong(MediaError):
    """The video is longer than the limit."""

    code = "media.too_long"


class DecoderOutOfMemory(MediaError):
    """Decoding this file takes more memory than the decoding process is given."""

    code = "media.out_of_memory"


class DecodingTimedOut(MediaError):
    """Decoding stood still, or took longer than it may for one file."""

    code = "media.decoding_timed_out"


class DecoderCrashed(MediaError):
    """The process that decodes this file died or answered nonsense."""

    code = "media.decoder_crashed"


class SourceError(MediaError):
    """What was named can't be fetched."""


class LiveSource(SourceError):
    """A stream without an end, or a playlist that may name one."""

    code = "source.live"


class SourceUnsupported(SourceError):
    """An address of a kind we don't read."""

    code = "source.unsupported"


class SourceForbidden(SourceError):
    """An address inside a private network, or of this machine."""

    code = "source.forbidden"


class SourceUnavailable(SourceError):
    """Nobody answers at the address, or not with the content."""

    code = "source.unavailable"


class SourceTimedOut(SourceError):
    """The content takes longer to come than it may."""

    code = "source.timed_out"


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
