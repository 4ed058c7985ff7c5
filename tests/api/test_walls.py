"""The second wall: with the filters by tenant cut out of every statement, nobody is told another tenant's things."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from storage.database import API_ROLE
from storage.jobs import find_job
from tests.api import test_isolation as isolation
from tests.api.conftest import House
from tests.api.test_isolation import Operation

operations, things = isolation.operations, isolation.things
Walk = Callable[[House, list[Operation], dict[str, str]], Awaitable[None]]

_FILTER = re.compile(r'(?:\w+\.)?tenant_id = (%\(\w+\)s)(?:::\w+)?(?: COLLATE "C")?(?! *,)')


@contextmanager
def without_filters(*, of_everybody: bool = False) -> Iterator[Counter[str]]:
    """Cut the filters by tenant out of what connections of tenants, or all, execute; counts what was cut."""
    cut: Counter[str] = Counter()

    def mutate(connection: Connection, _cursor: Any, statement: str, given: Any, *_: Any) -> tuple[str, Any]:  # noqa: ANN401 - SQLAlchemy's
        if not (of_everybody or connection.info.get("role") == API_ROLE):
            return statement, given
        mutated, times = _FILTER.subn(r"CAST(\1 AS text) IS NOT NULL", statement)
        cut[statement] += times
        return mutated, given

    event.listen(Engine, "before_cursor_execute", mutate, retval=True)
    try:
        yield cut
    finally:
        event.remove(Engine, "before_cursor_execute", mutate)


@pytest.mark.parametrize(
    "walk",
    [
        isolation.test_what_is_another_tenants_is_as_if_it_were_not,
        isolation.test_no_list_no_figure_and_no_export_tells_of_another_tenant,
        isolation.test_a_cursor_of_another_tenant_leads_into_ones_own_list_only,
    ],
)
async def test_without_any_filter_by_tenant_nothing_of_another_is_told(
    house: House, operations: list[Operation], things: dict[str, str], walk: Walk
) -> None:
    with without_filters() as cut:
        await walk(house, operations, things)
    assert len(+cut) >= 10


async def test_without_filters_each_still_finds_its_own(
    house: House, operations: list[Operation], things: dict[str, str]
) -> None:
    with without_filters():
        await isolation.test_to_its_own_tenant_everything_is_there(house, operations, things)


async def test_without_filters_and_without_the_wall_all_would_be_told(house: House, things: dict[str, str]) -> None:
    with without_filters(of_everybody=True) as cut:
        async with house.database.read() as tx:
            assert await find_job(tx, "tenant_of_nobody", things["job_id"]) is not None
    assert cut.total() == 1
