"""The wall between tenants, as migrations raise it: what the role of the API's callers may see and write of a table.

That role owns nothing and logs in nowhere: connections for a caller's work take it on (storage/database.py), and say
whose work it is. It sees no table that no migration has walled. The owner, who migrates, stands above the wall; so does
every login that had rights on a table when it was walled, by a policy of its own that lets everything pass.
"""

import time
from typing import Final

from alembic import op
from psycopg.errors import LockNotAvailable, RaiseException
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.errors import Invalid
from storage.database import API_ROLE, TENANT_SETTING

_LOCK_TIMEOUT: Final = "2s"
_TRIES: Final = 60
_BETWEEN_SECONDS: Final = 0.5

_TENANT: Final = f"current_setting('{TENANT_SETTING}', true)"

# Roles are the whole server's: another database of Headrace may have made it, or be making it now.
_MAKE: Final = f"""
DO $wall$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{API_ROLE}') THEN
        BEGIN
            CREATE ROLE {API_ROLE} NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION USING MESSAGE = format('%I may not make the role {API_ROLE}. As a superuser, once: '
                    'CREATE ROLE {API_ROLE} NOLOGIN; then GRANT {API_ROLE} TO %I; and to every login of the API.',
                    current_user, current_user);
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{API_ROLE}' AND (rolsuper OR rolbypassrls)) THEN
        RAISE EXCEPTION 'The role {API_ROLE} stands above row-level security. As a superuser: '
            'ALTER ROLE {API_ROLE} NOSUPERUSER NOBYPASSRLS;';
    END IF;
    IF NOT has_schema_privilege('{API_ROLE}', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO {API_ROLE}', current_schema());
    END IF;
    BEGIN
        -- who made the role may take it on only once it was granted, which the maker may do; a superuser need not
        PERFORM set_config('role', '{API_ROLE}', true);
        PERFORM set_config('role', 'none', true);
    EXCEPTION WHEN insufficient_privilege THEN
        BEGIN
            EXECUTE 'GRANT {API_ROLE} TO CURRENT_USER';
        EXCEPTION WHEN insufficient_privilege THEN
            NULL; -- only who migrates: whether the API's own login may is asked below
        END;
    END;
END
$wall$
"""  # noqa: S608 - only a constant is formatted in

# Of the others that write jobs, each must be able to take the role on, or the API could answer nobody.
_ASK: Final = f"""
DO $wall$
DECLARE
    barred text;
BEGIN
    SELECT string_agg(quote_ident(rolname), ', ') INTO barred
    FROM pg_class, LATERAL aclexplode(relacl) AS granted JOIN pg_roles ON pg_roles.oid = granted.grantee
    WHERE pg_class.oid = to_regclass('jobs') AND privilege_type = 'INSERT' AND rolcanlogin
        AND rolname <> '{API_ROLE}' AND NOT pg_has_role(rolname, '{API_ROLE}', 'MEMBER');
    IF barred IS NOT NULL THEN
        RAISE EXCEPTION 'Before this migration, as a superuser: GRANT {API_ROLE} TO %;', barred;
    END IF;
END
$wall$
"""  # noqa: S608 - as above

_RAISE: Final = """
DO $wall$
DECLARE
    others text;
BEGIN
    DROP POLICY IF EXISTS of_tenant ON :table;
    DROP POLICY IF EXISTS of_platform ON :table;
    SELECT string_agg(DISTINCT quote_ident(rolname), ', ') INTO others
    FROM pg_class, LATERAL aclexplode(relacl) AS granted JOIN pg_roles ON pg_roles.oid = granted.grantee
    WHERE pg_class.oid = to_regclass(':table') AND grantee <> relowner AND rolname <> ':role';
    IF others IS NOT NULL THEN
        EXECUTE 'CREATE POLICY of_platform ON :table TO ' || others || ' USING (true)';
    END IF;
    CREATE POLICY of_tenant ON :table TO :role USING (:whose);
    ALTER TABLE :table ENABLE ROW LEVEL SECURITY;
    GRANT :rights ON :table TO :role;
END
$wall$
"""

_LOWER: Final = """
DO $wall$
BEGIN
    DROP POLICY IF EXISTS of_tenant ON :table;
    DROP POLICY IF EXISTS of_platform ON :table;
    ALTER TABLE :table DISABLE ROW LEVEL SECURITY;
    REVOKE ALL ON :table FROM :role;
END
$wall$
"""

_TABLES: Final = text("""
SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND attname = 'tenant_id' AND NOT attisdropped
ORDER BY relname
""")

READ_AND_WRITE: Final = "SELECT, INSERT, UPDATE, DELETE"


class WallRefused(Invalid):
    """The wall between tenants cannot be raised as this user, or not now."""

    code = "wall_refused"
    title = "The wall cannot be raised"


def make_role() -> None:
    """See that the role is there, stands below the wall, and can be taken on by who writes jobs.

    Raises:
        WallRefused: it is not, and this user may not make it so; says what a superuser is to do.
    """
    _run(_MAKE)
    _run(_ASK)


def tables_of_tenants() -> list[str]:
    """The tables there are that have a column `tenant_id`, in the order of their names."""
    return list(op.get_bind().execute(_TABLES).scalars())


def wall(table: str, *, rights: str = READ_AND_WRITE) -> None:
    """Let the role do `rights` with the rows of `table` whose `tenant_id` is the tenant it works for.

    Call it outside of a transaction: the table is locked for a moment, and nobody is to wait while others are walled.

    Raises:
        WallRefused: somebody holds the table for too long.
    """
    _wall(table, f"tenant_id = {_TENANT}", rights)


def wall_tenants() -> None:
    """Let the role see and lock the tenant it works for, whose name and weight it may not change."""
    # only who may update something of a row may lock it
    _wall("tenants", f"id = {_TENANT}", "SELECT, UPDATE (created_at)")


def wall_below(table: str, *, key: str, parent: str, rights: str = READ_AND_WRITE) -> None:
    """As `wall`, for a table without tenants whose rows belong to rows of `parent`, by `key`."""
    # a scalar subquery, not EXISTS: that one may be planned as a hash of all the parents
    whose = f"(SELECT above.tenant_id FROM {parent} AS above WHERE above.id = {table}.{key}) = {_TENANT}"  # noqa: S608 - the migrations' own words
    _wall(table, whose, rights)


def let_draw(sequence: str) -> None:
    """Let the role draw numbers."""
    _run(f"GRANT USAGE ON SEQUENCE {sequence} TO {API_ROLE}")


def lower(table: str) -> None:
    """Take the wall of a table away."""
    _run(_filled(_LOWER, table))


def _wall(table: str, whose: str, rights: str) -> None:
    _run(_filled(_RAISE, table).replace(":whose", whose).replace(":rights", rights))


def _filled(statement: str, table: str) -> str:
    return statement.replace(":table", table).replace(":role", API_ROLE)


def _run(statement: str) -> None:
    """Run it, again and again while somebody holds the table: who waits for a lock keeps all others waiting behind."""
    bind = op.get_bind()
    bind.exec_driver_sql(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    for left in reversed(range(_TRIES)):
        try:
            # as it is: with parameters, none included, the driver would read each % as the place of one
            bind.exec_driver_sql(statement, execution_options={"no_parameters": True})
        except DBAPIError as error:
            if isinstance(error.orig, RaiseException):
                raise WallRefused(error.orig.diag.message_primary or "") from error
            if not isinstance(error.orig, LockNotAvailable) or not left:
                raise
            time.sleep(_BETWEEN_SECONDS)
        else:
            bind.exec_driver_sql("RESET lock_timeout")
            return
