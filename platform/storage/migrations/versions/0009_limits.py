"""Limits of queues, the starts their rates are counted by, and the outbox in the order of lanes.

Goes before the deploy. Limits may be set once every relay and worker is of this release: a relay of the release before
keeps none, and sorts what it takes, for which its index is gone; a worker of the release before counts no starts.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("queues", sa.Column("limits", sa.JSON(), nullable=True))
    op.add_column("queues", sa.Column("counts_starts", sa.Boolean(), server_default="false", nullable=False))
    op.create_table(
        "starts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_starts")),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
    )
    op.create_index("ix_starts_queue_at", "starts", ["queue", "at"], unique=False)
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["queue", "tenant_id", "kind", sa.literal_column("priority DESC"), "due_at"],
        unique=False,
        postgresql_where=sa.text("stage = 'due'"),
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["queue", "tenant_id", sa.literal_column("priority DESC"), "due_at"],
        unique=False,
        postgresql_where=sa.text("stage = 'due'"),
    )
    op.drop_index("ix_starts_queue_at", table_name="starts")
    op.drop_table("starts")
    op.drop_column("queues", "counts_starts")
    op.drop_column("queues", "limits")
