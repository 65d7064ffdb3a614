"""What a run had fetched is nobody's once the run is broken off."""

from __future__ import annotations

import signal
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from clipwarden.data_folder import DataFolder
from ingest.database import Database
from ingest.errors import DatabaseError
from ingest.tables import Submission
from tests.clips import RED, write_scenes
from tests.clipwarden.command import Product, wait_for
from tests.sources.web import content, serving


def statuses(product: Product) -> list[str]:
    database = Database(DataFolder(product.data).database_url)
    try:
        with database.read() as session:
            return list(session.scalars(select(Submission.status)))
    except (DatabaseError, SQLAlchemyError):
        # It is not there yet, or has no tables.
        return []
    finally:
        database.close()


def test_what_was_fetched_is_cancelled_where_the_run_breaks_off(
    product: Product, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "long.mp4", [(RED, 120.0)])
    with serving() as site:
        site.pages["/v.mp4"] = content(clip.read_bytes())
        words = ("--model", "starter", "--sample", "fps:10", "--allow-private", site.url("/v.mp4"))
        process = product.start("analyze", *words)
        wait_for(lambda: statuses(product))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert statuses(product) == ["cancelled"]
