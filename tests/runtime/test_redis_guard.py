"""A Redis in production that lets in whoever comes is warned of, and used all the same."""

import pytest

from cli.doctor import check_machine
from runtime.redis_guard import is_unguarded
from runtime.settings import Settings


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ("production", "redis://cache.internal:6379/0", True),
        ("production", "redis://somebody@cache.internal:6379/0", True),
        ("production", "redis://:secret@cache.internal:6379/0", False),
        ("production", "rediss://somebody:secret@cache.internal", False),
        ("production", "unix:///run/redis.sock", False),
        ("production", None, False),
        ("development", "redis://127.0.0.1", False),
    ],
)
def test_redis_without_a_password_is_warned_of_in_production(environment: str, url: str | None, expected: bool) -> None:  # noqa: FBT001
    settings = Settings(environment=environment, redis_url=url)  # type: ignore[arg-type] # as it is spelled
    assert is_unguarded(settings) == expected
    warned = [found for found in check_machine(settings) if found.state == "warning"]
    assert [found.check for found in warned] == (["redis password"] if expected else [])
