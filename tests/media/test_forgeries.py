"""Playlists and descriptions that try to make the decoder open another file or an address."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from ingest.errors import LiveSource, MediaError, MediaUnreadable
from tests import clips
from tests.media.sampled import sample

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{target}'\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>\n"
)
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={target}\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 50404 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
FORGERIES = {"hls": HLS, "concat": CONCAT, "dash": DASH, "sdp": SDP}
REFUSALS: dict[str, type[MediaError]] = {
    "hls": LiveSource,
    "concat": MediaUnreadable,
    "dash": LiveSource,
    "sdp": LiveSource,
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


@pytest.mark.parametrize(("kind", "name"), [("concat", "clip.mp4"), ("hls", "clip.m3u8")])
def test_these_playlists_are_followed_without_our_lists(
    tmp_path: Path, kind: str, name: str
) -> None:
    clips.write_scenes(tmp_path / "canary.ts", [(clips.RED, 0.2)])
    path = tmp_path / name
    path.write_text(FORGERIES[kind].format(target="canary.ts"))
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 5


@pytest.mark.parametrize("name", ["clip.mp4", "clip.m3u8", "clip.ts"])
@pytest.mark.parametrize("kind", list(FORGERIES))
def test_playlists_never_open_the_file_they_name(tmp_path: Path, kind: str, name: str) -> None:
    canary = tmp_path / "canary.ts"
    os.mkfifo(canary)
    opened = threading.Event()

    def wait_for_a_reader() -> None:
        with canary.open("wb"):  # opens only once somebody opens it for reading
            opened.set()

    thread = threading.Thread(target=wait_for_a_reader)
    thread.start()
    try:
        for target in ("canary.ts", str(canary), f"file:{canary}"):
            path = tmp_path / name
            path.write_text(FORGERIES[kind].format(target=target))
            with pytest.raises(REFUSALS[kind]):
                sample(path)
            assert not opened.is_set()
    finally:
        os.close(os.open(canary, os.O_RDONLY | os.O_NONBLOCK))
        thread.join()


@pytest.mark.parametrize("kind", list(FORGERIES))
def test_playlists_never_reach_the_network(
    tmp_path: Path, kind: str, listener: socket.socket
) -> None:
    path = tmp_path / "clip.mp4"
    for scheme in ("http", "tcp"):
        target = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/canary.ts"
        path.write_text(FORGERIES[kind].format(target=target))
        with pytest.raises(REFUSALS[kind]):
            sample(path)
    with pytest.raises(TimeoutError):
        listener.accept()
