"""Opens an untrusted file's container and chooses its video; runs in the decoding process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ingest.errors import (
    LiveSource,
    MediaError,
    MediaTruncated,
    MediaUnreadable,
    NoVideoStream,
)
from ingest.media.encryption import is_encrypted
from ingest.media.refusals import out_of_memory, too_many_pixels, too_many_streams
from ingest.media.signatures import (
    HEAD_BYTES,
    IMAGE_HEAD_BYTES,
    image_demuxer,
    image_size,
    is_animated_webp,
    playlist_kind,
)
from ingest.media.truncation import is_cut_short
from ingest.media.wire import DecodeRequest

FORMATS = "mov,matroska,avi,mpegts,mpeg,gif"
"""Demuxers we let FFmpeg choose from. Playlists, session descriptions and concat scripts, which
make it open other files and addresses, are not among them; neither are image sequences."""
PROTOCOLS = "fd"
"""FFmpeg reads the one descriptor it is given: it knows no path, and has no protocol for one."""

TAKEN = (
    "We take MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS and GIF, and pictures in JPEG, PNG, APNG, "
    "WebP, BMP, TIFF and AVIF; convert it to one of these."
)
_COPY_AGAIN = "Copy or download it again; if that is all there is, repair it with another program."
_FFMPEG_MAX_STREAMS = 1000


@contextmanager
def open_container(request: DecodeRequest) -> Iterator[InputContainer]:
    """Let FFmpeg open the request's descriptor with our lists of formats and protocols.

    The content decides on the format, for FFmpeg is told no name. An image gets a list of its
    own, of one demuxer. While one container is read another may be opened, read and closed:
    containers of one descriptor share its position, so that is put back. Raises LiveSource for
    playlists, TooManyStreams, and the MediaError that says why the file can't be opened.
    """
    assert request.descriptor >= 0, "the file is opened first"
    position = os.lseek(request.descriptor, 0, os.SEEK_CUR)
    os.lseek(request.descriptor, 0, os.SEEK_SET)
    try:
        with _demuxer(request) as container:
            streams = len(container.streams)
            if streams > request.limits.max_streams:
                raise too_many_streams(request, streams)
            yield container
    finally:
        os.lseek(request.descriptor, position, os.SEEK_SET)


def _demuxer(request: DecodeRequest) -> InputContainer:
    _refuse_by_signature(request)
    image = image_demuxer(request.descriptor)
    options = {
        "fd": str(request.descriptor),
        "format_whitelist": image or FORMATS,
        "protocol_whitelist": PROTOCOLS,
        "max_pixels": str(request.limits.max_pixels),
        "max_streams": str(max(_FFMPEG_MAX_STREAMS, request.limits.max_streams + 1)),
    }
    try:
        return av.open("fd:", format=image, options=options, metadata_errors="replace")
    except (av.FFmpegError, MemoryError) as error:
        raise opening_error(error, request) from error


def opening_error(error: BaseException, request: DecodeRequest) -> MediaError:
    """Translate what opening raises into the error the user gets to see."""
    name = request.source
    match error:
        case MemoryError():
            return out_of_memory(request)
        case _ if request.descriptor >= 0 and is_cut_short(request.descriptor):
            return cut_short(request)
        case _:
            return MediaUnreadable(f"{name}: not a video we can read ({reason(error)}).", TAKEN)


def nothing_decoded(request: DecodeRequest) -> MediaError:
    """The error for a file that opened, and of which no picture could be decoded."""
    if is_cut_short(request.descriptor):
        return cut_short(request)
    if is_encrypted(request.descriptor):
        return encrypted(request)
    return MediaUnreadable(
        f"{request.source}: none of its pictures can be decoded; the file is damaged.", TAKEN
    )


def encrypted(request: DecodeRequest) -> MediaUnreadable:
    """Say that the pictures can't be seen without a key."""
    return MediaUnreadable(
        f"{request.source}: its video is encrypted.", "Decrypt it first; we take no keys."
    )


def not_announced(request: DecodeRequest) -> MediaUnreadable:
    """Say that the video only begins where FFmpeg no longer looks for one."""
    return MediaUnreadable(
        f"{request.source}: its pictures are in a stream that the beginning doesn't announce.",
        "Copy its video into a new MP4 or MKV file first.",
    )


def cut_short(request: DecodeRequest) -> MediaTruncated:
    """Say that the file ends before its first picture can be decoded."""
    return MediaTruncated(
        f"{request.source}: it was cut off: what is needed to decode any picture is missing.",
        _COPY_AGAIN,
    )


def choose_video(container: InputContainer, request: DecodeRequest) -> VideoStream:
    """Return the stream marked as default, else the first; cover art is no video.

    Where an animated picture also has a still one, the animation is taken. Raises NoVideoStream,
    TooManyPixels, MediaTruncated, and MediaUnreadable where no decoder knows the codec or a
    picture is in tiles.
    """
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    # A stream whose codec no decoder knows has no context, and crashes PyAV when decoded.
    readable = [stream for stream in streams if stream.codec_context is not None]
    if not readable and is_cut_short(request.descriptor):
        raise cut_short(request)
    if not streams:
        raise NoVideoStream(
            f"{request.source}: no moving picture in it, only sound, cover art or data.",
            "Name a file with video.",
        )
    # FFmpeg shows each tile of a HEIF or AVIF grid as a stream of one frame.
    if any(one.frames == 1 and one.disposition & Disposition.dependent for one in streams):
        raise MediaUnreadable(
            f"{request.source}: a picture stored in tiles, which would be seen one by one.",
            "Convert it to JPEG or PNG first.",
        )
    if not readable:
        if is_encrypted(request.descriptor):
            raise encrypted(request)
        raise MediaUnreadable(f"{request.source}: its video codec is not known.", TAKEN)
    marked = [stream for stream in readable if stream.disposition & Disposition.default]
    candidates = marked or readable
    stream = next((one for one in candidates if one.frames != 1), candidates[0])
    codec = stream.codec_context
    if codec.width * codec.height > request.limits.max_pixels:
        raise too_many_pixels(request, codec.width, codec.height)
    return stream


def reason(error: BaseException) -> str:
    """FFmpeg's or the system's own words for an error, without the path that it may repeat."""
    words = error.strerror if isinstance(error, OSError | av.FFmpegError) else None
    return (words or type(error).__name__).lower()


def _refuse_by_signature(request: DecodeRequest) -> None:
    head = os.pread(request.descriptor, IMAGE_HEAD_BYTES, 0)
    if kind := playlist_kind(head[:HEAD_BYTES]):
        raise LiveSource(
            f"{request.source}: {kind}, which holds no video and only says where some is.",
            "Name the video file itself.",
        )
    width, height = image_size(head) or (0, 0)
    if width * height > request.limits.max_pixels:
        raise too_many_pixels(request, width, height)
    if is_animated_webp(head):
        raise MediaUnreadable(
            f"{request.source}: an animated WebP, which FFmpeg can't decode.",
            "Convert it to GIF, APNG or MP4 first.",
        )
