"""The client as somebody else has it: its wheel, in an environment with what it asks for and nothing more."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

import headrace
from tests.clients.readme import PACKAGE, examples

PROGRAMS = Path(sys.executable).parent
ALLOWED = {"httpx", "httpcore", "h11", "anyio", "sniffio", "idna", "certifi", "msgspec", "typing-extensions"}

pytestmark = pytest.mark.timeout(300)

TYPED = """
import asyncio
from typing import Any, assert_type

from headrace import AsyncHeadrace, AsyncJob, Headrace, Job, NewJob, webhooks
from headrace.models import CartLine, OrderPlaced, Product, State, Summarize, Summary

with Headrace("http://127.0.0.1:1", "hr_key") as client:
    job = client.text.summarize("Long.", max_chars=100, tags=["a"], delay=5, unique_for="1h", webhook="https://x.example")
    assert_type(job, Job[Summary])
    assert_type(job.result(), Summary)
    assert_type(job.result().summary, str)
    assert_type(client.jobs.submit(Summarize(text="Long.")), Job[Summary])
    assert_type(client.jobs.submit("reports.write", {"year": 2026}), Job[Any])
    assert_type(client.jobs.get("job_1", Summarize), Job[Summary])
    assert_type(client.orders.place([CartLine(product_id="product_1", quantity=1)]).result(), OrderPlaced)
    assert_type([product for product in client.products.list(in_stock=True)], list[Product])
    assert_type(job.state, State)
    for event in job.events():
        assert_type(event.text, str)
    client.batches.submit(NewJob("text.moderate", {"text": each}, priority=1) for each in ("a", "b"))
    assert_type(webhooks.verify(b"", {}, "whsec_").id, str)


async def main() -> None:
    async with AsyncHeadrace() as client:
        job = await client.text.summarize("Long.")
        assert_type(job, AsyncJob[Summary])
        assert_type(await job.result(), Summary)
        assert_type([each.id async for each in client.jobs.list(state="failed")], list[str])


asyncio.run(main())
"""
# Each line is a mistake that an editor should show.
MISTAKEN = """
from headrace import Headrace

client = Headrace()
client.text.summarize("Long.", max_chars="many")
client.text.summarize("Long.", max_charts=1)
client.text.summarize("Long.", piority=1)
client.text.generate("poem", "Roses.")
client.text.summarize("Long.").result().text
client.jobs.list(state="done")
if client.jobs.get("job_1").state == "finished":
    pass
"""


class Installed(NamedTuple):
    python: Path
    packages: Path
    wheel: Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("client")
    run([PROGRAMS / "hatchling", "build", "-t", "wheel", "-d", folder], cwd=PACKAGE)
    run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
    python = folder / "venv/bin/python"
    packages = Path(run([python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)  # all that installing a wheel of pure Python does
    for name in required_by(metadata.distributions(path=[str(packages)])):
        copy_distribution(metadata.distribution(name), packages)
    return Installed(python, packages, wheel)


def test_its_wheel_holds_the_package_and_its_types_and_nothing_else(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} == {"headrace", f"headrace_client-{headrace.__version__}.dist-info"}
    assert "headrace/py.typed" in names
    sources = {path.relative_to(PACKAGE / "src").as_posix() for path in (PACKAGE / "src").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources


def test_it_asks_for_little_and_takes_what_the_platform_has_locked(installed: Installed) -> None:
    wanted = required_by(metadata.distributions(path=[str(installed.packages)]))
    assert set(wanted) <= ALLOWED
    for name, requirements in wanted.items():
        assert all(each.specifier.contains(metadata.version(name)) for each in requirements), (name, requirements)


def test_it_works_with_no_platform_on_the_path(installed: Installed) -> None:
    program = (
        "import importlib.util, sys, headrace, headrace.webhooks\n"
        "assert headrace.__file__.startswith(sys.prefix), headrace.__file__\n"
        "assert not any(map(importlib.util.find_spec, ('domain', 'api', 'cli', 'litestar', 'celery', 'sqlalchemy')))\n"
        "try: headrace.Headrace('http://127.0.0.1:1', 'hr_key', max_retries=0).me()\n"
        "except headrace.Unreachable as error: print(error)\n"
        "import asyncio\n"
        "async def main():\n"
        "    async with headrace.AsyncHeadrace('http://127.0.0.1:1', 'hr_key', max_retries=0) as client:\n"
        "        try: await client.text.summarize('Long.')\n"
        "        except headrace.Unreachable as error: print(error)\n"
        "asyncio.run(main())\n"
    )
    said = run([installed.python, "-I", "-W", "error", "-c", program])
    assert said.count("No Headrace answers at http://127.0.0.1:1") == 2


def test_scripts_that_use_it_pass_the_strictest_checkers(installed: Installed, tmp_path: Path) -> None:
    for number, text in enumerate([TYPED, *examples()]):
        (tmp_path / f"example_{number}.py").write_text(text, encoding="utf-8")
    for checker in checkers(installed):
        answer = check(checker, tmp_path)
        assert answer.returncode == 0, answer.stdout


def test_every_mistake_in_a_script_is_shown_by_both_checkers(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "mistaken.py").write_text(MISTAKEN, encoding="utf-8")
    wrong = set(range(5, 12))
    for checker in checkers(installed):
        answer = check(checker, tmp_path)
        shown = {int(number) for number in re.findall(r"mistaken\.py:(\d+):.*\berror\b", answer.stdout)}
        assert wrong <= shown, answer.stdout


def checkers(installed: Installed) -> tuple[list[str | Path], ...]:
    return (
        [PROGRAMS / "mypy", "--strict", "--no-incremental", "--config-file=", "--python-executable", installed.python],
        [PROGRAMS / "basedpyright", "--pythonpath", installed.python],
    )


def check(checker: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    return subprocess.run([*checker, "."], cwd=folder, env=environ(), capture_output=True, text=True, check=False)  # noqa: S603 - our own words


def run(words: list[str | Path], *, cwd: Path | None = None) -> str:
    answer = subprocess.run(words, cwd=cwd, env=environ(), capture_output=True, text=True, check=False)  # noqa: S603 - as above
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def environ() -> dict[str, str]:
    hidden = ("PYTHON", "MYPY", "HEADRACE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def required_by(distributions: Iterable[metadata.Distribution]) -> dict[str, list[Requirement]]:
    """What these ask for on this machine, and what that asks for in turn, by name."""
    found: dict[str, list[Requirement]] = {}
    waiting = [line for each in distributions for line in each.requires or ()]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = requirement.name.lower().replace("_", "-")
        if name not in found:
            waiting += metadata.requires(name) or ()
        found.setdefault(name, []).append(requirement)
    return found


def copy_distribution(distribution: metadata.Distribution, packages: Path) -> None:
    """Put what is installed here there as well; its commands are nobody's need."""
    here = Path(sysconfig.get_path("purelib"))
    for file in distribution.files or ():
        source = Path(str(distribution.locate_file(file))).resolve()
        if source.is_relative_to(here) and source.suffix != ".pyc":
            target = packages / source.relative_to(here)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
