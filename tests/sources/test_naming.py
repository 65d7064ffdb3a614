"""What a text names is told without looking at what is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.errors import LiveSource, MediaNotFound, SourceUnsupported
from ingest.sources.naming import (
    LocalPath,
    ObjectUrl,
    StandardInput,
    WebUrl,
    parse_source,
    shown_text,
)


@pytest.mark.parametrize(
    "text", ["clip.mp4", "/a/b.mkv", "./-", "./s3://x", "a:b.mp4", "C:\\clip.mp4", "file:x", "://"]
)
def test_everything_without_a_scheme_is_a_path(text: str) -> None:
    assert parse_source(text) == LocalPath(Path(text))


def test_a_name_that_is_no_text_is_shown_escaped() -> None:
    source = parse_source(os.fsdecode(b"caf\xe9.mp4"))
    assert source.shown == "caf\\xe9.mp4"


def test_a_file_that_is_named_like_an_address_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(parse_source("http://clip.mp4"), WebUrl)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "clip.mp4").touch()
    assert parse_source("http://clip.mp4") == LocalPath(Path("http://clip.mp4"))


def test_a_dash_is_the_standard_input() -> None:
    assert parse_source("-") == StandardInput()


def test_an_address_of_the_web_is_taken_apart() -> None:
    source = parse_source("HTTPS://us%40er:pa%3Ass@Videos.Example:8443/a%20b/c d.mp4?x=1&y#t")
    assert isinstance(source, WebUrl)
    assert source.origin == ("https", "videos.example", 8443)
    assert source.authority == "videos.example:8443"
    assert source.target == "/a%20b/c%20d.mp4?x=1&y"
    assert source.credentials == "us@er:pa:ss"
    assert source.shown == "https://videos.example:8443/a%20b/c%20d.mp4?..."


@pytest.mark.parametrize(
    ("text", "authority", "shown"),
    [
        ("http://example.org", "example.org", "http://example.org/"),
        ("http://example.org:80/x", "example.org", "http://example.org:80/x"),
        ("https://[2001:DB8::1]:444/x", "[2001:db8::1]:444", "https://[2001:db8::1]:444/x"),
        ("http://bücher.example/x", "xn--bcher-kva.example", "http://xn--bcher-kva.example/x"),
    ],
)
def test_hosts_keep_their_form(text: str, authority: str, shown: str) -> None:
    source = parse_source(text)
    assert isinstance(source, WebUrl)
    assert (source.authority, source.shown) == (authority, shown)


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http:///clip.mp4",
        "http://[::1/x",
        "http://host:port/",
        "http://host:99999/",
        "http://host:0/",
        "http://a b/",
        "http://host/\r\nX-Evil: 1",
        "http://host/\x00",
        os.fsdecode(b"http://host/\xff"),
        "s3://bucket/\n",
    ],
)
def test_what_is_no_address_is_refused_in_printable_words(text: str) -> None:
    with pytest.raises(SourceUnsupported) as caught:
        parse_source(text)
    assert caught.value.message.isprintable()
    caught.value.message.encode()


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://cam/1",
        "RTSPS://cam",
        "rtmp://x/live",
        "rtp://x",
        "udp://@239.0.0.1:1234",
        "srt://x",
        "mms://x",
        "mmsh://x",
        "wss://x",
    ],
)
def test_schemes_of_live_streams_are_refused_as_such(text: str) -> None:
    with pytest.raises(LiveSource, match=r"live streams") as caught:
        parse_source(text)
    assert caught.value.code == "source.live"


def test_a_live_address_does_not_tell_its_password() -> None:
    with pytest.raises(LiveSource) as caught:
        parse_source("rtsp://admin:s3cret@camera/stream?key=t0ken")
    assert "s3cret" not in str(caught.value)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://example.org/live.m3u8", "https://x.org/manifest.mpd"])
def test_the_name_of_a_playlist_decides_nothing(text: str) -> None:
    assert isinstance(parse_source(text), WebUrl)


def test_an_object_keeps_its_address_and_shows_no_password() -> None:
    source = parse_source("S3://bucket/a/b.mp4?versionId=7")
    assert source == ObjectUrl("s3", "s3://bucket/a/b.mp4?versionId=7", "S3://bucket/a/b.mp4?...")
    assert parse_source("sftp://me:pw@host/x").shown == "sftp://...@host/x"
    assert parse_source("abfs://box@account.example/x").shown == "abfs://...@account.example/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:se/cret@h/x", "https://...@h/x"),
        ("https://u:80/cret@h/x", "https://...@h/x"),
        ("https://u:se?cret@h/x", "https://..."),
        ("https://u:se#cret@h/x", "https://..."),
        ("https://secret@h:443/x#cret", "https://h:443/x"),
        ("https://h/@user/x.mp4", "https://h/@user/x.mp4"),
        ("s3://k:se/cret@b/x", "s3://...@b/x"),
        ("s3://secret@b/x#cret", "s3://...@b/x#..."),
        ("s3://b/x?sig=se@cret", "s3://..."),
        ("rtsp://u:cret/w@cam/1", "rtsp://...@cam/1"),
        ("rtsp://u:se@cret@cam/1#cret", "rtsp://...@cam/1#..."),
    ],
)
def test_no_part_of_a_password_is_shown_however_it_is_written(text: str, shown: str) -> None:
    assert "cret" not in shown_text(text)
    try:
        told = parse_source(text).shown
        assert told == shown
    except (LiveSource, SourceUnsupported) as error:
        told = str(error)
        assert told.startswith(f"{shown}: ")
    assert "cret" not in told


def test_an_empty_text_is_not_the_current_folder() -> None:
    with pytest.raises(MediaNotFound, match="empty name"):
        parse_source("")
    assert shown_text("") == "''"


def test_a_chain_without_a_scheme_of_its_own_is_a_path() -> None:
    assert isinstance(parse_source("simplecache::s3://bucket/key"), LocalPath)


@pytest.mark.parametrize("text", ["s3://b/a.zip::zip://x", "s3://a::b"])
def test_chains_of_addresses_are_refused(text: str) -> None:
    with pytest.raises(SourceUnsupported, match="chain"):
        parse_source(text)
