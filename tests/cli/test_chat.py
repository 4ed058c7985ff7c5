"""`headrace chat` against a stand-in for the API."""

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

CONVERSATION = "conv_0198"
ENDED = (
    'event: succeeded\nid: 9\ndata: {"job_id":"job_1","state":"succeeded","error":null,"message":{"id":"msg_2",'
    '"position":2,"role":"assistant","text":"All is well.","reply_to":"msg_1","engine":"local","partial":false,'
    '"edit_of":null,"reply_job_id":null,"blocked":null,"superseded_at":null,"created_at":"2026-11-23T06:00:00Z"}}\n\n'
)
STREAM = (
    'event: snapshot\ndata: {"job_id":"job_1","state":"queued","reply_to":"msg_1","text":""}\n\n'
    'event: delta\nid: 7\ndata: {"text":"All \\u001b[2J","start":0}\n\n'
    'event: snapshot\nid: 8\ndata: {"job_id":"job_1","state":"running","reply_to":"msg_1","text":"All is"}\n\n'
    'event: delta\nid: 8\ndata: {"text":" well.","start":6}\n\n'
)


@pytest.fixture(autouse=True)
def conversation(api: ApiStandIn) -> None:
    api.answers("POST", "/v1/conversations", {"id": CONVERSATION}, 201)
    api.answers("GET", f"/v1/conversations/{CONVERSATION}", {"id": CONVERSATION})
    told = {"Content-Type": "text/event-stream"}
    api.answers("POST", f"/v1/conversations/{CONVERSATION}/stream", (STREAM + ENDED).encode(), headers=told)


def test_a_reply_is_printed_as_it_comes_and_nothing_in_it_steers_the_terminal(api: ApiStandIn, run: Run) -> None:
    result = run("chat", "Is all well?")
    assert result.exit_code == 0
    assert result.stdout == "All \ufffd[2J\nAll is well.\n"
    assert "begins anew" in result.stderr
    assert f"--conversation {CONVERSATION}" in result.stderr
    assert api.last("POST", f"/v1/conversations/{CONVERSATION}/stream").json() == {"text": "Is all well?"}


def test_a_program_gets_the_message_once_it_is_whole(run: Run) -> None:
    result = run("chat", "-", "--conversation", CONVERSATION, "-o", "json", stdin="Is all well?")
    assert msgspec.json.decode(result.stdout)["text"] == "All is well."


def test_without_a_question_there_is_nothing_to_ask(run: Run) -> None:
    assert run("chat", stdin=" ").exit_code == 2
