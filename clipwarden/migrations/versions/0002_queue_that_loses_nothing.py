"""Media apart from submissions; priorities, request tokens, and files that stay on their host."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "media",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("blob_key", sa.String(length=512), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sha256"),
    )
    op.execute(
        "INSERT INTO media (tenant, sha256, size_bytes, blob_key, created_at) "
        "SELECT tenant, media_sha256, MAX(size_bytes), NULL, MIN(created_at) "
        "FROM submissions GROUP BY tenant, media_sha256"
    )
    with op.batch_alter_table("submissions") as batch_op:
        batch_op.add_column(sa.Column("request_token", sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column("run_id", sa.String(length=32), nullable=True))
        batch_op.add_column(
            sa.Column("priority", sa.String(length=16), nullable=False, server_default="normal")
        )
        batch_op.add_column(sa.Column("host", sa.String(length=255), nullable=True))
        batch_op.alter_column(
            "media_url", new_column_name="location", existing_type=sa.Text(), nullable=True
        )
        batch_op.create_unique_constraint("submissions_by_token", ["tenant", "request_token"])
        batch_op.create_index("submissions_by_media", ["tenant", "media_sha256"], unique=False)
    with op.batch_alter_table("installation") as batch_op:
        batch_op.add_column(sa.Column("number", sa.Integer(), nullable=False, server_default="1"))
        batch_op.create_unique_constraint("installation_is_one", ["number"])
    _facts_of_results()
    # Until now everything was analysed by a command that waited for it.
    op.execute("UPDATE submissions SET run_id = id WHERE status = 'queued'")
    with op.batch_alter_table("submissions") as batch_op:
        batch_op.alter_column("priority", server_default=None, existing_type=sa.String(length=16))


def _facts_of_results() -> None:
    """Results tell how they were made by themselves: embeddings may be deleted before them."""
    facts: list[tuple[str, sa.types.TypeEngine[Any]]] = [
        ("device", sa.Text()),
        ("frames_embedded", sa.Integer()),
        ("embed_s", sa.Double()),
    ]
    with op.batch_alter_table("results") as batch_op:
        for name, kind in facts:
            batch_op.add_column(sa.Column(name, kind, nullable=True))
    of_same_work = (
        "FROM embeddings WHERE embeddings.tenant = results.tenant "
        "AND embeddings.media_sha256 = results.media_sha256 "
        "AND embeddings.sampling_key = results.sampling_key "
        "AND embeddings.model_key = results.model_key"
    )
    op.execute(
        f"UPDATE results SET device = COALESCE((SELECT MIN(device) {of_same_work}), 'cpu'), "  # noqa: S608 - constants
        f"frames_embedded = (SELECT COALESCE(SUM(frames), 0) {of_same_work}), "
        f"embed_s = (SELECT COALESCE(SUM(embed_s), 0) {of_same_work})"
    )
    with op.batch_alter_table("results") as batch_op:
        for name, kind in facts:
            batch_op.alter_column(name, existing_type=kind, nullable=False)


def downgrade() -> None:
    """Take back; where a file was copied into the store its place is forgotten."""
    op.execute("UPDATE submissions SET location = '' WHERE location IS NULL")
    with op.batch_alter_table("submissions") as batch_op:
        batch_op.drop_index("submissions_by_media")
        batch_op.drop_constraint("submissions_by_token", type_="unique")
        batch_op.alter_column(
            "location", new_column_name="media_url", existing_type=sa.Text(), nullable=False
        )
        batch_op.drop_column("host")
        batch_op.drop_column("priority")
        batch_op.drop_column("run_id")
        batch_op.drop_column("request_token")
    with op.batch_alter_table("installation") as batch_op:
        batch_op.drop_constraint("installation_is_one", type_="unique")
        batch_op.drop_column("number")
    with op.batch_alter_table("results") as batch_op:
        for name in ("embed_s", "frames_embedded", "device"):
            batch_op.drop_column(name)
    op.drop_table("media")
