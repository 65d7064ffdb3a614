"""What only says where a stream is does not pass for a video, whatever it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import LiveSource, MediaNotFound
from ingest.sources.playlists import check_head_not_live, check_not_live
from tests.clips import BLUE, write_scenes

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- a --> <!-- b -->\n'


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n", "HLS"),
        (b"\xef\xbb\xbf\r\n  #EXTM3U\r\n", "HLS"),
        (b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "manifest"),
        (XML + b'<MPD type="dynamic">', "manifest"),
        (XML + b"<dash:MPD>", "manifest"),
        (XML + b"<SmoothStreamingMedia MajorVersion='2'>", "manifest"),
        (b"[playlist]\nFile1=http://x/\n", "playlist"),
        (b"[Reference]\r\nRef1=http://x/\r\n", "playlist"),
        (b'<ASX version="3.0">', "playlist"),
        (b"RTSPtext\nrtsp://x/", "playlist"),
        (b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\n", "description"),
        (b"v=0\no=- 1 1 IN IP4 127.0.0.1\n", "description"),
        (b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", "camera"),
        (b"\r\n--x\r\nContent-Length: 7\r\nContent-type: image/jpeg\r\n\r\n", "camera"),
    ],
)
def test_playlists_and_streams_are_told_by_how_they_begin(
    head: bytes, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(head)
    with pytest.raises(LiveSource, match=rf"holiday\.mp4: .*{kind}"):
        check_not_live(file, "holiday.mp4")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"#EXTM3UX",
        b"this is text",
        b"\x00\x00\x00\x18ftypmp42",
        b"<svg></svg>",
        b"v=1\no=",
        b"-- sql",
        b"<!--x-->" * 500,
        b"<" * 4096,
        b"<a:" * 1300,
        b"v=0\n" + b"a=b\n" * 1000,
        b"--x\n" + b"a:b\n" * 1000,
    ],
)
def test_other_content_passes(head: bytes) -> None:
    check_head_not_live(head, "x")


def test_a_real_video_passes_and_a_missing_one_is_told(tmp_path: Path) -> None:
    check_not_live(write_scenes(tmp_path / "a.mp4", [(BLUE, 0.5)]), "a.mp4")
    with pytest.raises(MediaNotFound, match=r"b\.mp4"):
        check_not_live(tmp_path / "b.mp4", "b.mp4")
