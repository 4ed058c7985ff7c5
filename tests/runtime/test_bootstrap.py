"""The bootstrap script, run over checkouts of its own whose lock files name nothing to install."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAYS_WHAT_IT_SEES = """
import json, os, sys
print(json.dumps([sys.argv[1:], sys.prefix, os.environ["HEADRACE_DATA_DIR"], os.getcwd()]))
"""

pytestmark = pytest.mark.timeout(300)


class Checkout:
    """A folder with the script, two empty lock files and a command that says what it sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "platform/cli").mkdir(parents=True)
        (folder / "platform/cli/__init__.py").touch()
        (folder / "platform/cli/main.py").write_text(SAYS_WHAT_IT_SEES)
        shutil.copy(ROOT / "headrace", folder)
        for name in ("requirements.lock", "requirements-dev.lock"):
            (folder / name).write_text("# nothing\n")

    def run(
        self, *words: str, uid: int | None = None, script: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 # our own words
            [script or self.folder / "headrace", *words],
            capture_output=True,
            check=False,
            cwd="/",
            # Debian's own Python where there is one: another user cannot reach one in root's home.
            env={"PATH": f"/usr/bin:/bin:{Path(sys.base_prefix) / 'bin'}", **environ},
            text=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )

    def sees(self, *words: str) -> str:
        return json.dumps([words, f"{self.folder}/.venv", f"{self.folder}/.headrace", "/"]) + "\n"


@pytest.fixture
def folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="headrace checkout "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def checkout(folder: Path) -> Checkout:
    return Checkout(folder / "a clone")


def installs(answer: subprocess.CompletedProcess[str]) -> int:
    assert answer.returncode == 0, answer.stderr
    return answer.stderr.count(" packages from ")


def test_it_installs_once_and_again_only_for_a_new_lock_file(checkout: Checkout) -> None:
    first = checkout.run("jobs", "list all", HOME=str(checkout.folder))
    assert first.stdout == checkout.sees("jobs", "list all")
    assert installs(first) == 1
    # From elsewhere, through a link, with an empty home: the same.
    link = checkout.folder.parent / "link"
    link.symlink_to("a clone/headrace")
    again = checkout.run("x", HOME="", script=link)
    assert (again.stdout, again.stderr) == (checkout.sees("x"), "")
    assert installs(checkout.run("test")) == 1  # the developers' packages, for this command alone
    assert installs(checkout.run("test")) == 0
    assert installs(checkout.run("faults")) == 0  # its campaigns use the tests' own means
    (checkout.folder / "requirements.lock").write_text("# nothing, but otherwise\n")
    assert installs(checkout.run("x")) == 1
    assert sorted(path.name for path in checkout.folder.iterdir()) == [
        ".venv",
        "headrace",
        "platform",
        "requirements-dev.lock",
        "requirements.lock",
    ]


def test_a_campaign_of_faults_has_what_it_needs_without_the_tests_having_run(checkout: Checkout) -> None:
    assert installs(checkout.run("faults")) == 2


def test_an_environment_half_made_or_moved_is_made_again(checkout: Checkout) -> None:
    (checkout.folder / ".venv/lib").mkdir(parents=True)
    (checkout.folder / ".venv/unfinished").touch()
    (checkout.folder / ".venv/lib/half").touch()
    assert installs(checkout.run("x")) == 1
    assert not (checkout.folder / ".venv/lib/half").exists()
    moved = checkout.folder.rename(checkout.folder.with_name("moved"))
    checkout.folder = moved
    answer = checkout.run("x")
    assert installs(answer) == 1
    assert answer.stdout == checkout.sees("x")


def test_an_environment_made_before_a_path_was_added_is_told_of_it_and_kept(checkout: Checkout) -> None:
    assert installs(checkout.run("x")) == 1
    (told,) = checkout.folder.glob(".venv/lib/*/site-packages/headrace.pth")
    told.write_text(f"{checkout.folder}/platform\n")
    (checkout.folder / ".venv/introduced").unlink()
    assert installs(checkout.run("x")) == 0
    assert told.read_text().splitlines() == [f"{checkout.folder}/platform", f"{checkout.folder}/clients/python/src"]


def test_two_at_once_install_once(checkout: Checkout) -> None:
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(checkout.run, ["1", "2", "3"]))
    assert sum(map(installs, answers)) == 1
    assert [answer.stdout for answer in answers] == [checkout.sees(word) for word in ("1", "2", "3")]


def test_a_failing_install_says_so_and_leaves_nothing_that_looks_done(checkout: Checkout) -> None:
    (checkout.folder / "requirements.lock").write_text("headrace-has-no-such-package==1 --hash=sha256:" + "0" * 64)
    answer = checkout.run("x", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert answer.returncode == 1
    assert "could not be installed" in answer.stderr
    assert (checkout.folder / ".venv/unfinished").exists()


def test_without_a_python_it_says_what_to_install(checkout: Checkout) -> None:
    tools = checkout.folder.parent / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "cat", "cksum", "id", "tr", "mkdir"):
        (tools / name).symlink_to(shutil.which(name) or "")
    answer = checkout.run("x", PATH=str(tools))
    assert answer.returncode == 1
    assert "Python 3.11" in answer.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_checkout_of_somebody_else_is_left_alone(checkout: Checkout, folder: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    home = folder / "home"
    home.mkdir()
    os.chown(home, nobody, nobody)
    before = sorted(checkout.folder.rglob("*"))
    answer = checkout.run("x", uid=nobody, HOME=str(home))
    assert installs(answer) == 1
    assert f"{home}/.cache/headrace/" in answer.stdout
    assert f"{home}/.local/state/headrace/" in answer.stdout
    assert sorted(checkout.folder.rglob("*")) == before
