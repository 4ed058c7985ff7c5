"""Batches, and the place of a job in its batch.

Goes before the deploy. Batches may be submitted once every API, worker and relay is of this release: one of the release
before would end their jobs without counting them.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("caller_id", sa.Text(collation="C"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expired", sa.Integer(), server_default="0", nullable=False),
        sa.Column("on_finished", sa.JSON(), nullable=True),
        sa.Column("on_finished_job_id", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("total > 0", name=op.f("ck_batches_total")),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (succeeded + failed + cancelled + expired = total)",
            name=op.f("ck_batches_finished_when_all_ended"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_batches_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_batches_tenant_id_id", "batches", ["tenant_id", sa.literal_column("id DESC")], unique=False)
    op.add_column("jobs", sa.Column("batch_index", sa.Integer()))
    op.create_index(
        "ix_jobs_batch_id", "jobs", ["batch_id", "id"], unique=False, postgresql_where=sa.text("batch_id IS NOT NULL")
    )
    op.create_index(
        "ix_jobs_live_batch_id",
        "jobs",
        ["batch_id", "state"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NOT NULL AND state IN ('scheduled', 'queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_live_batch_id", table_name="jobs")
    op.drop_index("ix_jobs_batch_id", table_name="jobs")
    op.drop_column("jobs", "batch_index")
    op.drop_index("ix_batches_tenant_id_id", table_name="batches")
    op.drop_table("batches")
