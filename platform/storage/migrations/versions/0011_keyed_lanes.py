"""Due jobs with a concurrency key stand apart from the others of their lane: held back, they hide nobody.

Goes before the deploy: the release before uses the index as it did the old one. It is built while everything goes on.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LANE: Sequence[str] = ("queue", "tenant_id", "kind")
_ORDER: tuple[sa.ColumnClause[object], str] = (sa.literal_column("priority DESC"), "due_at")


def upgrade() -> None:
    _replace(
        "ix_outbox_due",
        "ix_outbox_lanes",
        [*_LANE, sa.text("num_nonnulls(concurrency_key)"), *_ORDER],
    )


def downgrade() -> None:
    _replace("ix_outbox_lanes", "ix_outbox_due", [*_LANE, *_ORDER])


def _replace(old: str, new: str, columns: Sequence[str | sa.TextClause | sa.ColumnClause[object]]) -> None:
    with op.get_context().autocommit_block():
        # one that broke off before leaves an index that is not valid
        op.drop_index(new, table_name="outbox", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            new,
            "outbox",
            columns,
            unique=False,
            postgresql_where=sa.text("stage = 'due'"),
            postgresql_concurrently=True,
        )
        op.drop_index(old, table_name="outbox", if_exists=True, postgresql_concurrently=True)
