"""Stores that die with their process: at the n-th thing done to any of them, as kill -9 would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.client import Pipeline
from sqlalchemy.orm import Session

from ingest.blobs import BlobRef, BlobStore
from ingest.database import Database
from ingest.settings import StoreSettings
from ingest.stores import Stores


class Killed(BaseException):
    """The process is gone; nothing of it may go on."""


@dataclass
class Life:
    """Counts what is done; dies instead of doing the one of number `dies_at`."""

    dies_at: int
    done: int = 0

    def step(self) -> None:
        """Do one more thing, or die; whoever is dead does nothing any more."""
        self.done += 1
        if self.done >= self.dies_at:
            raise Killed


class _Redis(Redis):
    life: Life

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.life.step()
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        self.life.step()
        return super().pipeline(transaction, shard_hint)


class _Database(Database):
    life: Life

    @contextmanager
    def begin(self) -> Iterator[Session]:
        self.life.step()
        with super().begin() as session:
            yield session
            # Before its commit, which is then never made.
            self.life.step()


class _Blobs(BlobStore):
    life: Life

    def put(self, key: str, content: bytes) -> BlobRef:
        self.life.step()
        return super().put(key, content)

    def delete(self, key: str) -> None:
        self.life.step()
        super().delete(key)

    def delete_tree(self, prefix: str) -> None:
        self.life.step()
        super().delete_tree(prefix)


@contextmanager
def mortal(settings: StoreSettings, life: Life) -> Iterator[Stores]:
    """The same stores again, for a process that dies."""
    redis = _Redis.from_url(settings.redis_url.get_secret_value())
    database = _Database(settings.database_url.get_secret_value())
    blobs = _Blobs(settings.blob_url)
    assert isinstance(redis, _Redis)
    for store in (redis, database, blobs):
        store.life = life
    try:
        yield Stores(redis, database, blobs)
    finally:
        redis.connection_pool.disconnect()
        database.close()
        blobs.close()
