import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest

import runtime
from runtime.child_logs import ChildLogs
from runtime.processes import started_at
from runtime.programs import Program
from runtime.readiness import is_marked
from runtime.supervisor import PATIENT, RUN, Patience, StartFailed, Supervisor, patience_of

IMPATIENT = Patience(
    starting_seconds=10.0, first_pause_seconds=0.02, longest_pause_seconds=0.05, healthy_seconds=3600.0
)
# Marks itself ready as our processes do, says so, and stops when told to, or not.
OBEYS = 'trap "echo bye; exit 0" TERM; touch "run/$$.ready"; echo up; while :; do sleep 0.02; done'
REFUSES = 'trap "" TERM; touch "run/$$.ready"; while :; do sleep 0.02; done'


class House:
    """A supervisor over a folder, with what it printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = io.StringIO()
        self.logs = ChildLogs(folder / "logs", self.printed, "json")
        self.supervisor = Supervisor(folder, self.logs, IMPATIENT)

    def program(self, name: str, script: str, *, grace_seconds: float = 10.0) -> Program:
        async def is_ready(pid: int) -> bool:
            return is_marked(self.folder, pid)

        return Program(
            name=name,
            command=("/bin/sh", "-c", f'cd "$HERE"; {script}'),
            environ={"PATH": os.defpath, "HERE": str(self.folder)},
            is_ready=is_ready,
            grace_seconds=grace_seconds,
        )

    async def run(self, *stages: list[Program], then: Callable[[], Awaitable[None]]) -> None:
        """Start the stages, do `then`, and stop as Ctrl-C does."""

        async def start() -> None:
            for stage in stages:
                await self.supervisor.start(*stage)
            await then()
            os.kill(os.getpid(), signal.SIGINT)

        await self.supervisor.run(start)

    @property
    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.printed.getvalue().splitlines()]

    def said(self, event: str) -> list[str]:
        return [line["process"] for line in self.lines if line["event"] == event]


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    house = House(tmp_path)
    yield house
    house.logs.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # what is waited for happens in other processes
            await asyncio.sleep(0.005)


async def test_a_stage_waits_for_the_one_before_it_and_stops_before_it(house: House) -> None:
    seen: dict[str, int] = {}

    async def then() -> None:
        seen.update(house.supervisor.pids)

    await house.run(
        [house.program("first", OBEYS)], [house.program("second", OBEYS), house.program("third", OBEYS)], then=then
    )
    assert list(seen) == ["first", "second", "third"]
    assert house.said("up")[0] == "first"
    assert house.said("bye")[-1] == "first"
    assert sorted(house.said("bye")) == ["first", "second", "third"]
    assert not any(map(started_at, seen.values()))


async def test_a_process_that_is_killed_is_started_again(house: House) -> None:
    async def then() -> None:
        before = house.supervisor.pids["one"]
        os.kill(before, signal.SIGKILL)
        await until(lambda: house.supervisor.pids.get("one", before) != before)

    await house.run([house.program("one", OBEYS)], then=then)
    died = next(line for line in house.lines if line["event"] == "process.died")
    assert (died["child"], died["status"]) == ("one", "SIGKILL")


async def test_each_try_waits_twice_as_long_up_to_the_longest_pause(house: House) -> None:
    async def then() -> None:
        (house.folder / "fail").touch()
        os.kill(house.supervisor.pids["one"], signal.SIGKILL)
        await until(lambda: house.printed.getvalue().count("process.died") >= 4)

    await house.run([house.program("one", f"test -e fail && exit 3; {OBEYS}")], then=then)
    pauses = [float(line["again_in_seconds"]) for line in house.lines if line["event"] == "process.died"]
    assert pauses[:4] == [0.02, 0.04, 0.05, 0.05]


async def test_a_process_that_ends_by_itself_while_starting_fails_the_start_with_its_last_words(house: House) -> None:
    async def then() -> None:
        pytest.fail("the start did not fail")

    other = house.program("other", OBEYS)
    with pytest.raises(StartFailed, match=r"(?s)one ended with 7 while starting.*no such thing"):
        await house.run([other], [house.program("one", "echo no such thing >&2; exit 7")], then=then)
    assert house.said("bye") == ["other"]


async def test_a_process_that_is_never_ready_fails_the_start(house: House) -> None:
    house.supervisor = Supervisor(house.folder, house.logs, Patience(starting_seconds=0.2))
    with pytest.raises(StartFailed, match="one was not ready within 0 s"):
        await house.supervisor.run(lambda: house.supervisor.start(house.program("one", "sleep 60")))
    assert house.supervisor.pids == {}


async def test_a_process_that_does_not_stop_in_its_grace_is_killed(house: House) -> None:
    async def then() -> None:
        pass

    await house.run([house.program("deaf", REFUSES, grace_seconds=0.1)], then=then)
    assert [line["event"] for line in house.lines][-1] == "process.killed"


async def test_a_second_signal_does_not_wait_for_the_grace(house: House) -> None:
    async def then() -> None:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)

    began = time.monotonic()
    await house.run([house.program("deaf", REFUSES, grace_seconds=60)], then=then)
    assert time.monotonic() - began < 10
    assert [line["event"] for line in house.lines][1:] == ["stopping.by_force", "process.killed"]


async def test_what_a_process_leaves_behind_ends_with_it(house: House) -> None:
    async def then() -> None:
        await until((house.folder / "grandchild").exists)

    script = f'sh -c "trap : TERM; echo \\$\\$ > part; mv part grandchild; while :; do sleep 0.02; done" & {OBEYS}'
    await house.run([house.program("parent", script)], then=then)
    grandchild = int((house.folder / "grandchild").read_text())
    await until(lambda: started_at(grandchild) is None)


async def test_a_program_that_runs_to_its_end_may_not_fail(house: House) -> None:
    async def start() -> None:
        await house.supervisor.finish(house.program("good", "echo done"))
        await house.supervisor.finish(house.program("bad", "echo the reason; exit 4"))

    with pytest.raises(StartFailed, match=r"bad ended with 4\.\nthe reason"):
        await house.supervisor.run(start)
    assert house.said("done") == ["good"]


async def test_a_stop_while_starting_stops_what_runs(house: House) -> None:
    async def start() -> None:
        await house.supervisor.start(house.program("ready", OBEYS))
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
        await house.supervisor.start(house.program("slow", 'trap "exit 0" TERM; while :; do sleep 0.02; done'))

    await house.supervisor.run(start)
    assert house.said("bye") == ["ready"]
    assert list((house.folder / RUN).iterdir()) == []


SCRIPT = """
import asyncio, sys
from pathlib import Path
from runtime.child_logs import ChildLogs
from runtime.programs import Program
from runtime.supervisor import Supervisor

async def main(folder):
    supervisor = Supervisor(folder, ChildLogs(folder / "logs", sys.stderr, "json"))
    async def start():
        await supervisor.start(Program(name="child", command=("/bin/sleep", "600"), environ={}))
        print(supervisor.pids["child"], flush=True)
    await supervisor.run(start)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends them")
async def test_a_killed_supervisor_leaves_no_orphans(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    environ = {"PYTHONPATH": str(Path(runtime.__file__).parents[1])}
    with subprocess.Popen(  # noqa: ASYNC220, S603 # nothing else runs here, and the words are our own
        command, stdout=subprocess.PIPE, env=environ
    ) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        assert started_at(child)
        supervisor.kill()
    await until(lambda: started_at(child) is None)


def test_the_pauses_between_tries_keep_their_proportions() -> None:
    assert patience_of(1.0) == PATIENT
    assert patience_of(0.1) == Patience(first_pause_seconds=0.1, longest_pause_seconds=3.0, healthy_seconds=3.0)
