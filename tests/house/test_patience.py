"""Tests wait for what happens, not for time to pass."""

import ast
from collections.abc import Iterable

from tests.house.source import Source, listed, sources

_LONGEST_SECONDS = 0.1


def test_no_test_sleeps_long() -> None:
    assert not (broken := list(sleeps(sources("tests")))), listed(broken)


def test_a_long_sleep_would_be_named() -> None:
    planted = Source("tests/x.py", "time.sleep(1)\nasyncio.sleep(0.01)\nawait asyncio.sleep(wait)\nsleep(60 * 2)")
    assert list(sleeps([planted])) == ["tests/x.py:1", "tests/x.py:4"]


def sleeps(found: Iterable[Source]) -> Iterable[str]:
    """Calls of `sleep` with a number past the limit; a name may stand for what a fault is about."""
    for source in found:
        for node in source.nodes():
            match node:
                case ast.Call(func=ast.Attribute(attr="sleep") | ast.Name(id="sleep"), args=[wait]):
                    if _seconds(wait) > _LONGEST_SECONDS:
                        yield source.at(node)
                case _:
                    pass


def _seconds(wait: ast.expr) -> float:
    """The number written there; 0 where none is, infinity for a sum of numbers nobody should have to do."""
    match wait:
        case ast.Constant(value=int(seconds) | float(seconds)):
            return seconds
        case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
            return float("inf")
        case _:
            return 0.0
