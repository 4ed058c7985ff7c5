"""Clients that ask for a stream and do not read it."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

import api.envelope
from domain.jobs.events import EventType
from storage.events import append_event
from tests.api.conftest import House
from tests.support.sse import frames

_ESTABLISHED = 1
_LARGE = b'{"text":"%b"}' % (b"x" * 100_000)


def is_open(one: socket.socket) -> bool:
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED


@pytest.mark.parametrize("path", ["/v1/events?after=0", "/v1/jobs/{id}/events"])
async def test_who_takes_nothing_is_cut_off_and_others_are_told_everything(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(api.envelope, "_LONGEST_SEND_SECONDS", 0.2)
    job = await house.submit()
    lease = await house.claim(job["id"])
    for _ in range(80):
        async with house.database.begin() as tx:
            assert await append_event(tx, job["id"], lease, EventType.DELTA, _LARGE)
    where, path = urlsplit(address), path.format(id=job["id"])
    key = house.client.headers["Authorization"]
    with socket.socket() as never:
        never.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        never.connect((where.hostname, where.port))
        never.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        stream = frames(f"{address}{path}", {"Authorization": key})
        told = [await anext(stream) for _ in range(83)]
        assert [frame["event"] for frame in told[3:]] == ["delta"] * 80
        await stream.aclose()
        async with asyncio.timeout(20):
            while is_open(never):
                await asyncio.sleep(0.05)
