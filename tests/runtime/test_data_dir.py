import os
import stat
from pathlib import Path

import pytest

from domain.accounts.api_key import parse_key
from runtime.data_dir import (
    DataDirInUse,
    DataDirRefused,
    find_credentials,
    hold_data_dir,
    keep_credentials,
    keep_secret_key,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_is_held_by_one_and_the_refusal_names_the_holder(tmp_path: Path) -> None:
    folder = tmp_path / "new/one"
    with hold_data_dir(folder), pytest.raises(DataDirInUse, match=f"process {os.getpid()}"), hold_data_dir(folder):
        pass
    with hold_data_dir(folder):
        pass


def test_nothing_in_a_data_directory_is_offered_to_git(tmp_path: Path) -> None:
    with hold_data_dir(tmp_path):
        assert (tmp_path / ".gitignore").read_text() == "*\n"


def test_a_directory_that_cannot_be_made_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirRefused, match="--data-dir"), hold_data_dir(tmp_path / "file/below"):
        pass


def test_keys_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    secret = keep_secret_key(tmp_path)
    first = keep_credentials(tmp_path, url="http://127.0.0.1:8000", api_key=None)
    later = keep_credentials(tmp_path, url="http://127.0.0.1:8001", api_key=None)
    assert keep_secret_key(tmp_path) == secret
    assert len(secret) >= 64
    assert later.api_key == first.api_key
    assert parse_key(first.api_key)
    assert find_credentials(tmp_path) == later
    assert [mode(path) for path in sorted(tmp_path.iterdir())] == [0o600, 0o600]


def test_a_key_that_is_given_is_kept(tmp_path: Path) -> None:
    keep_credentials(tmp_path, url="http://127.0.0.1:8000", api_key=None)
    keep_credentials(tmp_path, url="http://127.0.0.1:8000", api_key="hr_given")
    assert keep_credentials(tmp_path, url="http://127.0.0.1:8000", api_key=None).api_key == "hr_given"


@pytest.mark.parametrize("content", [None, "", "{", '{"url": 1}'])
def test_credentials_that_are_missing_or_broken_are_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "credentials.json").write_text(content)
    assert find_credentials(tmp_path) is None
