"""The catalogue, its stock, orders and store credit.

Goes before the deploy.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = (
    "categories",
    "products",
    "product_categories",
    "stock_movements",
    "orders",
    "order_lines",
    "balances",
    "ledger_entries",
)


def upgrade() -> None:
    """Make the tables of orders."""
    op.create_table(
        "categories",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("slug", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_categories_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "slug", name=op.f("pk_categories")),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("sku", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("stock", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("price_amount BETWEEN 0 AND 1000000000", name=op.f("ck_products_price_amount")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_products_stock")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_products_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("tenant_id", "sku", name=op.f("uq_products_tenant_id_sku")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("ix_products_tenant_id_id", "products", ["tenant_id", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "product_categories",
        sa.Column("product_id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("slug", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_product_categories_product_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "slug"],
            ["categories.tenant_id", "categories.slug"],
            name=op.f("fk_product_categories_tenant_id_slug"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("product_id", "slug", name=op.f("pk_product_categories")),
    )
    op.create_index("ix_product_categories_tenant_id_slug", "product_categories", ["tenant_id", "slug"], unique=False)
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("product_id", sa.Text(collation="C"), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(collation="C"), nullable=True),
        sa.Column("job_id", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "reason IN ('adjusted', 'received', 'returned', 'sold')", name=op.f("ck_stock_movements_reason")
        ),
        sa.CheckConstraint("change <> 0", name=op.f("ck_stock_movements_change")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_stock_movements_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
    )
    op.create_index(
        "ix_stock_movements_product_id_id",
        "stock_movements",
        ["product_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_stock_movements_order_id_product_id_reason",
        "stock_movements",
        ["order_id", "product_id", "reason"],
        unique=True,
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Text(collation="C"), nullable=False),
        sa.Column("job_id", sa.Text(collation="C"), nullable=False),
        sa.Column("ship_job_id", sa.Text(collation="C"), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("total_amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("ship_to", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(cancelled_at IS NOT NULL) = (status = 'cancelled')", name=op.f("ck_orders_cancelled_at_when_cancelled")
        ),
        sa.CheckConstraint(
            "(shipped_at IS NOT NULL) = (status = 'shipped')", name=op.f("ck_orders_shipped_at_when_shipped")
        ),
        sa.CheckConstraint(
            "status IN ('cancelled', 'paid', 'payment_failed', 'shipped')", name=op.f("ck_orders_status")
        ),
        sa.CheckConstraint("total_amount >= 0", name=op.f("ck_orders_total_amount")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_orders_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("job_id", name=op.f("uq_orders_job_id")),
    )
    op.create_index("ix_orders_customer_id_id", "orders", ["customer_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("ix_orders_tenant_id_id", "orders", ["tenant_id", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Text(collation="C"), nullable=False),
        sa.Column("line", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit_amount", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_lines_quantity")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_lines_order_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_order_lines_product_id")),
        sa.PrimaryKeyConstraint("order_id", "line", name=op.f("pk_order_lines")),
    )
    op.create_index("ix_order_lines_product_id", "order_lines", ["product_id"], unique=False)
    op.create_table(
        "balances",
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount BETWEEN 0 AND 1000000000000000", name=op.f("ck_balances_amount")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_balances_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "currency", name=op.f("pk_balances")),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("transfer_id", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(collation="C"), nullable=True),
        sa.Column("job_id", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("reason IN ('charge', 'deposit', 'refund')", name=op.f("ck_ledger_entries_reason")),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_entries_amount")),
        sa.PrimaryKeyConstraint("transfer_id", "account", name=op.f("pk_ledger_entries")),
    )
    op.create_index(
        "ix_ledger_entries_tenant_id_account", "ledger_entries", ["tenant_id", "account", "currency"], unique=False
    )


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(_TABLES):
        op.drop_table(table)
