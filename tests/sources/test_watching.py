"""Files come out of a watched folder when they are complete: on a clock that the test turns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.errors import MediaNotFound
from ingest.sources.watching import FolderWatch
from tests.sources.denied import Denied

SETTLE_S = 10.0


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def watch(folder: Path, clock: Clock) -> FolderWatch:
    return FolderWatch(folder, SETTLE_S, clock)


def test_a_file_that_grows_waits_until_it_has_stopped(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    for _ in range(5):
        with clip.open("ab") as handle:
            handle.write(b"more")
        assert list(watch.look()) == []
        clock.now_s += SETTLE_S - 1
    assert list(watch.look()) == []
    clock.now_s += 1
    assert list(watch.look()) == [clip]
    clock.now_s += 100
    assert list(watch.look()) == []


def test_a_file_of_the_same_size_that_is_written_anew_waits_too(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(b"aaaa")
    os.utime(clip, ns=(1, 1))
    watch.look()
    clock.now_s += SETTLE_S
    os.utime(clip, ns=(2, 2))
    assert list(watch.look()) == []
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]


def test_a_file_that_changes_later_comes_again(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(b"one")
    watch.look()
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]
    other = folder / "other"
    other.write_bytes(b"two")
    other.rename(clip)
    assert list(watch.look()) == []
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]


def test_a_file_that_was_gone_and_is_back_comes_again(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip, away = folder / "clip.mp4", folder / "clip.away"
    clip.write_bytes(b"one")
    watch.look()
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]
    clip.rename(away)
    assert list(watch.look()) == []
    away.rename(clip)
    assert list(watch.look()) == []
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]


def test_an_empty_file_is_one_that_nothing_was_written_to_yet(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    clip.touch()
    for _ in range(3):
        assert list(watch.look()) == []
        clock.now_s += SETTLE_S
    clip.write_bytes(b"now")
    assert list(watch.look()) == []
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]


def test_a_file_to_be_tried_again_settles_first(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(b"one")
    watch.look()
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]
    watch.try_again(clip)
    watch.try_again(folder / "never-seen.mp4")
    assert list(watch.look()) == []
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]


def test_a_share_that_is_gone_for_a_while_forgets_nothing(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(b"one")
    watch.look()
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]
    away = folder.rename(folder.with_name("away"))
    with pytest.raises(MediaNotFound):
        watch.look()
    away.rename(folder)
    clock.now_s += SETTLE_S
    assert list(watch.look()) == []


def test_a_file_whose_rights_change_comes_again(
    watch: FolderWatch, clock: Clock, folder: Path
) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(b"one")
    clip.chmod(0)
    watch.look()
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]
    clip.chmod(0o600)
    assert list(watch.look()) == []
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [clip]


def test_what_is_below_a_folder_that_can_not_be_read_for_a_while_is_not_forgotten(
    watch: FolderWatch, clock: Clock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "clip.mp4").write_bytes(b"one")
    watch.look()
    clock.now_s += SETTLE_S
    assert list(watch.look()) == [below / "clip.mp4"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", Denied(below))
        assert list(watch.look()) == []
        assert list(watch.unreadable) == [below]
    clock.now_s += SETTLE_S
    assert list(watch.look()) == []
    assert list(watch.unreadable) == []
