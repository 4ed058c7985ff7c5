"""Two processes that migrate at once, as deploys do, take turns."""

from concurrent.futures import ThreadPoolExecutor

from alembic import command

from storage.migrations.run import alembic_config, migrate


def test_two_that_migrate_at_once_take_turns(empty_database_url: str) -> None:
    migrate(
        empty_database_url, to="0009"
    )  # the next builds an index beside everything else, and waits for all snapshots
    with ThreadPoolExecutor(2) as processes:
        both = [processes.submit(migrate, empty_database_url) for _ in range(2)]
        for one in both:
            one.result(timeout=60)
    command.check(alembic_config(empty_database_url))
