"""Events tell when they were written, not when their transaction began: so their times are in their order.

Goes before or after the deploy.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | Sequence[str] | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column("events", "at", server_default=sa.text("clock_timestamp()"))


def downgrade() -> None:
    op.alter_column("events", "at", server_default=sa.text("now()"))
