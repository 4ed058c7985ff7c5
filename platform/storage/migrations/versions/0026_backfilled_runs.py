"""A run of a schedule says whether it was backfilled.

Goes before the deploy: the release before backfills nothing, and what it writes is not backfilled. No row is rewritten.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | Sequence[str] | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JOB_ID = "ix_schedule_runs_job_id"


def upgrade() -> None:
    op.add_column(
        "schedule_runs",
        sa.Column("backfilled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        # one that broke off before leaves an index that is not valid
        op.drop_index(_JOB_ID, table_name="schedule_runs", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _JOB_ID,
            "schedule_runs",
            ["job_id"],
            postgresql_where=sa.text("backfilled"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index(_JOB_ID, table_name="schedule_runs")
    op.drop_column("schedule_runs", "backfilled")
