"""Errors of the ingest package.

ClipwardenError (prompts.errors)
└── IngestError
    └── MediaError              the input is at fault; trying again won't help
        ├── MediaNotFound       no file of that name
        ├── MediaIsFolder       a folder where a file is wanted
        ├── MediaEmpty          a file of no bytes
        ├── MediaUnreadable     not a video in a format we take
        ├── NoVideoStream       sound only, or cover art only
        └── DecoderCrashed      the decoding process died or answered nonsense
"""

from __future__ import annotations

from prompts.errors import ClipwardenError


class IngestError(ClipwardenError):
    """Something went wrong between the input and the queue."""

    code = "ingest.error"


class MediaError(IngestError):
    """The input is at fault: trying again won't help."""

    code = "media.error"


class MediaNotFound(MediaError):
    """There is no file of that name, or it may not be read."""

    code = "media.not_found"


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


class DecoderCrashed(MediaError):
    """The process that decodes this file died, hung or answered nonsense."""

    code = "media.decoder_crashed"
