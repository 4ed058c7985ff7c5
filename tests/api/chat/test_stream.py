"""A reply as a stream, read from a real server, and what changes the course of a conversation."""

import asyncio
import socket
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

import api.envelope
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from runtime.news import News
from runtime.streams import Piece, Place, ReplyStreams, Writing
from runtime.unique_ids import new_id
from runtime.wakeups import TOKENS
from storage.chat_summaries import add_summary, read_said
from storage.jobs import Settlement, settle_jobs
from tests.api.conftest import House
from tests.api.events.test_slow_readers import is_open
from tests.support.sse import Frame
from tests.support.sse import frames as tell
from tests.support.stream_reads import Reads

FAILED = Verdict(state=State.FAILED)


async def say(house: House, text: str = "Where is it?") -> tuple[str, dict[str, Any]]:
    """A conversation's path, and the job that replies to its first message."""
    path = f"/v1/conversations/{(await house.client.post('/v1/conversations', json={})).json()['id']}"
    answer = await house.client.post(f"{path}/messages", json={"text": text})
    assert answer.status_code == 202
    return path, answer.json()


async def read(house: House, url: str, **headers: str) -> list[Frame]:
    given = {"Authorization": house.client.headers["Authorization"], **headers}
    return [frame async for frame in tell(url, given)]


def text_of(told: list[Frame]) -> str:
    """What a client has on its page: a snapshot replaces, a delta adds."""
    text = ""
    for frame in told:
        if frame.get("event") == "snapshot":
            text = frame["data"]["text"]
        elif frame.get("event") == "delta":
            assert frame["data"]["start"] == len(text)
            text += frame["data"]["text"]
    return text


async def write(house: House, job_id: str, lease: str, *pieces: str) -> None:
    async with ReplyStreams(house.wakeups).writing(job_id, lease) as writing:
        for piece in pieces:
            writing.add(piece)
            await writing._send()  # noqa: SLF001 - each piece an entry of its own


async def write_on(house: House, job_id: str, lease: str, piece: str) -> None:
    """A piece, and it is not the last."""
    one = Writing(house.wakeups.redis, job_id, int(lease[6:18], 16))
    one.add(piece)
    await one._send()  # noqa: SLF001 - not in the background


async def test_who_comes_late_is_told_the_text_and_the_end(house: House, address: str) -> None:
    path, job = await say(house)
    lease = await house.claim(job["id"])
    await write(house, job["id"], lease, "All ", "will be ", "well.")
    await house.settle(job["id"], lease, FAILED)
    told = await read(house, f"{address}{path}/stream")
    assert [frame["event"] for frame in told] == ["snapshot", "failed"]
    assert told[0]["data"]["text"] == "All will be well."


async def test_no_token_is_lost_or_doubled_wherever_a_connection_breaks(house: House, address: str) -> None:
    path, job = await say(house)
    lease = await house.claim(job["id"])
    stream = tell(f"{address}{path}/stream", {"Authorization": house.client.headers["Authorization"]})
    seen = [await anext(stream)]
    async with ReplyStreams(house.wakeups).writing(job["id"], lease) as writing:
        for piece in ("All ", "will ", "be ", "wéll."):
            writing.add(piece)
            while text_of(seen) != writing._text:  # noqa: SLF001 - what was added so far
                seen.append(await anext(stream))
    await house.settle(job["id"], lease, FAILED)
    seen += [frame async for frame in stream]
    for at, frame in enumerate(seen[:-1]):
        if "id" not in frame:
            continue
        rest = await read(house, f"{address}{path}/stream", **{"Last-Event-ID": frame["id"]})
        before, after = text_of(seen[: at + 1]), [one for one in rest if one["event"] == "delta"]
        assert before + "".join(one["data"]["text"] for one in after) == "All will be wéll."
        assert text_of(rest) == "All will be wéll."
    gone = await house.client.get(f"{path}/stream", headers={"Last-Event-ID": seen[-1]["id"]})
    assert gone.status_code == 204


