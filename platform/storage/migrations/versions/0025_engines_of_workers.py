"""A worker reports how the engines it asks are, as it has found them.

Goes before the deploy: the release before writes nothing in it. No row is rewritten.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | Sequence[str] | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("engines", sa.JSON(), nullable=True), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("workers", "engines")
