"""Inputs at fault: files, and the addresses they are to be fetched from."""

from __future__ import annotations

from ingest.errors.base import IngestError


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
