"""A second wall between tenants: the role of the API's callers sees the rows of the tenant it works for, and no others.

Goes before the deploy: nobody takes the role on before, and the owner stands above the wall, as does every login that
has rights on the tables by now. Each table is walled by itself, in a moment; broken off, it is begun anew. Where who
migrates may not make roles, it says what a superuser is to do first (docs/operations.md).
"""

from collections.abc import Sequence
from typing import Final

from alembic import op

from storage.migrations.walls import (
    let_draw,
    lower,
    make_role,
    tables_of_tenants,
    wall,
    wall_below,
    wall_tenants,
)

revision: str = "0021"
down_revision: str | Sequence[str] | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_APPEND_ONLY: Final = {"audit_log"}
_BELOW: Final = {
    "attempts": ("job_id", "jobs"),
    "messages": ("conversation_id", "conversations"),
    "order_lines": ("order_id", "orders"),
    "schedule_runs": ("schedule_id", "schedules"),
    "stock_movements": ("product_id", "products"),
    "tokens": ("session_id", "sessions"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        make_role()
        wall_tenants()
        for table in tables_of_tenants():
            if table in _APPEND_ONLY:
                wall(table, rights="SELECT, INSERT")
            else:
                wall(table)
        for table, (key, parent) in _BELOW.items():
            wall_below(table, key=key, parent=parent)
        let_draw("event_numbers")


def downgrade() -> None:
    # the role stays: it is the server's, and another database may use it
    op.execute("REVOKE ALL ON SEQUENCE event_numbers FROM headrace_api")
    for table in ("tenants", *tables_of_tenants(), *_BELOW):
        lower(table)
