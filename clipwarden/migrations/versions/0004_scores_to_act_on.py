"""Calibrations, scores of frame classifiers, and the frame rate that the container tells."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("submissions") as batch_op:
        for name in ("calibrations", "classifiers"):
            batch_op.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("submissions") as batch_op:
        for name in ("calibrations", "classifiers"):
            batch_op.alter_column(name, server_default=None, existing_type=sa.JSON())
    with op.batch_alter_table("samplings") as batch_op:
        batch_op.add_column(sa.Column("frame_rate", sa.String(32), nullable=True))
    op.create_table(
        "calibrations",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("model_key", sa.String(16), nullable=False),
        sa.Column("prompt_set", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "frame_scores",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("media_sha256", sa.String(64), primary_key=True),
        sa.Column("sampling_key", sa.String(128), primary_key=True),
        sa.Column("classifier_key", sa.String(16), primary_key=True),
        sa.Column("chunk", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("classifier", sa.String(32), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("blob_key", sa.String(512), nullable=False),
        sa.Column("blob_sha256", sa.String(64), nullable=False),
        sa.Column("pixels_sha256", sa.String(64), nullable=False),
        sa.Column("score_s", sa.Double(), nullable=False),
        sa.Column("scored_by", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    """Take back; results that a calibration had a part in go, for nothing tells them apart then."""
    op.drop_table("frame_scores")
    op.drop_table("calibrations")
    # By hand: SQLite, which copies tables meanwhile, deletes nothing along with what it refers to.
    op.execute(
        "DELETE FROM segments WHERE result_id IN "
        "(SELECT id FROM results WHERE calibration_sha256 <> '')"
    )
    op.execute("DELETE FROM results WHERE calibration_sha256 <> ''")
    with op.batch_alter_table("samplings") as batch_op:
        batch_op.drop_column("frame_rate")
    with op.batch_alter_table("submissions") as batch_op:
        batch_op.drop_column("classifiers")
        batch_op.drop_column("calibrations")
