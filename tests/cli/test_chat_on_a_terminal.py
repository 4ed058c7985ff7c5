"""`headrace chat` on a terminal: Ctrl-C stops the reply at the server, wherever it is, and nothing else."""

import os
import pty
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api_stand_in import ApiStandIn

CONVERSATION = "conv_0198"
PATH = f"/v1/conversations/{CONVERSATION}"
BEGUN = (
    b'event: snapshot\ndata: {"job_id":"job_1","state":"running","reply_to":"msg_1","text":""}\n\n'
    b'event: delta\nid: 7\ndata: {"text":"All is ","start":0}\n\n'
)
CTRL_C, CTRL_D = b"\x03", b"\x04"
_PATIENCE_SECONDS = 30.0


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command: str, environ: dict[str, str]) -> None:
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in a script's background
            os.execve(command[0], command, {**os.environ, **environ})  # noqa: S606 - ours
        os.set_blocking(self._end, False)
        self.shown = b""

    def type(self, keys: bytes) -> None:
        os.write(self._end, keys)

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Read on until it is so."""
        patience_ends = time.monotonic() + _PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < patience_ends, self.shown.decode()
            self._read()
            time.sleep(0.01)  # the other side's doing is what is waited for

    def wait_for(self, words: bytes) -> None:
        """Read on until this is shown, after what was waited for before."""
        self.wait(lambda: words in self.shown)
        self.shown = self.shown.partition(words)[2]

    def ended_by(self) -> int:
        """Its exit status; minus the number of the signal that ended it."""
        ended: list[int] = []

        def is_over() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            ended.extend([status] if pid else [])
            return bool(pid)

        self.wait(is_over)
        self._read()
        os.close(self._end)
        return os.waitstatus_to_exitcode(ended[0])

    def _read(self) -> None:
        try:
            while piece := os.read(self._end, 4096):
                self.shown += piece
        except OSError:  # nothing to be read, or nobody there
            return


@pytest.fixture
def chat(api: ApiStandIn, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    api.answers("POST", "/v1/conversations", {"id": CONVERSATION}, 201)
    api.answers("POST", "/v1/jobs/job_1/cancel", {"id": "job_1", "kind": "chat.reply", "state": "running"}, 202)
    environ = {"HEADRACE_URL": api.url, "HEADRACE_API_KEY": "hr_key", "HEADRACE_DATA_DIR": str(tmp_path / "data")}
    command = (str(Path(sys.executable).parent / "headrace"), "chat")
    yield lambda *arguments: Terminal(*command, *arguments, environ=environ)
    api.let_go.set()


def asked(api: ApiStandIn, method: str, path: str) -> bool:
    return any((one.method, one.path) == (method, path) for one in api.asked)


def test_a_reply_is_stopped_and_the_command_ends_as_of_ctrl_c(api: ApiStandIn, chat: Callable[..., Terminal]) -> None:
    api.hangs("POST", f"{PATH}/stream", BEGUN)
    terminal = chat("Is all well?")
    terminal.wait_for(b"All is ")
    terminal.type(CTRL_C)
    assert terminal.ended_by() == -signal.SIGINT
    assert asked(api, "POST", "/v1/jobs/job_1/cancel")
    assert b"Cancelled" in terminal.shown
    assert b"Traceback" not in terminal.shown


def test_in_a_talk_a_reply_is_stopped_and_the_prompt_comes_back(api: ApiStandIn, chat: Callable[..., Terminal]) -> None:
    api.hangs("POST", f"{PATH}/stream", BEGUN)
    terminal = chat()
    terminal.wait_for(b"> ")
    terminal.type(b"Is all well?\n")
    terminal.wait_for(b"All is ")
    terminal.type(CTRL_C)
    terminal.wait_for(b"> ")
    terminal.type(CTRL_D)
    assert terminal.ended_by() == 0
    assert asked(api, "POST", "/v1/jobs/job_1/cancel")


def test_a_reply_nobody_has_heard_of_yet_is_stopped_as_well(api: ApiStandIn, chat: Callable[..., Terminal]) -> None:
    api.hangs("POST", f"{PATH}/stream")
    written = {"items": [{"text": "Is all well?", "reply_job_id": "job_1"}], "next_cursor": None}
    api.answers("GET", f"{PATH}/messages", written)
    terminal = chat()
    terminal.wait_for(b"> ")
    terminal.type(b"Is all well?\n")
    terminal.wait(lambda: asked(api, "POST", f"{PATH}/stream"))
    terminal.type(CTRL_C)
    terminal.wait_for(b"> ")
    terminal.type(CTRL_D)
    assert terminal.ended_by() == 0
    assert asked(api, "POST", "/v1/jobs/job_1/cancel")


def test_a_reply_that_was_whole_by_then_is_not_said_to_be_cancelled(
    api: ApiStandIn, chat: Callable[..., Terminal]
) -> None:
    api.hangs("POST", f"{PATH}/stream")
    reply = {"id": "msg_2", "role": "assistant", "text": "All is well.", "reply_to": "msg_1", "reply_job_id": None}
    question = {"id": "msg_1", "role": "user", "text": "Is all well?", "reply_to": None, "reply_job_id": "job_1"}
    api.answers("GET", f"{PATH}/messages", {"items": [reply, question], "next_cursor": None})
    terminal = chat("Is all well?")
    terminal.wait(lambda: asked(api, "POST", f"{PATH}/stream"))
    terminal.type(CTRL_C)
    assert terminal.ended_by() == -signal.SIGINT
    assert b"Not cancelled: the reply was whole already" in terminal.shown
    assert not asked(api, "POST", "/v1/jobs/job_1/cancel")
