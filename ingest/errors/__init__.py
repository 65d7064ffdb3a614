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

Beside them stands ProcessBroken, which other packages' errors are too: the process that meets one
hands its job back and ends.

Those marked so are Passing too: they pass by themselves once somebody makes room, gives us the
rights, or the other side is back. A worker that meets one pauses with its job in hand, and goes
on; none of the job's attempts is spent.
"""

from __future__ import annotations

from ingest.errors.base import (
    IngestError,
    InvalidSampling,
    Passing,
    ProcessBroken,
)
from ingest.errors.media import (
    DecoderCrashed,
    DecoderOutOfMemory,
    DecodingTimedOut,
    LiveSource,
    MediaChanged,
    MediaEmpty,
    MediaError,
    MediaIsFolder,
    MediaNotFound,
    MediaTruncated,
    MediaUnreadable,
    NoVideoStream,
    SourceError,
    SourceForbidden,
    SourceTimedOut,
    SourceUnavailable,
    SourceUnsupported,
    TooLong,
    TooManyBytes,
    TooManyFrames,
    TooManyPixels,
    TooManyStreams,
)
from ingest.errors.stores import (
    BlobCorrupt,
    BlobError,
    BlobMissing,
    BlobStoreFailed,
    BlobStoreFull,
    BlobStoreNotOurs,
    BlobStoreTaken,
    BlobStoreUnavailable,
    DatabaseError,
    DatabaseFailed,
    DatabaseFull,
    DatabaseLocked,
    DatabaseOutdated,
    DatabaseUnavailable,
    JobFailed,
    JobLapsed,
    JobRefused,
    JobTimedOut,
    QueueError,
    QueueFailed,
    QueueFull,
    QueueTaken,
    QueueUnavailable,
)
from ingest.errors.submissions import (
    StillRunning,
    SubmissionEnded,
    SubmissionError,
    SubmissionNotEnded,
    SubmissionNotFound,
    TokenReused,
)

__all__ = [
    "BlobCorrupt",
    "BlobError",
    "BlobMissing",
    "BlobStoreFailed",
    "BlobStoreFull",
    "BlobStoreNotOurs",
    "BlobStoreTaken",
    "BlobStoreUnavailable",
    "DatabaseError",
    "DatabaseFailed",
    "DatabaseFull",
    "DatabaseLocked",
    "DatabaseOutdated",
    "DatabaseUnavailable",
    "DecoderCrashed",
    "DecoderOutOfMemory",
    "DecodingTimedOut",
    "IngestError",
    "InvalidSampling",
    "JobFailed",
    "JobLapsed",
    "JobRefused",
    "JobTimedOut",
    "LiveSource",
    "MediaChanged",
    "MediaEmpty",
    "MediaError",
    "MediaIsFolder",
    "MediaNotFound",
    "MediaTruncated",
    "MediaUnreadable",
    "NoVideoStream",
    "Passing",
    "ProcessBroken",
    "QueueError",
    "QueueFailed",
    "QueueFull",
    "QueueTaken",
    "QueueUnavailable",
    "SourceError",
    "SourceForbidden",
    "SourceTimedOut",
    "SourceUnavailable",
    "SourceUnsupported",
    "StillRunning",
    "SubmissionEnded",
    "SubmissionError",
    "SubmissionNotEnded",
    "SubmissionNotFound",
    "TokenReused",
    "TooLong",
    "TooManyBytes",
    "TooManyFrames",
    "TooManyPixels",
    "TooManyStreams",
]
