"""Movements of stock get ids of their own: the number they had until now counts those of all tenants.

Goes before the deploy: what the release before writes gets its id by the column's default. Movements that are there
get ids by their own times, in one statement that holds nobody up: nothing else ever changes a movement.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | Sequence[str] | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "uq_stock_movements_movement_id"
_NO_NULL = "ck_stock_movements_movement_id"
_DEFAULT = "id_at('movement'::text, clock_timestamp())"

# A UUIDv7 with the microseconds in the twelve bits after its version (RFC 9562, 6.2, method 3). Postgres 18 makes such
# by itself, 15 does not. A product is locked when it moves, so the ids of its movements grow.
_ID_AT = """
CREATE OR REPLACE FUNCTION id_at(prefix text, moment timestamptz) RETURNS text LANGUAGE sql VOLATILE
RETURN (
    SELECT prefix || '_' || lpad(to_hex(micros / 1000), 12, '0')
        || '7' || lpad(to_hex(micros % 1000 * 4096 / 1000), 3, '0')
        || substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 17)
    FROM (SELECT CAST(extract(epoch FROM moment) * 1000000 AS bigint) AS micros) AS told
)
"""

# Those of one transaction have the same time: a microsecond more for each keeps them in their order.
_NAME = """
UPDATE stock_movements SET movement_id = id_at('movement', created_at + place * interval '1 microsecond')
FROM (
    SELECT id, row_number() OVER (PARTITION BY product_id, created_at ORDER BY id) - 1 AS place FROM stock_movements
) AS placed
WHERE placed.id = stock_movements.id AND movement_id IS NULL
"""


def upgrade() -> None:
    op.execute(_ID_AT)
    # the default comes after the column: at once, it would rewrite the table while nobody may read it
    op.add_column(
        "stock_movements", sa.Column("movement_id", sa.Text(collation="C"), nullable=True), if_not_exists=True
    )
    op.alter_column("stock_movements", "movement_id", server_default=sa.text(_DEFAULT))
    with op.get_context().autocommit_block():
        op.execute(_NAME)
        # one that broke off before leaves an index that is not valid
        op.drop_index(_INDEX, table_name="stock_movements", if_exists=True, postgresql_concurrently=True)
        op.create_index(_INDEX, "stock_movements", ["movement_id"], unique=True, postgresql_concurrently=True)
        # a check that is known to hold spares the look through all rows under a lock that keeps readers out
        op.execute(f"ALTER TABLE stock_movements DROP CONSTRAINT IF EXISTS {_NO_NULL}")
        op.execute(f"ALTER TABLE stock_movements ADD CONSTRAINT {_NO_NULL} CHECK (movement_id IS NOT NULL) NOT VALID")
        op.execute(f"ALTER TABLE stock_movements VALIDATE CONSTRAINT {_NO_NULL}")
        op.alter_column("stock_movements", "movement_id", nullable=False)
        op.execute(f"ALTER TABLE stock_movements DROP CONSTRAINT {_NO_NULL}")


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="stock_movements")
    op.drop_column("stock_movements", "movement_id")
    op.execute("DROP FUNCTION id_at(text, timestamptz)")
