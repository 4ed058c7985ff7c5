"""Domain events are published to Redis, and old runs of schedules are found by their time.

Goes before the deploy: the release before knows neither, and what it writes meanwhile is published once somebody does.
What happened before is not: to who follows from now on it would look like news.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | Sequence[str] | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_UNPUBLISHED = "ix_domain_events_unpublished"
_RECORDED_AT = "ix_schedule_runs_recorded_at"


def upgrade() -> None:
    op.add_column(
        "domain_events",
        sa.Column("is_published", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        if_not_exists=True,
    )
    op.alter_column("domain_events", "is_published", server_default=sa.text("false"))
    with op.get_context().autocommit_block():
        # one that broke off before leaves an index that is not valid
        op.drop_index(_UNPUBLISHED, table_name="domain_events", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _UNPUBLISHED,
            "domain_events",
            ["id"],
            postgresql_where=sa.text("NOT is_published"),
            postgresql_concurrently=True,
        )
        op.drop_index(_RECORDED_AT, table_name="schedule_runs", if_exists=True, postgresql_concurrently=True)
        op.create_index(_RECORDED_AT, "schedule_runs", ["recorded_at"], postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(_RECORDED_AT, table_name="schedule_runs")
    op.drop_index(_UNPUBLISHED, table_name="domain_events")
    op.drop_column("domain_events", "is_published")
