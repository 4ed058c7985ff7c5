"""What a provider's batch was asked with is kept, and what nobody sees to is found.

Goes before the deploy: the release before writes none of it. No row is rewritten.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | Sequence[str] | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPEN = "ix_provider_batches_open"
_WAITING = "ix_provider_answers_waiting"


def upgrade() -> None:
    op.add_column("provider_batches", sa.Column("sorts", sa.Text(), nullable=True), if_not_exists=True)
    op.add_column("provider_answers", sa.Column("placeholders", sa.Text(), nullable=True), if_not_exists=True)
    with op.get_context().autocommit_block():
        # one that broke off before leaves an index that is not valid
        for index, table, where in (
            (_OPEN, "provider_batches", "ended_at IS NULL"),
            (_WAITING, "provider_answers", "provider_batch_id IS NULL"),
        ):
            op.drop_index(index, table_name=table, if_exists=True, postgresql_concurrently=True)
            op.create_index(index, table, ["batch_id"], postgresql_where=sa.text(where), postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(_WAITING, table_name="provider_answers")
    op.drop_index(_OPEN, table_name="provider_batches")
    op.drop_column("provider_answers", "placeholders")
    op.drop_column("provider_batches", "sorts")
