"""Events are numbered across jobs, in which order a tenant's stream tells them.

Goes before the deploy: the release before writes the numbers without knowing, by the column's default. Rows that are
there already get none, so no row is rewritten; the index, which leaves those out, is built while everything goes on.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "ix_events_tenant_id_number"
_NUMBERED = sa.text("number IS NOT NULL")


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("event_numbers"), if_not_exists=True))
    op.add_column("events", sa.Column("number", sa.BigInteger(), nullable=True), if_not_exists=True)
    op.alter_column("events", "number", server_default=sa.text("nextval('event_numbers'::regclass)"))
    with op.get_context().autocommit_block():
        # one that broke off before leaves an index that is not valid
        op.drop_index(_INDEX, table_name="events", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _INDEX,
            "events",
            ["tenant_id", "number"],
            unique=False,
            postgresql_where=_NUMBERED,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="events")
    op.drop_column("events", "number")
    op.execute(sa.schema.DropSequence(sa.Sequence("event_numbers")))
