"""Files and names that try to make the decoder open a file or an address of this machine."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from functools import partial as given
from pathlib import Path

from PIL import Image

from tests import clips
from tests.media.zoo import boxes, matroska
from tests.media.zoo.bait import CANARY_COLOUR, NOBODY, Bait
from tests.media.zoo.damaged import WHOLE, clip
from tests.media.zoo.entry import (
    BROKEN,
    TOO_LARGE,
    UNREADABLE,
    Entry,
    done,
    either,
    failed,
    survived,
)
from tests.media.zoo.matroska import Block, Matroska, Track
from tests.media.zoo.packets import vp8_packets

_REFUSED = failed(*UNREADABLE, "source.live", "source.unsupported")
"""A playlist may also be refused for what it is."""

_HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n"
_MANIFESTS = {
    "hls": _HLS,
    "hls-live": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n",
    "hls-of-lists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{0}\n",
    "hls-with-key": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n'
    "#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "hls-with-map": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MAP:URI="{0}"\n'
    "#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{0}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>\n",
    "xml-entity": '<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY e SYSTEM "{0}">]><MPD>&e;</MPD>\n',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={0}\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "smil": '<smil><body><video src="{0}"/></body></smil>\n',
    "smooth": '<SmoothStreamingMedia MajorVersion="2" Duration="9"><StreamIndex Type="video" '
    'Url="{0}"><QualityLevel Index="0"/></StreamIndex></SmoothStreamingMedia>\n',
    "cue": 'FILE "{0}" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "m3u": "{0}\n",
    "pls": "[playlist]\nFile1={0}\nNumberOfEntries=1\n",
    "asx": '<asx version="3.0"><entry><ref href="{0}"/></entry></asx>\n',
    "xspf": '<playlist version="1"><trackList><track><location>{0}</location></track></trackList>'
    "</playlist>\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="320" height="240"><image xlink:href="{0}" width="320" height="240"/></svg>\n',
    "rtsp": "rtsptext\n{0}\n",
    "ram": "{0}\n--stop--\n",
    "avisynth": 'AVISource("{0}")\n',
    "vobsub": "# VobSub index file, v7\nid: en, index: 0\n# {0}\n",
    "imf": '<AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><AssetList><Asset>'
    "<ChunkList><Chunk><Path>{0}</Path></Chunk></ChunkList></Asset></AssetList></AssetMap>\n",
    "graph": "movie={0}[out0]\n",
}
_EXTENSIONS = ("mp4", "mkv", "webm", "avi", "ts", "mpg", "gif", "png", "jpg", "m3u8", "mpd", "sdp")
_PREFIXES = {
    "bom": b"\xef\xbb\xbf",
    "blank-lines": b"\n" * 1000,
    "ftyp": boxes.box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41"),
    "ebml": matroska.header(),
    "riff": b"RIFF\0\1\0\0AVI ",
    "gif": b"GIF89a",
    "nulls": bytes(4096),
    "sync": b"\x47" + bytes(187),
}
_NAMES = (
    "concat:canary.ts|canary.ts",
    "subfile,,start,0,end,0,,:canary.ts",
    "crypto:canary.ts",
    "data:video,canary.ts",
    "file:canary.ts",
    "http:canary.ts",
    "async:cache:canary.ts",
    "pipe:0",
    "fd:0",
    "lavfi:testsrc",
    "-i",
    "--help",
    "-f lavfi.mp4",
    "%03d.mp4",
    "frame%d.mp4",
    "*.mp4",
    "[a-z]?.mp4",
    "~.mp4",
    "$(touch canary.txt).mp4",
    "`touch canary.txt`;canary.mp4",
    "two\nlines.mp4",
    "bell\a\x1b]0;title\a\x1b[2J.mp4",
    "gpj.\u202e4pm.mp4",
    "zero\u200bwidth\ufeff.mp4",
    "<img src=x onerror=alert(1)>.mp4",
    "'; DROP TABLE media; --.mp4",
    "{{7*7}}${7*7}.mp4",
    " leading and trailing .mp4 ",
    "..mp4",
    "CON.mp4",
    "n" * 250 + ".mp4",
    os.fsdecode(b"caf\xe9.mp4"),
)


def entries() -> list[Entry]:
    """Every trap, with and without a good video around it."""
    return [*_manifests(), *_disguised(), *_containers(), *_named()]


def _manifests() -> list[Entry]:
    """Each kind of description, with each way to name the bait."""
    return [
        Entry(f"{kind}-{how}.mp4", given(_write_manifest, kind=kind, how=how), _REFUSED)
        for kind in _MANIFESTS
        for how in (NOBODY.targets if kind in {"hls", "concat"} else ("absolute", "http"))
    ]


def _disguised() -> list[Entry]:
    named = [
        Entry(f"{kind}-called.{extension}", given(_write_manifest, kind=kind), _REFUSED)
        for kind in ("hls", "concat")
        for extension in _EXTENSIONS
    ]
    prefixed = [
        Entry(
            f"{kind}-behind-{name}.mp4",
            given(_write_manifest, kind=kind, prefix=prefix),
            failed(*BROKEN, *TOO_LARGE, *_REFUSED.codes),
        )
        for kind in ("hls", "concat")
        for name, prefix in _PREFIXES.items()
    ]
    # A good video first, so that whoever looks at the beginning alone takes it.
    behind = [
        Entry(f"hls-behind-a-video.{kind}", given(_write_behind, kind=kind),
              replace(either(WHOLE, replace(WHOLE, statuses=frozenset({"partial"}))),
                      warnings=frozenset()))
        for kind in ("mp4", "mkv", "avi", "ts", "mpg")
    ]  # fmt: skip
    return named + prefixed + behind


def _containers() -> list[Entry]:
    """Good containers whose own fields name the bait."""
    # What the reference leads to must not be read; whether the rest is shown is a matter of taste.
    only_its_own = survived()
    return [
        Entry("reference-to-a-file.mov", given(_reference, kind=b"alis"), only_its_own),
        Entry("reference-to-an-address.mov", given(_reference, kind=b"url "), only_its_own),
        Entry("reference-by-name.mov", given(_reference, kind=b"urn "), only_its_own),
        Entry("reference-of-the-movie.mov", _movie_reference, failed(*BROKEN)),
        Entry("codec-that-is-a-playlist.mkv", _playlist_as_packets, failed(*BROKEN)),
        Entry("subtitles-that-name.mkv", _subtitles_that_name, WHOLE),
    ]


def _named() -> list[Entry]:
    videos = [
        Entry(name, lambda path, _: path.write_bytes(clip("mp4")), WHOLE)
        for name in (*_NAMES, "video%d.png")
    ]
    # A name that is a pattern fits the canary's picture beside it, which must not be shown.
    pictures = [
        Entry(name, _write_beside_canary, either(done((0,)), failed(*UNREADABLE)))
        for name in ("picture%d.png", "picture%01d.png", "picture*.png", "picture[1].png")
    ]
    return videos + pictures


def _write_beside_canary(path: Path, _: Bait) -> None:
    size = (320, 240)
    Image.new("RGB", size, CANARY_COLOUR).save(path.parent / "picture1.png")
    Image.new("RGB", size, clips.RED).save(path, "PNG")


def _described(bait: Bait, kind: str, how: str) -> bytes:
    return _MANIFESTS[kind].format(bait.targets[how], port=bait.port).encode()


def _write_manifest(
    path: Path, bait: Bait, kind: str, how: str = "absolute", prefix: bytes = b""
) -> None:
    path.write_bytes(prefix + _described(bait, kind, how))


def _write_behind(path: Path, bait: Bait, kind: str) -> None:
    path.write_bytes(clip(kind) + _described(bait, "hls", "absolute"))


def _reference(path: Path, bait: Bait, kind: bytes) -> None:
    """Say that the media data of the track is in another file (ISO/IEC 14496-12, 8.7.2)."""
    data = clip("mp4")
    name = bait.targets["http" if kind == b"url " else "fileurl"].encode() + b"\0"
    payload = _alias(bait.video) if kind == b"alis" else name
    if kind == b"urn ":
        payload = b"bait\0" + name
    dref = boxes.full_box(b"dref", struct.pack(">I", 1) + boxes.full_box(kind, payload))
    data = boxes.replace(data, b"dref", dref)
    # Offsets that would be right in the other file.
    path.write_bytes(boxes.overwrite(data, b"stco", 16, struct.pack(">I", 564)))


def _alias(target: Path) -> bytes:
    """A Macintosh alias record of version 2, with its absolute path as a last field."""
    name = target.name.encode()
    fixed = struct.pack(">4xHHH", 150 + len(str(target)), 2, 0)
    volume = bytes([1]) + b"/" + bytes(26)
    head = fixed + volume + bytes(4 + 2 + 2 + 4) + bytes([len(name)]) + name.ljust(63, b"\0")
    head = head.ljust(130, b"\0") + struct.pack(">HH", 1, 1) + bytes(16)
    full = str(target).encode()
    return (
        head + struct.pack(">HH", 18, len(full)) + full + b"\0" * (len(full) % 2) + b"\xff\xff\0\0"
    )


def _movie_reference(path: Path, bait: Bait) -> None:
    """A QuickTime movie that is nothing but a reference to another one."""
    name = bait.targets["http"].encode() + b"\0"
    rdrf = boxes.full_box(b"rdrf", b"url " + struct.pack(">I", len(name)) + name)
    movie = boxes.box(b"moov", boxes.box(b"rmra", boxes.box(b"rmda", rdrf)))
    path.write_bytes(boxes.box(b"ftyp", b"qt  \0\0\2\0qt  ") + movie)


def _playlist_as_packets(path: Path, bait: Bait) -> None:
    packet = _described(bait, "hls", "absolute")
    path.write_bytes(Matroska([Block(time, packet) for time in range(0, 2_000, 40)]).written())


def _subtitles_that_name(path: Path, bait: Bait) -> None:
    times = tuple(range(0, 2_000, 40))
    pictures = [
        Block(time, packet.data, packet.keyframe)
        for time, packet in zip(times, vp8_packets(times), strict=True)
    ]
    script = f"[Script Info]\n[Fonts]\nfontname: {bait.video}\n".encode()
    words = [Block(0, f"0,0,Default,,0,0,0,,{{\\img({bait.video})}}".encode(), track=2)]
    tracks = [Track(), Track("S_TEXT/ASS", number=2, kind=17, private=script)]
    path.write_bytes(Matroska(words + pictures, tracks).written())
