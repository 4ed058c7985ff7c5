"""Reviews of products, and what they come to beside each product.

Goes before the deploy: the release before knows nothing of them. No row is rewritten.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from storage.migrations.walls import wall

revision: str = "0027"
down_revision: str | Sequence[str] | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNTED = ("reviews", "rating_sum")


def upgrade() -> None:
    for column in _COUNTED:
        op.add_column(
            "products",
            sa.Column(column, sa.BigInteger(), server_default="0", nullable=False),
            if_not_exists=True,
        )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("product_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Text(collation="C"), nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("verified_purchase", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_reviews_rating")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_reviews_customer_id")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_reviews_product_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_reviews_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("product_id", "customer_id", name=op.f("uq_reviews_product_id_customer_id")),
        if_not_exists=True,
    )
    op.create_index(
        "ix_reviews_product_id_id",
        "reviews",
        ["product_id", sa.literal_column("id DESC")],
        unique=False,
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        wall("reviews")


def downgrade() -> None:
    op.drop_table("reviews")
    for column in reversed(_COUNTED):
        op.drop_column("products", column)
