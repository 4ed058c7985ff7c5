"""The transaction is visible where the story begins; everything below takes it first."""

import ast
from collections.abc import Iterable
from fnmatch import fnmatch

from tests.house.source import Source, listed, sources

_STORIES_BEGIN_IN = (
    "platform/api/*/routes.py",
    "platform/api/accept.py",
    "platform/api/*/accept.py",
    "platform/workers/execute.py",
    "platform/workers/settle.py",
    "platform/workers/context.py",  # the handler's own transaction, which settles its job
    "platform/workers/lease.py",  # the heartbeat
    "platform/workers/relay.py",
    "platform/workers/rescue.py",
    "platform/workers/emptied.py",
    "platform/workers/bulk.py",
    "platform/workers/prune.py",
    "platform/workers/publish.py",
    "platform/schedules/tick.py",
    "platform/cli/migrate.py",  # seeding
    "platform/cli/keys.py",  # the first key, for which there is no API to ask yet
    "platform/storage/database.py",  # the engine's own, which it hands out
)


def test_transactions_are_opened_only_where_a_story_begins() -> None:
    assert not (broken := list(opened_elsewhere(sources("platform")))), listed(broken)


def test_a_transaction_opened_elsewhere_would_be_named() -> None:
    text = "async def f(use):\n    async with use.database.begin() as tx: ..."
    planted = [Source("platform/storage/jobs.py", text), Source("platform/workers/relay.py", text)]
    assert list(opened_elsewhere(planted)) == ["platform/storage/jobs.py:2"]


def test_storage_is_handed_its_connection_first() -> None:
    assert not (broken := list(without_connection(sources("platform/storage")))), listed(broken)


def test_a_function_of_storage_without_a_connection_would_be_named() -> None:
    planted = Source("platform/storage/x.py", "async def find(tx: Tx): ...\nasync def lose(job_id: str): ...")
    assert list(without_connection([planted])) == ["platform/storage/x.py:2 lose"]


def opened_elsewhere(found: Iterable[Source]) -> Iterable[str]:
    """Calls of `begin()` in files where no story begins."""
    for source in found:
        if any(fnmatch(source.path, place) for place in _STORIES_BEGIN_IN):
            continue
        for node in source.nodes():
            match node:
                case ast.Call(func=ast.Attribute(attr="begin" | "begin_nested" | "begin_twophase" | "alone")):
                    yield source.at(node)
                case _:
                    pass


def without_connection(found: Iterable[Source]) -> Iterable[str]:
    """Public coroutines of storage whose first argument is not `tx`."""
    for source in found:
        for node in source.tree.body:
            if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_") and not _takes_tx(node):
                yield f"{source.at(node)} {node.name}"


def _takes_tx(node: ast.AsyncFunctionDef) -> bool:
    return bool(node.args.args) and node.args.args[0].arg == "tx"