async def test_a_new_reply_is_told_as_it_is_written_and_its_stream_is_not_read(
    house: House, address: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.chat.stream._BEGINS_SECONDS", 5.0)  # a busy machine takes as long
    conversation = (await house.client.post("/v1/conversations", json={})).json()["id"]
    url = f"{address}/v1/conversations/{conversation}/stream"
    texts = News()
    async with house.wakeups.listening("any") as jobs:
        with ReplyStreams(house.wakeups).hearing("any", lambda _: texts.tell()):
            assert await jobs.wait(20), "subscribed"
            assert await texts.wait(20), "subscribed"
    reads = Reads(redis_url)
    headers = {"Authorization": house.client.headers["Authorization"]}
    async with aclosing(tell(url, headers, sent={"text": "Where is it?"})) as stream:
        seen = [await anext(stream)]
        assert reads.since() == 0, "nothing can have been written"
        job_id = seen[0]["data"]["job_id"]
        async with ReplyStreams(house.wakeups).writing(job_id, new_id("lease")) as writing:
            for piece in ("All ", "will be ", "well."):
                writing.add(piece)
                while text_of(seen) != writing._text:  # noqa: SLF001 - what was added so far
                    seen.append(await anext(stream))
            assert reads.since() == 0, "it was told"
        await house.settle(job_id, await house.claim(job_id), FAILED)
        seen += [frame async for frame in stream]
    assert [frame["event"] for frame in seen] == ["snapshot", "snapshot", "delta", "delta", "failed"]


async def test_an_attempt_after_another_begins_the_text_anew_and_fences_the_first(house: House, address: str) -> None:
    path, job = await say(house)
    await house.claim(job["id"])
    first, second = new_id("lease"), new_id("lease")
    second = second[:6] + f"{int(first[6:18], 16) + 5:012x}" + second[18:]
    await write(house, job["id"], first, "All will")
    await write(house, job["id"], second, "Nothing")
    await write(house, job["id"], first, "All will be well.")
    stream = tell(f"{address}{path}/stream", {"Authorization": house.client.headers["Authorization"]})
    assert (await anext(stream))["data"]["text"] == "Nothing"
    await stream.aclose()


async def test_a_message_sent_again_under_its_key_is_told_from_where_it_broke_off(house: House, address: str) -> None:
    path = f"/v1/conversations/{(await house.client.post('/v1/conversations', json={})).json()['id']}"
    url = f"{address}{path}/stream"
    headers = {"Authorization": house.client.headers["Authorization"], "Idempotency-Key": "once"}
    asked = {"text": "Where is it?"}
    async with httpx.AsyncClient(timeout=20, headers=headers) as client:
        async with client.stream("POST", url, json=asked) as first:
            job_id = first.headers["location"].rpartition("/")[2]
            assert "idempotency-replayed" not in first.headers
        lease = await house.claim(job_id)
        await write(house, job_id, lease, "All ", "will be ", "well.")
        await house.settle(job_id, lease, FAILED)
        seen = await place_of(house, job_id, 2)
        again = await client.post(url, json=asked, headers={"Last-Event-ID": seen})
        other = await client.post(url, json={"text": "Where is she?"})
    assert (again.headers["location"], again.headers["idempotency-replayed"]) == (f"/v1/jobs/{job_id}", "true")
    assert '"text":"All will be "' in again.text.partition("event: delta")[0]
    assert 'data: {"text":"well.","start":12}' in again.text
    assert other.status_code == 422
    assert len((await house.client.get(f"{path}/messages")).json()["items"]) == 1


async def place_of(house: House, job_id: str, count: int) -> str:
    """The id of the frame that told so many pieces."""
    pieces = await ReplyStreams(house.wakeups).read(job_id)
    told = "".join([piece.text for piece in pieces if piece.text][:count])
    return str(Place(pieces[0].generation, len(told)).number)


async def test_who_reads_no_word_of_a_reply_is_cut_off_and_has_all_of_it_later(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.envelope, "_LONGEST_SEND_SECONDS", 0.2)
    path, job = await say(house)
    lease = await house.claim(job["id"])
    where, key = urlsplit(address), house.client.headers["Authorization"]
    with socket.socket() as never:
        never.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        never.connect((where.hostname, where.port))
        never.sendall(f"GET {path}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        # two attempts: what one writes fits into the kernel
        for one in (f"{lease[:6]}{int(lease[6:18], 16) - 5:012x}{lease[18:]}", lease):
            await write(house, job["id"], one, *["\N{GRINNING FACE}" * 250_000] * 4)
        async with asyncio.timeout(20):
            while is_open(never):
                await asyncio.sleep(0.02)  # the kernel knows; nothing tells of it
    await house.settle(job["id"], lease, FAILED)
    [snapshot, _] = await read(house, f"{address}{path}/stream")
    assert len(snapshot["data"]["text"]) == 1_000_000


async def test_the_events_of_the_job_tell_the_text_before_its_end(house: House, address: str) -> None:
    _, job = await say(house)
    lease = await house.claim(job["id"])
    await write(house, job["id"], lease, "All will be well.")
    await house.settle(job["id"], lease, FAILED)
    told = await read(house, f"{address}/v1/jobs/{job['id']}/events")
    assert [frame["event"] for frame in told] == ["snapshot", "queued", "started", "delta", "failed"]
    assert told[3]["data"]["text"] == "All will be well."


@pytest.mark.parametrize("path", ["/v1/jobs/{job}/events", "{conversation}/stream"])
async def test_a_reply_that_ended_before_all_of_it_was_heard_is_told_whole(
    house: House, address: str, redis_url: str, path: str
) -> None:
    conversation, job = await say(house)
    job_id = job["id"]
    lease = await house.claim(job_id)
    url = f"{address}{path.format(job=job_id, conversation=conversation)}"
    async with aclosing(tell(url, {"Authorization": house.client.headers["Authorization"]})) as stream:
        await write_on(house, job_id, lease, "All ")
        told = ""
        while told != "All ":
            told += (await anext(stream))["data"].get("text", "")
        async with Redis.from_url(redis_url) as silent, house.database.begin() as tx:
            generation = int(lease[6:18], 16)
            for start, text in ((4, "will be "), (12, "well.")):
                await silent.xadd(f"hr:reply:{job_id}", {"s": start, "t": text}, id=f"{generation}-{start + len(text)}")
            await settle_jobs(tx, [Settlement(job_id=job_id, lease=lease, verdict=FAILED)])
        piece = msgspec.json.encode(Piece(generation, 4, "will be ")).decode()
        await house.wakeups.redis.publish(TOKENS, f"{job_id} {piece}")
        rest = [frame async for frame in stream]
    assert told + "".join(frame["data"]["text"] for frame in rest if frame["event"] == "delta") == "All will be well."
    assert rest[-1]["event"] == "failed"


async def test_another_callers_conversation_has_no_stream(house: House) -> None:
    path, _ = await say(house)
    assert (await house.stranger.get(f"{path}/stream")).status_code == 404
    assert (await house.stranger.post(f"{path}/stream", json={"text": "hello"})).status_code == 404


async def test_a_conversation_without_a_reply_has_nothing_to_follow(house: House) -> None:
    begun = (await house.client.post("/v1/conversations", json={})).json()
    assert (await house.client.get(f"/v1/conversations/{begun['id']}/stream")).status_code == 204


async def test_an_edit_supersedes_what_came_after_and_keeps_it(house: House) -> None:
    path, job = await say(house)
    [first] = (await house.client.get(f"{path}/messages")).json()["items"]
    refused = await house.client.patch(f"{path}/messages/{first['id']}", json={"text": "Where is she?"})
    assert (refused.status_code, refused.json()["code"]) == (409, "reply_under_way")
    await house.run(job["id"], FAILED)
    edited = await house.client.patch(f"{path}/messages/{first['id']}", json={"text": "Where is she?"})
    assert edited.status_code == 202
    [now] = (await house.client.get(f"{path}/messages")).json()["items"]
    everything = (await house.client.get(f"{path}/messages", params={"superseded": True})).json()["items"]
    assert (now["text"], now["edit_of"], now["reply_job_id"]) == ("Where is she?", first["id"], edited.json()["id"])
    assert [one["text"] for one in everything] == ["Where is she?", "Where is it?"]


async def test_the_summary_is_shown_until_what_it_covers_is_edited(house: House) -> None:
    path, job = await say(house)
    await house.run(job["id"], FAILED)
    async with house.database.begin() as tx:
        asked = job["input"]
        said = await read_said(
            tx,
            house.tenant_id,
            (await house.client.get("/v1/me")).json()["user_id"],
            **asked,
            covered=0,
            limit=9,
        )
        await add_summary(tx, asked["conversation_id"], "They ask.", engine="local", before=None, of=said)
    shown = (await house.client.get(path)).json()["summary"]
    assert (shown["text"], shown["messages"], shown["engine"]) == ("They ask.", 1, "local")
    assert (await house.client.get("/v1/conversations")).json()["items"][0]["summary"] is None
    await house.client.patch(f"{path}/messages/{asked['message_id']}", json={"text": "Where is she?"})
    assert (await house.client.get(path)).json()["summary"] is None


async def test_a_message_is_answered_anew_once_at_a_time(house: House) -> None:
    path, job = await say(house)
    await house.run(job["id"], FAILED)
    [asked] = (await house.client.get(f"{path}/messages")).json()["items"]
    answers: list[httpx.Response] = [
        await house.client.post(f"{path}/messages/{asked['id']}/regenerate") for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [202, 409]
    assert answers[0].json()["input"]["message_id"] == asked["id"]


@pytest.mark.parametrize("message_id", ["msg_" + "0" * 32, "nothing"])
async def test_a_message_that_is_not_there_is_not_edited(house: House, message_id: str) -> None:
    path, _ = await say(house)
    answer = await house.client.patch(f"{path}/messages/{message_id}", json={"text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")
