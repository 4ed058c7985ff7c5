"""A stand-in for the API, and the command run against it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import headrace
from tests.support.api_stand_in import ApiStandIn, api_stand_in

Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[ApiStandIn]:
    with api_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def run(api: ApiStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with these arguments, pointed at the stand-in."""
    for name in ("HEADRACE_URL", "HEADRACE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    environ = {"HEADRACE_URL": api.url, "HEADRACE_API_KEY": "hr_key", "HEADRACE_DATA_DIR": str(tmp_path / "data")}

    def run(*arguments: str, stdin: str | None = None, **changes: str | None) -> Result:
        return CliRunner().invoke(headrace, arguments, input=stdin, env={**environ, **changes})

    return run
