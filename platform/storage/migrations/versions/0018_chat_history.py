"""Messages of a conversation may be superseded, be partial, and say which job replies to them.

Goes before the deploy: the release before knows none of the columns, and neither edits nor answers twice.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | Sequence[str] | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "uq_messages_reply_to_current"
_CURRENT = sa.text("superseded_at IS NULL")


def upgrade() -> None:
    op.add_column("messages", sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True), if_not_exists=True)
    op.add_column(
        "messages",
        sa.Column("partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        if_not_exists=True,
    )
    op.add_column("messages", sa.Column("edit_of", sa.Text(collation="C"), nullable=True), if_not_exists=True)
    op.add_column("messages", sa.Column("reply_job_id", sa.Text(collation="C"), nullable=True), if_not_exists=True)
    with op.get_context().autocommit_block():
        # one that broke off before leaves an index that is not valid
        op.drop_index(_INDEX, table_name="messages", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _INDEX, "messages", ["reply_to"], unique=True, postgresql_where=_CURRENT, postgresql_concurrently=True
        )
    op.drop_constraint("uq_messages_reply_to", "messages", type_="unique", if_exists=True)


def downgrade() -> None:
    op.execute("DELETE FROM messages WHERE superseded_at IS NOT NULL")
    op.create_unique_constraint("uq_messages_reply_to", "messages", ["reply_to"])
    op.drop_index(_INDEX, table_name="messages")
    for column in ("reply_job_id", "edit_of", "partial", "superseded_at"):
        op.drop_column("messages", column)
