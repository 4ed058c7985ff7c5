"""The wall between tenants, in the database: every table, asked by a connection that works for another tenant."""

from collections.abc import AsyncIterator

import pytest
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from storage.database import API_ROLE, TENANT_SETTING, Database, DatabaseDown, Tx, open_database
from storage.tables import METADATA

UNWALLED = {
    "login_attempts": "counted before anybody is known",
    "queues": "the operators', for all tenants",
    "workers": "the platform's own",
}
"""Tables that are no tenant's, and that the role of the API's callers may not touch at all."""

ONE, OTHER = "tenant_one", "tenant_other"
WALLED = sorted(set(METADATA.tables) - UNWALLED.keys())

_DROP_CHECKS = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT conrelid::regclass AS of, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0
        AND connamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.of, one.conname); END LOOP;
END $$
"""


class _Column(Struct, frozen=True):
    name: str
    type: str
    in_key: bool


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A row of each of two tenants in every table, which say no more than that they are theirs."""
    store = open_database(database_url, name="tests", size=2)
    async with store.begin() as tx:
        await tx.exec_driver_sql(_DROP_CHECKS, execution_options={"no_parameters": True})
        # no references are checked, and no triggers run
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        for table in WALLED:
            for tenant in (ONE, OTHER):
                await _add(tx, table, tenant)
    yield store
    await store.close()


async def _add(tx: Tx, table: str, tenant: str) -> None:
    columns = await _columns(tx, table)
    given = ", ".join(_literal(column, table, tenant) for column in columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    await tx.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({given})")  # noqa: S608 - of the catalogue


def _literal(column: _Column, table: str, tenant: str) -> str:
    """A value of the column's type; a text names the tenant, so that every reference within it holds."""
    if column.type.endswith("[]"):
        return "'{}'"
    return {
        "text": f"'{tenant}'" if column.name == "tenant_id" or table == "tenants" else f"'{tenant}_1'",
        "bytea": f"'{tenant}'",
        "json": "'{}'",
        "boolean": "false",
        "date": "'2026-01-01'",
        "timestamp with time zone": "'2026-01-01T00:00:00Z'",
    }.get(column.type, "1")


async def _columns(tx: Tx, table: str) -> list[_Column]:
    rows = await tx.execute(
        text("""
        SELECT attname, format_type(atttypid, NULL), coalesce(attnum = ANY (indkey::int2[]), false)
        FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
        WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped AND attidentity = '' ORDER BY attnum
        """),
        {"table": table},
    )
    return [_Column(*row) for row in rows]


async def _count(database: Database, table: str) -> int:
    async with database.read() as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - as above


async def _may(database: Database, table: str, right: str) -> bool:
    async with database.read() as tx:
        given = {"role": API_ROLE, "table": table, "right": right}
        return bool((await tx.execute(text("SELECT has_table_privilege(:role, :table, :right)"), given)).scalar_one())


async def test_every_table_is_walled_or_stands_in_the_list(database: Database) -> None:
    async with database.read() as tx:
        rows = await tx.execute(
            text("""
            SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
            WHERE relrowsecurity AND polname = 'of_tenant'
                AND polroles = ARRAY[(SELECT oid FROM pg_roles WHERE rolname = :role)]
            """),
            {"role": API_ROLE},
        )
        walled = set(rows.scalars())
    missing = set(METADATA.tables) - walled - UNWALLED.keys()
    assert not missing, f"let a migration wall them (storage/migrations/walls.py): {sorted(missing)}"
    assert not walled & UNWALLED.keys()
    owned = {name for name, table in METADATA.tables.items() if "tenant_id" in table.columns}
    assert not owned & UNWALLED.keys()


async def test_what_is_no_tenants_is_out_of_reach(database: Database) -> None:
    for table in UNWALLED:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await _count(database.of(ONE), table)


async def test_a_tenant_sees_only_its_own_rows(database: Database) -> None:
    for table in WALLED:
        seen = [await _count(one, table) for one in (database, database.of(ONE), database.of(""))]
        assert seen == [2, 1, 0], table


async def test_a_tenant_changes_and_deletes_only_its_own_rows(database: Database) -> None:
    for table in WALLED:
        async with database.read() as tx:
            column = (await _columns(tx, table))[-1].name
        if await _may(database, table, "DELETE"):
            assert await _reached(database, f"DELETE FROM {table}") == 1, table  # noqa: S608 - of the catalogue
        if await _may(database, table, "UPDATE"):
            assert await _reached(database, f'UPDATE {table} SET "{column}" = "{column}"') == 1, table  # noqa: S608 - as above


async def _reached(database: Database, statement: str) -> int:
    """How many rows a tenant's statement reaches; it is taken back. What refers to a row does not keep it."""
    async with database.begin() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))  # a superuser's to say, so not as `of`
        await tx.execute(text(f"SET LOCAL ROLE {API_ROLE}"))
        await tx.execute(text("SELECT set_config(:setting, :tenant, true)"), {"setting": TENANT_SETTING, "tenant": ONE})
        rows = (await tx.execute(text(statement))).rowcount
        await tx.rollback()
    return rows


async def test_a_tenant_writes_no_row_of_another(database: Database) -> None:
    for table in WALLED:
        if not await _may(database, table, "INSERT"):
            continue
        # what it refers to stays, or a row below another would be refused for want of that
        async with database.begin() as tx:
            await tx.execute(text("SET LOCAL session_replication_role = replica"))
            await tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - of the catalogue
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with database.of(OTHER).begin() as tx:
                await _add(tx, table, ONE)
        async with database.begin() as tx:
            await tx.execute(text("SET LOCAL session_replication_role = replica"))
            await _add(tx, table, ONE)


async def test_no_row_is_given_away(database: Database) -> None:
    for table in WALLED:
        if "tenant_id" not in METADATA.tables[table].columns or not await _may(database, table, "UPDATE"):
            continue
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with database.of(ONE).begin() as tx:
                await tx.execute(text(f"UPDATE {table} SET tenant_id = '{OTHER}'"))  # noqa: S608 - of the catalogue


async def test_the_audit_log_can_only_be_added_to(database: Database) -> None:
    for statement in ("UPDATE audit_log SET action = ''", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.of(ONE).begin() as tx:
                await tx.execute(text(statement))


async def test_one_connection_works_for_tenant_after_tenant(database_url: str, database: Database) -> None:
    store = open_database(database_url, name="tests", size=1)
    seen = []
    for tenant in (ONE, OTHER, "", ONE):
        async with store.of(tenant).begin() as tx:
            seen.append((await tx.execute(text("SELECT pg_backend_pid(), (SELECT id FROM tenants)"))).one())
        async with store.of(tenant).read() as tx:
            seen.append((await tx.execute(text("SELECT pg_backend_pid(), (SELECT id FROM tenants)"))).one())
    await store.close()
    assert [tenant for _, tenant in seen] == [ONE, ONE, OTHER, OTHER, None, None, ONE, ONE]
    assert len({pid for pid, _ in seen}) == 1


async def test_a_broken_connection_is_opened_anew(database: Database) -> None:
    async with database.of(ONE).read() as tx:
        pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with database.read() as tx:
        await tx.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    assert await _count(database.of(ONE), "jobs") == 1


async def test_a_connection_that_lost_the_role_is_not_used(database: Database) -> None:
    async with database.of(ONE).read() as tx:
        await tx.execute(text("SET ROLE NONE"))
    with pytest.raises(DatabaseDown, match="wall"):
        await _count(database.of(ONE), "jobs")
    assert await _count(database.of(ONE), "jobs") == 1
