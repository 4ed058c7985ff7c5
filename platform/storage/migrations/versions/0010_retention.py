"""By when jobs and batches ended, so that old ones are found; and the ids of those that were pruned.

Goes before the deploy: the release before knows nothing of it. The indexes are built while everything goes on, which
takes some minutes on a table of many millions. Nothing is pruned before a relay of the new release runs, and then all
that is older than HEADRACE_RETENTION_DAYS: set it before.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BY_END = (("jobs", "ix_jobs_finished_at"), ("batches", "ix_batches_finished_at"))
_GROWING = ("jobs", "events", "attempts")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for table, index in _BY_END:
            # one that broke off before leaves an index that is not valid
            op.drop_index(index, table_name=table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                index,
                table,
                ["finished_at"],
                unique=False,
                postgresql_where=sa.text("finished_at IS NOT NULL"),
                postgresql_concurrently=True,
            )
    op.create_table(
        "pruned",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("pruned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pruned")),
    )
    op.create_index("ix_pruned_pruned_at", "pruned", ["pruned_at"], unique=False)
    for table in _GROWING:
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02)")


def downgrade() -> None:
    for table in _GROWING:
        op.execute(f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor)")
    op.drop_index("ix_pruned_pruned_at", table_name="pruned")
    op.drop_table("pruned")
    for table, index in reversed(_BY_END):
        op.drop_index(index, table_name=table, postgresql_where=sa.text("finished_at IS NOT NULL"))
