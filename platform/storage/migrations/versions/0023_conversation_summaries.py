"""Summaries of what has fallen out of a conversation's window.

Goes before the deploy: the release before knows nothing of the table. What it edits meanwhile in a conversation that
has a summary leaves that as it was.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from storage.migrations.walls import wall_below

revision: str = "0023"
down_revision: str | Sequence[str] | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "conversation_summaries",
        sa.Column("conversation_id", sa.Text(collation="C"), nullable=False),
        sa.Column("covers", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            ondelete="CASCADE",
            name=op.f("fk_conversation_summaries_conversation_id"),
        ),
        sa.PrimaryKeyConstraint("conversation_id", "covers", name=op.f("pk_conversation_summaries")),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        wall_below("conversation_summaries", key="conversation_id", parent="conversations")


def downgrade() -> None:
    op.drop_table("conversation_summaries")
