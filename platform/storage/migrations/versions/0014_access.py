"""Passwords, sessions and their tokens, what roles bundle, failed logins, the audit log.

Goes before the deploy: the release before knows nothing of it, and writes users and keys as it did. Keys that manage
users may then also do what has come to be a permission of its own; keys open no longer than their user may enter.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")

_REFUSE = """
CREATE FUNCTION refuse_to_change_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$
"""
_ROWS = """
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_audit_log()
"""
_WHOLE = """
CREATE TRIGGER audit_log_stays BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit_log()
"""
_GRANT = """
UPDATE api_keys SET permissions = permissions || ARRAY(
    SELECT fresh FROM unnest(ARRAY['keys:manage', 'users:read', 'users:ban', 'audit:read']) AS fresh
    WHERE fresh != ALL (permissions)
) WHERE 'users:manage' = ANY (permissions)
"""
_TAKE_BACK = """
UPDATE api_keys SET permissions = ARRAY(
    SELECT old FROM unnest(permissions) AS old
    WHERE old != ALL (ARRAY['keys:manage', 'users:read', 'users:ban', 'audit:read'])
)
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("state", sa.Text(), server_default="active", nullable=False))
    op.add_column("users", sa.Column("state_reason", sa.Text()))
    op.add_column("users", sa.Column("password_hash", sa.Text()))
    op.add_column("users", sa.Column("last_login_at", _MOMENT))
    op.create_check_constraint(op.f("ck_users_state"), "users", "state IN ('active', 'banned', 'disabled')")
    op.create_index("ix_users_tenant_id_id", "users", ["tenant_id", sa.text("id DESC")])
    op.create_index("ix_api_keys_tenant_id_id", "api_keys", ["tenant_id", sa.text("id DESC")])
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.execute(_GRANT)
    op.create_table(
        "role_permissions",
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("permissions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("changed_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_role_permissions_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "role", name=op.f("pk_role_permissions")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("scope", sa.ARRAY(sa.Text())),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_why", sa.Text()),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name=op.f("ck_sessions_ended")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_sessions_tenant_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", _ID, nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("spent_at", _MOMENT),
        sa.CheckConstraint("use IN ('access', 'refresh')", name=op.f("ck_tokens_use")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_tokens_session_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_tokens")),
    )
    op.create_index("ix_tokens_session_id", "tokens", ["session_id"])
    op.create_index("ix_tokens_expires_at", "tokens", ["expires_at"])
    op.create_table(
        "login_attempts",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.ARRAY(_MOMENT), nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_attempts")),
    )
    op.create_index("ix_login_attempts_last_at", "login_attempts", ["last_at"])
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("user_id", _ID),
        sa.Column("key_id", _ID),
        sa.Column("session_id", _ID),
        sa.Column("address", sa.Text()),
        sa.Column("request_id", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_heads")),
    )
    for statement in (_REFUSE, _ROWS, _WHOLE):
        op.execute(statement)


def downgrade() -> None:
    for table in ("audit_heads", "audit_log", "login_attempts", "tokens", "sessions", "role_permissions"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_to_change_audit_log()")
    op.execute(_TAKE_BACK)
    op.drop_index("ix_api_keys_user_id", table_name="api_keys")
    op.drop_index("ix_api_keys_tenant_id_id", table_name="api_keys")
    op.drop_index("ix_users_tenant_id_id", table_name="users")
    op.drop_constraint(op.f("ck_users_state"), "users")
    for column in ("last_login_at", "password_hash", "state_reason", "state"):
        op.drop_column("users", column)
