"""Messages that were blocked are marked, and left out of what later replies see.

Goes before the deploy: the release before writes and reads nothing of it. Those that were blocked before are marked, as
far as their jobs are still there; what the release before blocks from then on stays unmarked.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | Sequence[str] | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("blocked", sa.Text(), nullable=True), if_not_exists=True)
    # by itself: until the transaction that adds a column ends, nobody reads the table
    with op.get_context().autocommit_block():
        op.execute("""
            UPDATE messages SET blocked = jobs.error ->> 'code' FROM jobs
            WHERE jobs.id = messages.reply_job_id AND jobs.state = 'failed' AND jobs.kind = 'chat.reply'
                AND jobs.error ->> 'code' IN ('input_blocked', 'ai_blocked')
        """)


def downgrade() -> None:
    op.drop_column("messages", "blocked")
