"""The data folder: private inside, and never at the expense of a folder that was there before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from clipwarden.data_folder import DataFolder
from clipwarden.errors import DataFolderInUse, DataFolderUnusable
from clipwarden.migrations import migrate
from ingest.database import Database

OURS = ("blobs", "queue", "logs", "reports")
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [0o755, 0o770, 0o1777])
def test_a_folder_that_was_there_keeps_its_mode_and_only_what_is_inside_is_private(
    tmp_path: Path, before: int
) -> None:
    tmp_path.chmod(before)
    (tmp_path / "blobs").mkdir(mode=0o755)
    (tmp_path / "holiday").mkdir(mode=0o755)
    folder = DataFolder.prepare(tmp_path)
    assert folder.root == tmp_path
    assert mode(tmp_path) == before
    assert mode(tmp_path / "holiday") == 0o755
    assert {name: mode(tmp_path / name) for name in OURS} == dict.fromkeys(OURS, 0o700)


def test_a_folder_that_we_make_is_private(tmp_path: Path) -> None:
    DataFolder.prepare(tmp_path / "new" / "data")
    assert mode(tmp_path / "new" / "data") == 0o700


def test_a_folder_of_somebody_else_is_used_where_it_can_be(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    # Only root can give folders away; for others this is one more shared folder of their own.
    owner = NOBODY if os.getuid() == 0 else os.getuid()
    os.chown(shared, owner, -1)
    with DataFolder.prepare(shared).lock():
        assert (shared.stat().st_uid, mode(shared)) == (owner, 0o777)


def test_a_link_to_a_larger_disk_is_followed_and_the_disk_keeps_its_mode(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o755)
    root = tmp_path / "data"
    root.mkdir()
    (root / "blobs").symlink_to(disk)
    DataFolder.prepare(root)
    assert mode(disk) == 0o755


def test_the_database_and_the_files_beside_it_are_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder = DataFolder.prepare(tmp_path)
    database = Database(folder.database_url)
    migrate(database)
    with database.read():
        files = sorted(tmp_path.glob("clipwarden.db*"))
        assert [path.name for path in files] == [
            "clipwarden.db",
            "clipwarden.db-shm",
            "clipwarden.db-wal",
        ]
        assert {mode(path) for path in files} == {0o600}
    database.close()
    content = folder.database.read_bytes()
    assert DataFolder.prepare(tmp_path).database.read_bytes() == content != b""


def test_the_lock_is_private(tmp_path: Path) -> None:
    folder = DataFolder.prepare(tmp_path)
    with folder.lock():
        assert mode(tmp_path / "lock") == 0o600
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "logs").touch()
    for root, culprit in (
        (file, file),
        (file / "data", file / "data"),
        (tmp_path / "data", tmp_path / "data" / "logs"),
    ):
        with pytest.raises(DataFolderUnusable) as caught:
            DataFolder.prepare(root)
        assert caught.value.message.startswith(f"{culprit} can't be used: ")


def test_a_place_where_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    for root in (Path("/proc"), Path("/proc/clipwarden"), Path("~nobody-of-that-name/data")):
        with pytest.raises(DataFolderUnusable):
            DataFolder.prepare(root)


def test_links_that_run_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataFolderUnusable):
        DataFolder.prepare(tmp_path / "a")


def test_where_the_current_folder_is_gone_only_a_full_path_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(DataFolderUnusable):
        DataFolder.prepare(Path("data"))
    DataFolder.prepare(tmp_path / "data")


def test_a_lock_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    folder = DataFolder.prepare(tmp_path)
    (tmp_path / "lock").mkdir()
    with pytest.raises(DataFolderUnusable, match=r"/lock can't be used"), folder.lock():
        pass


def test_a_lock_that_is_a_link_is_refused_and_what_it_names_stays(tmp_path: Path) -> None:
    folder = DataFolder.prepare(tmp_path / "data")
    (tmp_path / "letter.txt").write_text("dear reader")
    (folder.root / "lock").symlink_to(tmp_path / "letter.txt")
    with pytest.raises(DataFolderUnusable), folder.lock():
        pass
    assert (tmp_path / "letter.txt").read_text() == "dear reader"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"\x1b[2J"])
def test_a_lock_with_nonsense_in_it_is_still_a_lock(tmp_path: Path, content: bytes) -> None:
    folder = DataFolder.prepare(tmp_path)
    with folder.lock():
        (tmp_path / "lock").write_bytes(content)
        with pytest.raises(DataFolderInUse, match=r"in use by process unknown\."), folder.lock():
            pass
