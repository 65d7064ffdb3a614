"""Cheap checks before a decoder is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.errors import MediaEmpty, MediaIsFolder, MediaNotFound, MediaUnreadable
from ingest.media.check import check_input, displayed_name


def test_a_file_with_bytes_passes(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"x")
    check_input(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match=r"nowhere\.mp4: no such file") as caught:
        check_input(tmp_path / "nowhere.mp4")
    assert caught.value.code == "media.not_found"
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(MediaNotFound, match="not a directory"):
        check_input(tmp_path / "file" / "clip.mp4")


def test_a_folder_is_refused_with_the_way_to_name_its_files(tmp_path: Path) -> None:
    with pytest.raises(MediaIsFolder) as caught:
        check_input(tmp_path)
    assert f"{tmp_path}/*.mp4" in caught.value.cure


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaEmpty, match=r"empty\.mp4"):
        check_input(tmp_path / "empty.mp4")


def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaUnreadable, match="pipe"):
        check_input(tmp_path / "pipe.mp4")
    with pytest.raises(MediaUnreadable, match="device"):
        check_input(Path(os.devnull))


def test_a_file_without_read_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything, so become nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(MediaNotFound, match=r"locked\.mp4: .*permission denied"):
            check_input(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["a\0b.mp4", "x" * 5000, "x/" * 3000])
def test_impossible_names_are_not_found_in_one_short_line(name: str) -> None:
    with pytest.raises(MediaNotFound) as caught:
        check_input(Path(name))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain ünïcode 名.mp4", "plain ünïcode 名.mp4"),
        ("a\nb\x1b[31m\r.mp4", "a\\nb\\x1b[31m\\r.mp4"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udc80.mp4", "\\udc80.mp4"),
    ],
)
def test_unprintable_characters_of_a_name_are_escaped(name: str, shown: str) -> None:
    assert displayed_name(name) == shown
