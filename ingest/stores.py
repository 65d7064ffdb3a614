"""The three stores a process works with, opened together."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from ingest.blobs import BlobStore
from ingest.database import Database
from ingest.queue.connection import connect
from ingest.settings import StoreSettings


@dataclass(frozen=True)
class Stores:
    """Queue, database and blobs."""

    redis: Redis
    database: Database
    blobs: BlobStore

    @classmethod
    def open(cls, settings: StoreSettings, *, patient: bool = False) -> Stores:
        """Open all three; raises QueueUnavailable where the queue server doesn't answer.

        `patient` is for processes that stay: they ride out a restart of the queue server.
        """
        return cls(
            redis=connect(settings.redis_url.get_secret_value(), patient=patient),
            database=Database(settings.database_url.get_secret_value()),
            blobs=BlobStore(settings.blob_url),
        )

    def close(self) -> None:
        """Give back connections."""
        self.redis.close()
        self.database.close()
        self.blobs.close()
