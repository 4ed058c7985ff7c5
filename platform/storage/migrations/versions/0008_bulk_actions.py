"""Bulk actions: jobs retried or cancelled by what they match.

Goes before the deploy: the release before uses none of it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | Sequence[str] | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "bulk_actions",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("caller_id", sa.Text(collation="C"), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("rate_per_second", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("matched", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("skipped", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cursor", sa.Text(collation="C"), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("action IN ('cancel', 'retry')", name=op.f("ck_bulk_actions_action")),
        sa.CheckConstraint("state IN ('aborted', 'done', 'pending', 'running')", name=op.f("ck_bulk_actions_state")),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('aborted', 'done'))",
            name=op.f("ck_bulk_actions_finished_at_when_finished"),
        ),
        sa.CheckConstraint("rate_per_second BETWEEN 1 AND 1000", name=op.f("ck_bulk_actions_rate_per_second")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_bulk_actions_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_actions")),
    )
    op.create_index("ix_bulk_actions_tenant_id_id", "bulk_actions", ["tenant_id", sa.literal_column("id DESC")])
    op.create_index(
        "ix_bulk_actions_next_at",
        "bulk_actions",
        ["next_at"],
        postgresql_where=sa.text("state IN ('pending', 'running')"),
    )


def downgrade() -> None:
    op.drop_index("ix_bulk_actions_next_at", table_name="bulk_actions")
    op.drop_index("ix_bulk_actions_tenant_id_id", table_name="bulk_actions")
    op.drop_table("bulk_actions")
