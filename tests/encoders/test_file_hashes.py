"""Remembered hashes: read once, never wrong, and never in the way. And licences."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from worker.models.file_hashes import FileHashes
from worker.models.licence import read_licence

_LARGE = 17 * 1024 * 1024


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(_LARGE))
    return path


def _settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute pass, for what has just been written is not trusted to stay."""
    import time

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)


def _reads(record: Path, path: Path) -> tuple[str, int]:
    """The hash of a file, and how many bytes were read for it."""
    read = [0]

    def count(_path: Path, done: int, _size: int) -> None:
        read[0] = done

    return FileHashes(record, count).sha256(path), read[0]


def test_a_large_file_is_hashed_once_and_again_when_it_changes(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch)
    record = tmp_path / "cache" / "hashes.json"
    wanted = hashlib.sha256(large.read_bytes()).hexdigest()
    assert _reads(record, large) == (wanted, _LARGE)
    assert _reads(record, large) == (wanted, 0)
    times = large.stat()
    with large.open("r+b") as file:
        file.write(b"x")
    # A program can set back the time of last change, but not that of the inode.
    os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = hashlib.sha256(large.read_bytes()).hexdigest()
    assert _reads(record, large) == (changed, _LARGE)


def test_a_file_that_may_still_be_changing_is_not_remembered(large: Path, tmp_path: Path) -> None:
    record = tmp_path / "hashes.json"
    _reads(record, large)
    assert not record.exists()


def test_small_files_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _settle(monkeypatch)
    small = tmp_path / "config.json"
    small.write_bytes(b"{}")
    _reads(tmp_path / "hashes.json", small)
    assert not (tmp_path / "hashes.json").exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"[" * 100_000, b'{"x": 1, "y": [1, 2, 3, 4, 5, "z"]}']
)
def test_a_record_that_is_none_is_written_anew(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    _settle(monkeypatch)
    record = tmp_path / "hashes.json"
    record.write_bytes(content)
    assert _reads(record, large)[1] == _LARGE
    assert _reads(record, large)[1] == 0


def test_a_record_that_can_not_be_written_is_done_without(large: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file" / "hashes.json"
    (tmp_path / "file").write_bytes(b"")
    assert _reads(blocked, large)[1] == _LARGE


def test_reading_anew_corrects_what_is_remembered(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch)
    record = tmp_path / "hashes.json"
    found, _ = _reads(record, large)
    record.write_text(record.read_text(encoding="utf-8").replace(found, "0" * 64), encoding="utf-8")
    assert FileHashes(record).sha256(large) == "0" * 64
    assert FileHashes(record, read_anew=True).sha256(large) == found
    assert FileHashes(record).sha256(large) == found


def test_hashing_leaves_the_time_of_last_access(large: Path) -> None:
    os.utime(large, ns=(10**18, 2 * 10**18))
    FileHashes(None).sha256(large)
    assert large.stat().st_atime_ns == 10**18


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\nlicense:\n- mit\n- apache-2.0\n---\n", "mit, apache-2.0"),
        ("---\r\nlicense: 'cc-by-4.0'\r\n---\r\n", "cc-by-4.0"),
        ("---\ntags: [x]\n---\nlicense: mit\n", "unknown"),
        ("license: mit\n", "unknown"),
        ("---\nlicense: mit\n", "unknown"),
        ("---\nlicense: {a: b}\n---\n", "unknown"),
        ("---\nlicense: !!python/object/apply:os.system [id]\n---\n", "id"),
        ("---\n" + "[" * 50_000 + "\n---\n", "unknown"),
        ('---\nlicense: "\\e[31mred"\n---\n', "[31mred"),
        ("---\n: : :\n---\n", "unknown"),
        ("", "unknown"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_the_licence_is_what_the_front_matter_says(tmp_path: Path, text: str, licence: str) -> None:
    (tmp_path / "README.md").write_bytes(text.encode())
    assert read_licence(tmp_path) == licence


def test_without_a_readme_the_licence_is_unknown(tmp_path: Path) -> None:
    assert read_licence(tmp_path) == "unknown"
