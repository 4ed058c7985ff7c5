"""Queues that can be paused, tenants with a weight, the outbox in the order of fair turns, and its concurrency keys.

Goes before the deploy: the relay of the release before uses none of it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_queues")),
    )
    op.add_column("tenants", sa.Column("weight", sa.Integer(), server_default="1", nullable=False))
    op.create_check_constraint(op.f("ck_tenants_weight"), "tenants", "weight BETWEEN 1 AND 100")
    op.add_column("outbox", sa.Column("concurrency_key", sa.Text()))
    op.create_index(
        "ix_outbox_concurrency_key",
        "outbox",
        ["tenant_id", "concurrency_key"],
        unique=False,
        postgresql_where=sa.text("concurrency_key IS NOT NULL AND stage = 'sent'"),
    )
    op.create_index(
        "ix_jobs_concurrency_key",
        "jobs",
        ["tenant_id", "concurrency_key"],
        unique=False,
        postgresql_where=sa.text("concurrency_key IS NOT NULL AND state = 'running'"),
    )
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["queue", "tenant_id", sa.literal_column("priority DESC"), "due_at"],
        unique=False,
        postgresql_where=sa.text("stage = 'due'"),
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["queue", sa.literal_column("priority DESC"), "due_at"],
        unique=False,
        postgresql_where=sa.text("stage = 'due'"),
    )
    op.drop_index("ix_jobs_concurrency_key", table_name="jobs")
    op.drop_index("ix_outbox_concurrency_key", table_name="outbox")
    op.drop_column("outbox", "concurrency_key")
    op.drop_constraint(op.f("ck_tenants_weight"), "tenants", type_="check")
    op.drop_column("tenants", "weight")
    op.drop_table("queues")
