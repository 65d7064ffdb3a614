"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "chunks",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("media_sha256", sa.String(length=64), nullable=False),
        sa.Column("sampling_key", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("evidence_key", sa.String(length=512), nullable=False),
        sa.Column("evidence_sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "media_sha256", "sampling_key", "number"),
    )
    op.create_table(
        "embeddings",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("media_sha256", sa.String(length=64), nullable=False),
        sa.Column("sampling_key", sa.String(length=128), nullable=False),
        sa.Column("model_key", sa.String(length=16), nullable=False),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("blob_key", sa.String(length=512), nullable=False),
        sa.Column("blob_sha256", sa.String(length=64), nullable=False),
        sa.Column("pixels_sha256", sa.String(length=64), nullable=False),
        sa.Column("batches", sa.Integer(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("embed_s", sa.Double(), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("embedded_by", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "media_sha256", "sampling_key", "model_key", "chunk"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "results",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("media_sha256", sa.String(length=64), nullable=False),
        sa.Column("sampling_key", sa.String(length=128), nullable=False),
        sa.Column("model_key", sa.String(length=16), nullable=False),
        sa.Column("prompt_set_sha256", sa.String(length=64), nullable=False),
        sa.Column("prompt_set", sa.String(length=64), nullable=False),
        sa.Column("prompt_set_version", sa.String(length=64), nullable=False),
        sa.Column("calibration_sha256", sa.String(length=64), nullable=False),
        sa.Column("scores_key", sa.String(length=512), nullable=False),
        sa.Column("scores_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "tenant",
            "media_sha256",
            "sampling_key",
            "model_key",
            "prompt_set_sha256",
            "calibration_sha256",
        ),
    )
    op.create_table(
        "samplings",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("media_sha256", sa.String(length=64), nullable=False),
        sa.Column("sampling_key", sa.String(length=128), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("codec", sa.String(length=64), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("decode_s", sa.Double(), nullable=False),
        sa.Column("sampled_by", sa.String(length=255), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "media_sha256", "sampling_key"),
    )
    op.create_table(
        "submissions",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("media_url", sa.Text(), nullable=False),
        sa.Column("media_sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("model_key", sa.String(length=16), nullable=False),
        sa.Column("model_card", sa.Text(), nullable=False),
        sa.Column("sampling", sa.String(length=64), nullable=False),
        sa.Column("geometry", sa.String(length=64), nullable=False),
        sa.Column("sampling_key", sa.String(length=128), nullable=False),
        sa.Column("prompt_sets", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_cure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.create_index("submissions_by_status", ["tenant", "status"], unique=False)

    op.create_table(
        "segments",
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("peak_us", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("mean_confidence", sa.Double(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("nsfw", sa.Boolean(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["result_id"], ["results.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("result_id", "number"),
    )
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_segments_label"), ["label"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_segments_label"))

    op.drop_table("segments")
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index("submissions_by_status")

    op.drop_table("submissions")
    op.drop_table("samplings")
    op.drop_table("results")
    op.drop_table("installation")
    op.drop_table("embeddings")
    op.drop_table("chunks")
