"""Schedules and the record of their firings.

Goes before the deploy.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("caller_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("every_seconds", sa.Float(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column("jitter_seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("paused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(cron IS NULL) <> (every_seconds IS NULL)", name=op.f("ck_schedules_cron_or_every")),
        sa.CheckConstraint("every_seconds > 0", name=op.f("ck_schedules_every_seconds")),
        sa.CheckConstraint("jitter_seconds >= 0", name=op.f("ck_schedules_jitter_seconds")),
        sa.CheckConstraint("overlap IN ('allow', 'cancel_other', 'skip')", name=op.f("ck_schedules_overlap")),
        sa.CheckConstraint("catch_up IN ('all', 'last', 'none')", name=op.f("ck_schedules_catch_up")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_schedules_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index("ix_schedules_tenant_id_id", "schedules", ["tenant_id", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "ix_schedules_next_at", "schedules", ["next_at"], unique=False, postgresql_where=sa.text("NOT paused")
    )
    op.create_table(
        "schedule_runs",
        sa.Column("schedule_id", sa.Text(collation="C"), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(collation="C"), nullable=True),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('missed', 'refused', 'skipped', 'submitted')", name=op.f("ck_schedule_runs_outcome")
        ),
        sa.CheckConstraint(
            "(job_id IS NOT NULL) = (outcome = 'submitted')", name=op.f("ck_schedule_runs_job_id_when_submitted")
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_runs_schedule_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule_id", "fire_at", name=op.f("pk_schedule_runs")),
    )
    op.create_index(
        "ix_jobs_live_schedule_id",
        "jobs",
        ["schedule_id"],
        unique=False,
        postgresql_where=sa.text("schedule_id IS NOT NULL AND state IN ('scheduled', 'queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_live_schedule_id", table_name="jobs")
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
