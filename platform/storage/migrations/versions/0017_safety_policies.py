"""What a tenant does about injections and unsafe requests found in its texts.

Goes before the deploy: the release before knows nothing of it. Keys that manage users may then also set it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | Sequence[str] | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_GRANT = """
UPDATE api_keys SET permissions = permissions || ARRAY['safety:manage']
WHERE 'users:manage' = ANY (permissions) AND 'safety:manage' != ALL (permissions)
"""


def upgrade() -> None:
    op.create_table(
        "safety_policies",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("injection", sa.Text(), nullable=False),
        sa.Column("unsafe", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("injection IN ('off', 'flag', 'block')", name=op.f("ck_safety_policies_injection")),
        sa.CheckConstraint("unsafe IN ('off', 'flag', 'block')", name=op.f("ck_safety_policies_unsafe")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_safety_policies_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_safety_policies")),
    )
    op.execute(_GRANT)


def downgrade() -> None:
    op.execute("UPDATE api_keys SET permissions = array_remove(permissions, 'safety:manage')")
    op.drop_table("safety_policies")
