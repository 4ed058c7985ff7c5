"""Who of the API reaches beyond the caller's tenant: a short list, each with its reason."""

import ast
from collections.abc import Iterable

from tests.house.source import Source, sources

OF_THE_PLATFORM = {
    "platform/api/context.py": "hands out what is the caller's",
    "platform/api/accounts/routes.py": "a changed password is counted as a login is, by account and address",
    "platform/api/health.py": "figures of all live jobs",
    "platform/api/queues/routes.py": "queues are all tenants', and operators'",
    "platform/api/sessions/routes.py": "who logs in is nobody's yet",
    "platform/api/workers/routes.py": "workers are all tenants'",
}
"""Of those that are handed a database when the API starts, `api/app.py` says whether it is the platform's."""


def test_only_who_must_reaches_beyond_the_callers_tenant() -> None:
    assert set(reaching(sources("platform/api"))) == OF_THE_PLATFORM.keys()


def test_who_reaches_beyond_would_be_named() -> None:
    planted = Source("platform/api/jobs/routes.py", "async def f(use):\n    async with use.platform.read() as tx: ...")
    within = Source("platform/api/jobs/export.py", "async def f(use):\n    async with use.database.read() as tx: ...")
    assert set(reaching([planted, within])) == {"platform/api/jobs/routes.py"}


def reaching(found: Iterable[Source]) -> Iterable[str]:
    """The files that take a database as the platform's."""
    for source in found:
        if any(isinstance(node, ast.Attribute) and node.attr == "platform" for node in source.nodes()):
            yield source.path
