"""Where shots begin, which frames came with pictures, and frames made as they are from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WITHOUT = "status NOT IN ('done', 'partial')"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("samplings") as batch_op:
        batch_op.add_column(sa.Column("cuts_us", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(
            sa.Column("frames_pictured", sa.Integer(), nullable=False, server_default="0")
        )
    op.execute("UPDATE samplings SET frames_pictured = frames")
    with op.batch_alter_table("samplings") as batch_op:
        batch_op.alter_column("cuts_us", server_default=None, existing_type=sa.JSON())
        batch_op.alter_column("frames_pictured", server_default=None, existing_type=sa.Integer())
    # What has no result yet is sampled by this release: its result must not say otherwise.
    op.execute(f"UPDATE submissions SET sampling_key = sampling_key || '.v2' WHERE {_WITHOUT}")  # noqa: S608 - constants


def downgrade() -> None:
    """Take back; results of frames made as in this release stay readable."""
    op.execute(
        f"UPDATE submissions SET sampling_key = REPLACE(sampling_key, '.v2', '') WHERE {_WITHOUT}"  # noqa: S608 - constants
    )
    with op.batch_alter_table("samplings") as batch_op:
        batch_op.drop_column("frames_pictured")
        batch_op.drop_column("cuts_us")
