"""A folder's videos, whatever else somebody has put into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.errors import MediaNotFound
from ingest.sources.folders import list_folder
from tests.sources.denied import Denied


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_videos_and_pictures_are_found_at_every_depth_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.MP4", "a/z.mkv", "a/b/c.JPeG", "c.gif", "d.txt", "a/e.srt", "f.mp4.part")
    listing = list_folder(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in listing.files]
    assert names == ["a/b/c.JPeG", "a/z.mkv", "b.MP4", "c.gif"]
    assert (listing.passed_over, listing.unreadable) == (3, ())


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "._a.mp4", ".snapshot/a.mp4", ".a.mp4.x7Gh2")
    listing = list_folder(tmp_path)
    assert list(listing.files) == [tmp_path / "a.mp4"]
    assert listing.passed_over == 2


def test_links_are_not_followed_but_the_folder_itself_may_be_one(tmp_path: Path) -> None:
    make(tmp_path, "outside/secret.mp4", "in/a.mp4")
    folder = tmp_path / "in"
    (folder / "file.mp4").symlink_to(tmp_path / "outside" / "secret.mp4")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.mp4").symlink_to("nowhere")
    listing = list_folder(folder)
    assert list(listing.files) == [folder / "a.mp4"]
    assert listing.passed_over == 4
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert list(list_folder(link).files) == [link / "a.mp4"]


def test_pipes_and_folders_with_the_suffix_of_a_video_are_no_videos(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    make(tmp_path, "folder.mp4/a.mp4")
    assert list(list_folder(tmp_path).files) == [tmp_path / "folder.mp4" / "a.mp4"]


def test_hostile_names_are_names(tmp_path: Path) -> None:
    names = [b"a\nb.mp4", b"-rf.mp4", b"\xff\xfe.mp4", b"<b>.mp4", b"$(x).mp4", b"a b'\".mp4"]
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    found = [os.fsencode(path.name) for path in list_folder(tmp_path).files]
    assert sorted(found) == sorted(names)


def test_a_tree_deeper_than_the_interpreter_recurses_is_listed(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(1200):
        folder = folder / "d"
        folder.mkdir()
    make(folder, "a.mp4")
    try:
        assert list(list_folder(tmp_path).files) == [folder / "a.mp4"]
    finally:
        # shutil.rmtree, which clears pytest's folders, recurses.
        (folder / "a.mp4").unlink()
        while folder != tmp_path:
            folder.rmdir()
            folder = folder.parent


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    for path in (tmp_path / "missing", tmp_path / "a.mp4"):
        with pytest.raises(MediaNotFound, match=path.name):
            list_folder(path)


class Vanishing:
    """Lists folders as `os.scandir` does, while somebody deletes a file."""

    def __init__(self, doomed: Path) -> None:
        self._doomed = doomed
        self._scandir = os.scandir

    @contextmanager
    def __call__(self, folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        """List a folder as it was before the file was deleted."""
        with self._scandir(os.fspath(folder)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        self._doomed.unlink()
        yield iter(found)


def test_a_file_that_vanishes_meanwhile_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    monkeypatch.setattr(os, "scandir", Vanishing(tmp_path / "b.mp4"))
    assert [path.name for path in list_folder(tmp_path).files] == ["a.mp4", "c.mp4"]


def test_folders_that_may_not_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.mp4", "closed/b.mp4")
    monkeypatch.setattr(os, "scandir", Denied(tmp_path / "closed"))
    listing = list_folder(tmp_path)
    assert list(listing.files) == [tmp_path / "a.mp4"]
    assert listing.unreadable == (tmp_path / "closed",)
