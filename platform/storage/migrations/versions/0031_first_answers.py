"""Idempotency keys keep when their job was to run: a request sent again is shown the job as it was submitted.

Goes before the deploy: a column that may be empty, which takes no time, and which the release before leaves empty.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | Sequence[str] | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "idempotency_keys", sa.Column("run_at", sa.DateTime(timezone=True), nullable=True), if_not_exists=True
    )


def downgrade() -> None:
    op.drop_column("idempotency_keys", "run_at")
