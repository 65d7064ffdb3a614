"""Where an installation's stores are: by the environment, else in the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipwarden.data_folder import DataFolder
from clipwarden.errors import (
    DataFolderUnusable,
    ServiceNotRunning,
    SqliteWithRemoteQueue,
    StoresNotNamed,
)
from clipwarden.installation import (
    StoreEnvironment,
    host_name,
    installation_stores,
    is_remote,
    named_stores,
    resolve_stores,
    served_queue,
    serving,
)
from clipwarden.queue_server import running_server

POSTGRES = "postgresql+psycopg://user:sesame@db.example/clipwarden"
REMOTE = "redis://:sesame@queue.example:6379/0"


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder.prepare(tmp_path / "data")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "redis://127.0.0.1",
        "redis://127.8.8.8:1/2",
        "redis://:password@[::1]:6379",
        "rediss://LOCALHOST",
        "redis://",
        "unix:///run/queue.sock",
        "redis://[broken",
    ],
)
def test_a_queue_server_on_this_machine_is_not_remote(url: str) -> None:
    assert not is_remote(url)


@pytest.mark.parametrize(
    "url",
    ["redis://queue:6379/0", "rediss://user:pass@10.0.0.5", "redis://[fd00::1]:6379", REMOTE],
)
def test_a_queue_server_on_another_host_is_remote(url: str) -> None:
    assert is_remote(url)


def test_what_is_not_named_lies_in_the_data_folder(folder: DataFolder) -> None:
    stores = resolve_stores(folder, StoreEnvironment(), "unix:///run/queue.sock")
    assert stores.database_url.get_secret_value() == folder.database_url
    assert stores.blob_url == folder.blob_url


def test_what_is_named_goes_first(folder: DataFolder) -> None:
    environment = StoreEnvironment(REMOTE, POSTGRES, "s3://bucket/prefix")
    stores = resolve_stores(folder, environment, REMOTE)
    assert stores.database_url.get_secret_value() == POSTGRES
    assert stores.blob_url == "s3://bucket/prefix"
    assert named_stores(environment) == stores


def test_sqlite_beside_a_remote_queue_is_refused_without_telling_the_password(
    folder: DataFolder,
) -> None:
    with pytest.raises(SqliteWithRemoteQueue, match=r"queue\.example") as caught:
        resolve_stores(folder, StoreEnvironment(REMOTE), REMOTE)
    assert "CLIPWARDEN_DATABASE_URL" in caught.value.cure
    assert "sesame" not in str(caught.value)
    with pytest.raises(SqliteWithRemoteQueue):
        named_stores(StoreEnvironment(REMOTE, "sqlite:////srv/clipwarden.db", "/srv/blobs"))


def test_all_that_is_not_named_is_listed() -> None:
    with pytest.raises(StoresNotNamed) as caught:
        named_stores(StoreEnvironment(blob_url="/srv/blobs"))
    assert caught.value.message == "REDIS_URL and CLIPWARDEN_DATABASE_URL are not set."


def test_a_folder_that_nobody_serves_says_how_to_serve_it(folder: DataFolder) -> None:
    with pytest.raises(ServiceNotRunning) as caught:
        installation_stores(folder, StoreEnvironment())
    assert f"clipwarden serve --data {folder.root}" in caught.value.cure


def test_a_queue_server_without_a_service_is_not_enough(folder: DataFolder) -> None:
    with (
        folder.lock(),
        running_server(folder),
        pytest.raises(ServiceNotRunning, match="nobody serves"),
    ):
        installation_stores(folder, StoreEnvironment())


def test_a_served_folder_is_found_until_its_service_ends(folder: DataFolder) -> None:
    environment = StoreEnvironment()
    with folder.lock(), running_server(folder) as url, serving(folder, environment):
        assert served_queue(folder) == "embedded"
        assert installation_stores(folder, environment).redis_url.get_secret_value() == url
    assert served_queue(folder) is None
    with pytest.raises(ServiceNotRunning):
        installation_stores(folder, environment)


def test_a_service_with_a_queue_server_of_its_own_asks_for_its_url(folder: DataFolder) -> None:
    environment = StoreEnvironment("redis://localhost:6399/0")
    with serving(folder, environment):
        with pytest.raises(ServiceNotRunning, match="REDIS_URL is not set here"):
            installation_stores(folder, StoreEnvironment())
        stores = installation_stores(folder, environment)
        assert stores.redis_url.get_secret_value() == "redis://localhost:6399/0"


def test_a_note_behind_a_link_is_not_written(folder: DataFolder, tmp_path: Path) -> None:
    (folder.queue_folder / "served").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataFolderUnusable), serving(folder, StoreEnvironment()):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "reduced"),
    [("Worker_7.Example.COM", "worker-7-example-com"), ("-ä-", "host"), ("gpu-01", "gpu-01")],
)
def test_host_names_are_reduced_to_what_queue_names_are_made_of(name: str, reduced: str) -> None:
    assert host_name(name) == reduced
