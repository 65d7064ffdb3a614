"""The decoder that also gives a WebM's transparency; runs in the decoding process."""

from __future__ import annotations

from typing import cast

from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ingest.media.limits import DecodeLimits
from ingest.media.spec import SamplingSpec

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these, which it chooses, pass over what is coded beside the picture."""


def decoder_of(
    stream: VideoStream, limits: DecodeLimits, sampling: SamplingSpec
) -> VideoCodecContext:
    """Return the stream's decoder, or libvpx where the file says that it has transparent parts.

    Not for sampling by key frames, of which libvpx doesn't say that they are some; there hidden
    colours are seen as if nothing was transparent.
    """
    own = stream.codec_context
    name = _WITH_ALPHA.get(own.codec.canonical_name)
    if name is None or sampling.strategy == "keyframes" or stream.metadata.get("alpha_mode") != "1":
        return own
    decoder = cast(VideoCodecContext, CodecContext.create(name, "r"))
    if own.extradata:
        decoder.extradata = own.extradata
    decoder.options = {"max_pixels": str(limits.max_pixels)}
    return decoder
