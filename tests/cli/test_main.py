import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.durations import seconds_of
from cli.main import COMMANDS
from cli.target import find_target
from runtime.data_dir import keep_credentials
from runtime.settings import Settings

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy_and_names_every_command() -> None:
    program = (
        "import sys; from cli.main import headrace; headrace.main(['--help'], standalone_mode=False);"
        "heavy = {'litestar', 'celery', 'kombu', 'sqlalchemy', 'httpx', 'rich', 'numpy', 'google', 'structlog'};"
        "print('heavy:', sorted(heavy & sys.modules.keys()))"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, env=environ
    )
    assert "heavy: []" in done.stdout
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("1h30m", 5400), ("2.5", 2.5), ("250ms", 0.25), ("1d", 86400)]
)
def test_durations_are_read_as_the_contract_spells_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5 m", "-1s", "1x", "1h30"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert seconds_of(text) is None


def test_an_option_wins_over_the_environment_and_that_over_the_credentials_file(tmp_path: Path) -> None:
    keep_credentials(tmp_path, url="http://127.0.0.1:8001", api_key="hr_file")
    kept = find_target(Settings(data_dir=tmp_path), None, None)
    assert (kept.url, kept.key, kept.named) == ("http://127.0.0.1:8001", "hr_file", False)
    settings = Settings(data_dir=tmp_path, url="http://127.0.0.1:8002/", api_key="hr_environment")
    set_ = find_target(settings, None, None)
    assert (set_.url, set_.key, set_.named) == ("http://127.0.0.1:8002", "hr_environment", True)
    given = find_target(settings, "http://127.0.0.1:8003", "hr_given")
    assert (given.url, given.key) == ("http://127.0.0.1:8003", "hr_given")


def test_the_key_of_the_credentials_file_goes_to_no_stranger(tmp_path: Path) -> None:
    keep_credentials(tmp_path, url="http://127.0.0.1:8001", api_key="hr_file")
    settings = Settings(data_dir=tmp_path)
    assert find_target(settings, "https://jobs.example.com", None).key is None
    assert find_target(settings, "http://localhost:8001", None).key == "hr_file"
