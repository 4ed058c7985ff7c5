from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.called_api import ADMIN, STRANGER, USER, VIEWER, CalledApi, open_api


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[CalledApi]:
    async with open_api(database_url, redis_url) as opened:
        yield opened


async def begin(api: CalledApi, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    answer = await api.call("POST", "/v1/conversations", given, by=USER)
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


async def test_a_conversation_begins_empty_and_untitled(api: CalledApi) -> None:
    begun = await begin(api)
    assert (begun["title"], begun["messages"], begun["tokens"]) == (None, 0, {"prompt": 0, "output": 0})
    assert (await api.call("GET", f"/v1/conversations/{begun['id']}", by=USER)).json() == begun


async def test_a_message_is_kept_and_its_reply_is_a_job(api: CalledApi) -> None:
    begun = await begin(api)
    path = f"/v1/conversations/{begun['id']}"
    answer = await api.call("POST", f"{path}/messages", {"text": "Where is my order?"}, by=USER)
    job = answer.json()
    [message] = (await api.call("GET", f"{path}/messages", by=USER)).json()["items"]
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["queue"], job["state"]) == ("chat.reply", "chat", "queued")
    assert job["input"] == {"conversation_id": begun["id"], "message_id": message["id"]}
    assert (message["role"], message["text"], message["position"]) == ("user", "Where is my order?", 1)
    assert (await api.call("GET", path, by=USER)).json()["title"] == "Where is my order?"


async def test_a_title_given_is_not_replaced_by_the_first_message(api: CalledApi) -> None:
    begun = await begin(api, title="Orders")
    path = f"/v1/conversations/{begun['id']}"
    await api.call("POST", f"{path}/messages", {"text": "hello"}, by=USER)
    assert (await api.call("GET", path, by=USER)).json()["title"] == "Orders"
    renamed = await api.call("PATCH", path, {"title": "Parcels"}, by=USER)
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Parcels")


async def test_messages_are_listed_page_by_page_newest_first(api: CalledApi) -> None:
    path = f"/v1/conversations/{(await begin(api))['id']}/messages"
    for n in range(3):
        await api.call("POST", path, {"text": f"{n}"}, by=USER)
    first = (await api.call("GET", path, by=USER, limit=2)).json()
    rest = (await api.call("GET", path, by=USER, limit=2, cursor=first["next_cursor"])).json()
    assert [item["text"] for item in [*first["items"], *rest["items"]]] == ["2", "1", "0"]
    assert rest["next_cursor"] is None


async def test_conversations_are_listed_page_by_page_newest_first(api: CalledApi) -> None:
    ids = [(await begin(api))["id"] for _ in range(3)]
    first = (await api.call("GET", "/v1/conversations", by=USER, limit=2)).json()
    rest = (await api.call("GET", "/v1/conversations", by=USER, limit=2, cursor=first["next_cursor"])).json()
    assert [item["id"] for item in [*first["items"], *rest["items"]]] == ids[::-1]


async def test_a_deleted_conversation_is_gone_with_its_messages(api: CalledApi) -> None:
    path = f"/v1/conversations/{(await begin(api))['id']}"
    await api.call("POST", f"{path}/messages", {"text": "hello"}, by=USER)
    assert (await api.call("DELETE", path, by=USER)).status_code == 204
    for method, called in (("GET", path), ("DELETE", path), ("GET", f"{path}/messages")):
        assert (await api.call(method, called, by=USER)).status_code == 404


@pytest.mark.parametrize("by", [ADMIN, STRANGER])
async def test_a_conversation_is_its_callers_alone(api: CalledApi, by: str) -> None:
    path = f"/v1/conversations/{(await begin(api))['id']}"
    answers = [
        await api.call("GET", path, by=by),
        await api.call("PATCH", path, {"title": "mine"}, by=by),
        await api.call("DELETE", path, by=by),
        await api.call("GET", f"{path}/messages", by=by),
        await api.call("POST", f"{path}/messages", {"text": "hello"}, by=by),
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "conversation_not_found")] * 5
    assert (await api.call("GET", "/v1/conversations", by=by)).json()["items"] == []
    assert (await api.call("GET", "/v1/jobs")).json()["items"] == []


async def test_a_conversation_begins_without_a_body_and_without_a_title(api: CalledApi) -> None:
    answer = await api.call("POST", "/v1/conversations", by=USER)
    assert (answer.status_code, answer.json()["title"]) == (201, None)


async def test_who_may_not_chat_begins_nothing(api: CalledApi) -> None:
    assert (await api.call("POST", "/v1/conversations", {}, by=VIEWER)).status_code == 403


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 20_001}, {"text": "x", "role": "assistant"}])
async def test_what_is_no_message_is_refused(api: CalledApi, body: dict[str, Any]) -> None:
    path = f"/v1/conversations/{(await begin(api))['id']}/messages"
    assert (await api.call("POST", path, body, by=USER)).status_code == 422


async def test_replies_are_made_by_messages_only(api: CalledApi) -> None:
    begun = await begin(api)
    submission = {
        "kind": "chat.reply",
        "input": {"conversation_id": begun["id"], "message_id": "msg_" + "0" * 32},
    }
    assert (await api.call("POST", "/v1/jobs", submission, by=USER)).status_code == 422
