"""Opens an untrusted file for demuxing and chooses its video; runs in the decoding process."""

from __future__ import annotations

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ingest.errors import (
    DecoderOutOfMemory,
    MediaError,
    MediaIsFolder,
    MediaNotFound,
    MediaUnreadable,
    NoVideoStream,
    TooManyPixels,
)
from ingest.media.wire import DecodeRequest

FORMATS = "mov,matroska,avi,mpegts,mpeg,gif"
"""Demuxers we let FFmpeg choose from. Playlists, session descriptions and concat scripts, which
make it open other files and addresses, are not among them; neither are image sequences."""
PROTOCOLS = "file"

TAKEN = "We take MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS and GIF; convert it to one of these."


def open_container(request: DecodeRequest) -> InputContainer:
    """Open the file by path with our lists of formats and protocols.

    The explicit protocol keeps FFmpeg from reading one out of the path itself. Raises the
    MediaError that says why the file can't be opened.
    """
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": PROTOCOLS,
        "max_pixels": str(request.limits.max_pixels),
    }
    try:
        return av.open(f"file:{request.path}", options=options, metadata_errors="replace")
    except (av.FFmpegError, MemoryError) as error:
        raise opening_error(error, request) from error


def opening_error(error: BaseException, request: DecodeRequest) -> MediaError:
    """Translate what PyAV raises on opening into the error the user gets to see."""
    name = request.source
    match error:
        case MemoryError():
            return out_of_memory(request)
        case FileNotFoundError():
            return MediaNotFound(f"{name}: no such file.", "Check the path.")
        case PermissionError():
            return MediaNotFound(f"{name}: may not be read.", "Give this user read permission.")
        case IsADirectoryError():
            return MediaIsFolder(
                f"{name}: a folder, not a video file.", "Name the video files in it."
            )
        case _:
            return MediaUnreadable(f"{name}: not a video we can read ({reason(error)}).", TAKEN)


def out_of_memory(request: DecodeRequest) -> DecoderOutOfMemory:
    """Say that the address space limit ended the decoding, and how to raise it."""
    mebibytes = request.limits.memory_bytes // 1024**2
    return DecoderOutOfMemory(
        f"{request.source}: decoding takes more than {mebibytes} MiB of memory.",
        "Convert it to a smaller picture or an ordinary codec first.",
    )


def too_many_pixels(request: DecodeRequest, width: int, height: int) -> TooManyPixels:
    """Say how large the picture is and where the limit stands."""
    return TooManyPixels(
        f"{request.source}: a picture of {width}x{height} is over the limit of "
        f"{request.limits.max_pixels} pixels.",
        "Scale the video down first.",
    )


def choose_video(container: InputContainer, request: DecodeRequest) -> VideoStream:
    """Return the stream marked as default, else the first; cover art is no video.

    Raises NoVideoStream, MediaUnreadable where no decoder knows the codec, TooManyPixels.
    """
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise NoVideoStream(
            f"{request.source}: no moving picture in it, only sound, cover art or data.",
            "Name a file with video.",
        )
    # A stream whose codec no decoder knows has no context, and crashes PyAV when decoded.
    readable = [stream for stream in streams if stream.codec_context is not None]
    if not readable:
        raise MediaUnreadable(f"{request.source}: its video codec is not known.", TAKEN)
    marked = [stream for stream in readable if stream.disposition & Disposition.default]
    stream = (marked or readable)[0]
    codec = stream.codec_context
    if codec.width * codec.height > request.limits.max_pixels:
        raise too_many_pixels(request, codec.width, codec.height)
    return stream


def reason(error: BaseException) -> str:
    """FFmpeg's own words for an error, without the path that it may repeat."""
    words = error.strerror if isinstance(error, av.FFmpegError) else None
    return (words or type(error).__name__).lower()
