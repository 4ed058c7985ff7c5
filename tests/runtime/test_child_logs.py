import asyncio
import io
import json
import os
from pathlib import Path

import pytest

from runtime.child_logs import ChildLogs, LogFormat


class Terminal(io.StringIO):
    def __init__(self, *, is_a_terminal: bool = False) -> None:
        super().__init__()
        self._is_a_terminal = is_a_terminal

    def isatty(self) -> bool:
        return self._is_a_terminal


async def say(logs: ChildLogs, name: str, words: bytes, *, is_quiet: bool = False) -> None:
    writing, lines = await logs.listen(name, is_quiet=is_quiet)
    os.write(writing, words)
    os.close(writing)
    await lines.finish()


async def test_lines_come_under_their_names_and_go_to_a_file_each(tmp_path: Path) -> None:
    terminal = Terminal()
    logs = ChildLogs(tmp_path, terminal, "console")
    await say(logs, "api", "two lines\nthe last unfinished, é".encode())
    logs.say("process.died", child="api", status="SIGKILL")
    logs.close()
    assert terminal.getvalue().splitlines() == [
        "api       │ two lines",
        "api       │ the last unfinished, é",
        "up        │ process.died child=api status=SIGKILL",
    ]
    assert (tmp_path / "api.log").read_text() == "two lines\nthe last unfinished, é\n"


async def test_names_have_colours_on_a_terminal_only(tmp_path: Path) -> None:
    terminal = Terminal(is_a_terminal=True)
    logs = ChildLogs(tmp_path, terminal, "console")
    await say(logs, "api", b"hello\n")
    logs.close()
    assert "\x1b[" in terminal.getvalue()


async def test_json_lines_pass_as_they_are_and_others_are_wrapped(tmp_path: Path) -> None:
    terminal = Terminal()
    logs = ChildLogs(tmp_path, terminal, "json")
    await say(logs, "beat", b'{"event":"tick","n":1}\nplain "words"\n')
    logs.close()
    assert [json.loads(line) for line in terminal.getvalue().splitlines()] == [
        {"event": "tick", "n": 1},
        {"event": 'plain "words"', "process": "beat"},
    ]


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_a_quiet_child_is_heard_in_its_file_and_its_tail_only(tmp_path: Path, log_format: LogFormat) -> None:
    terminal = Terminal()
    logs = ChildLogs(tmp_path, terminal, log_format)
    await say(logs, "postgres", b"".join(b"line %d\n" % number for number in range(30)), is_quiet=True)
    logs.close()
    assert terminal.getvalue() == ""
    assert logs.tail("postgres").splitlines() == [f"line {number}" for number in range(10, 30)]
    assert len(logs.path("postgres").read_text().splitlines()) == 30


async def test_a_line_that_never_ends_is_passed_on_in_pieces(tmp_path: Path) -> None:
    logs = ChildLogs(tmp_path, Terminal(), "console")
    writing, lines = await logs.listen("api", is_quiet=True)
    for _ in range(40):
        os.write(writing, b"x" * 4096)
        await asyncio.sleep(0)
    os.close(writing)
    await lines.finish()
    logs.close()
    kept = logs.path("api").read_text()
    assert len(kept.replace("\n", "")) == 40 * 4096
    assert max(map(len, kept.splitlines())) < 160 * 1024


async def test_a_large_file_makes_room_for_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    logs = ChildLogs(tmp_path, Terminal(), "console")
    await say(logs, "api", b"fresh\n")
    logs.close()
    assert (tmp_path / "api.log").read_text() == "fresh\n"
    assert (tmp_path / "api.1.log").stat().st_size > 10 * 1024 * 1024


async def test_a_terminal_that_went_away_stops_nothing(tmp_path: Path) -> None:
    terminal = Terminal()
    terminal.close()
    logs = ChildLogs(tmp_path, terminal, "json")
    await say(logs, "api", b"still here\n")
    logs.close()
    assert (tmp_path / "api.log").read_text() == "still here\n"
