"""Webhooks: endpoints, what they are told, and its deliveries. Whoever may manage schedules may manage them.

Goes before the deploy. Jobs that processes of the release before end are told to nobody.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("webhook_url", sa.Text(), nullable=True))
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("caller_id", sa.Text(collation="C"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("secret_before", sa.LargeBinary(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("state IN ('active', 'disabled', 'paused')", name=op.f("ck_webhook_endpoints_state")),
        sa.CheckConstraint(
            "(secret_before IS NULL) = (rotated_at IS NULL)", name=op.f("ck_webhook_endpoints_rotated_at_when_rotated")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_endpoints_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(
        "ix_webhook_endpoints_tenant_id_id",
        "webhook_endpoints",
        ["tenant_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "webhook_signers",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_signers_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_webhook_signers")),
    )
    op.create_table(
        "webhook_notices",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_notices")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("notice_id", sa.Text(collation="C"), nullable=False),
        sa.Column("endpoint_id", sa.Text(collation="C"), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(collation="C"), nullable=False),
        sa.Column("again_of", sa.Text(collation="C"), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name=op.f("ck_webhook_deliveries_to_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_id",
        "webhook_deliveries",
        ["endpoint_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("ix_webhook_deliveries_notice_id", "webhook_deliveries", ["notice_id"], unique=False)
    # keys carry what they may: those made before there were webhooks get what their role would have given them
    op.execute(
        "UPDATE api_keys SET permissions = permissions || '{webhooks:read,webhooks:manage}' "
        "WHERE 'schedules:manage' = ANY (permissions) AND NOT 'webhooks:manage' = ANY (permissions)"
    )


def downgrade() -> None:
    op.execute(
        "UPDATE api_keys SET permissions = array_remove(array_remove(permissions, 'webhooks:read'), 'webhooks:manage')"
    )
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_notices")
    op.drop_table("webhook_signers")
    op.drop_table("webhook_endpoints")
    op.drop_column("jobs", "webhook_url")
