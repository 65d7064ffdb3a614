"""Alembic's entry: runs the migrations on the engine that `migrate` hands over."""

from alembic import context

import ingest.tables  # noqa: F401 - both declare their tables on the base
import worker.tables  # noqa: F401
from ingest.database import Base

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite can't alter a table in place; Alembic then copies it.
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
