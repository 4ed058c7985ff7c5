"""Batches whose texts are gathered into batches of the text provider's.

Goes before the deploy: the release before writes the column's default without knowing. No row is rewritten. Where the
walls could not be raised, the rest stands already and is passed over when it is run again.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from storage.migrations.walls import lower, wall

revision: str = "0024"
down_revision: str | Sequence[str] | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WALLED = ("provider_batches", "provider_answers")


def upgrade() -> None:
    op.add_column(
        "batches", sa.Column("mode", sa.Text(), server_default="standard", nullable=False), if_not_exists=True
    )
    op.execute("ALTER TABLE batches DROP CONSTRAINT IF EXISTS ck_batches_mode")
    op.create_check_constraint(op.f("ck_batches_mode"), "batches", "mode IN ('standard', 'economy')")
    op.create_table(
        "provider_batches",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("batch_id", sa.Text(collation="C"), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("fence", sa.Text(), nullable=False),
        sa.Column("canary", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.CheckConstraint("(sent_at IS NULL) = (name IS NULL)", name="named_when_sent"),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="outcome_when_ended"),
        sa.PrimaryKeyConstraint("id", name="pk_provider_batches"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_provider_batches_tenant_id"),
        if_not_exists=True,
    )
    op.create_index("ix_provider_batches_batch_id", "provider_batches", ["batch_id"], if_not_exists=True)
    op.create_table(
        "provider_answers",
        sa.Column("job_id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("batch_id", sa.Text(collation="C"), nullable=False),
        sa.Column("provider_batch_id", sa.Text(collation="C")),
        sa.Column("answer", sa.Text()),
        sa.Column("prompt_version", sa.Text()),
        sa.Column("prompt_tokens", sa.Integer()),
        sa.Column("output_tokens", sa.Integer()),
        sa.PrimaryKeyConstraint("job_id", name="pk_provider_answers"),
        if_not_exists=True,
    )
    op.create_index("ix_provider_answers_batch_id", "provider_answers", ["batch_id"], if_not_exists=True)
    with op.get_context().autocommit_block():
        for table in _WALLED:
            wall(table)


def downgrade() -> None:
    for table in _WALLED:
        lower(table)
        op.drop_table(table)
    op.drop_constraint(op.f("ck_batches_mode"), "batches")
    op.drop_column("batches", "mode")
