"""The migrations and the tables say the same."""

from alembic import command

from storage.migrations.run import alembic_config, migrate


def test_a_migrated_database_has_exactly_the_tables_of_the_code(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    migrate(empty_database_url)
    migrate(empty_database_url)


def test_the_newest_migration_can_be_taken_back_and_applied_again(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.downgrade(alembic_config(empty_database_url), "-1")
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))
