"""While too many submissions are under way the next are refused, at once and politely; everything else goes on."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from api.shedding import SUBMISSIONS
from api.under_way import UnderWay
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from tests.api.conftest import SUMMARIZE, House, Problem, exchange

OPENAPI = Path(__file__).parents[1] / "contracts" / "openapi.json"


@pytest.fixture
def full(house: House) -> Iterator[UnderWay]:
    """No submission may be under way."""
    under_way = house.shedding.under_way
    before, under_way.limit = under_way.limit, 0
    yield under_way
    under_way.limit = before


@pytest.fixture
async def client(house: House, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the house's API behind a real server."""
    headers = {"Authorization": house.client.headers["Authorization"], "Host": "headrace.test"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as client:
        yield client


def test_what_answers_with_a_new_job_is_a_submission() -> None:
    paths = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"]
    found = {
        path
        for path, item in paths.items()
        if "{" not in path
        and "JobView" in str(item.get("post", {}).get("responses", {}).get("202", {}).get("content", ""))
    }
    assert found == SUBMISSIONS


@pytest.mark.usefixtures("full")
async def test_submissions_are_refused_however_they_come(
    house: House, client: httpx.AsyncClient, problem: Problem
) -> None:
    for path in sorted(SUBMISSIONS):
        for door in (house.client, client):
            answer = await door.post(f"{path}?priority=1", json=SUMMARIZE, headers={"X-Request-Id": "r-1"})
            found = problem(answer)
            assert (answer.status_code, found["code"], found["retryable"]) == (503, "overloaded", True)
            assert (found["request_id"], found["instance"]) == ("r-1", path)
            assert 1 <= int(answer.headers["retry-after"]) <= 4


async def test_batches_are_refused_as_well_but_do_not_tell_of_the_load(
    client: httpx.AsyncClient, full: UnderWay, problem: Problem
) -> None:
    batch = {"jobs": [SUMMARIZE, SUMMARIZE]}
    refused = await client.post("/v1/batches", json=batch)
    assert (refused.status_code, problem(refused)["code"]) == (503, "overloaded")
    assert "retry-after" in refused.headers
    assert (await client.get("/v1/batches")).status_code == 200
    full.limit = 1
    taken = asyncio.create_task(client.post("/v1/batches", json=batch))
    while not taken.done():
        assert full.count == 0
        await asyncio.sleep(0)
    assert (await taken).status_code == 202


@pytest.mark.usefixtures("full")
async def test_both_doors_refuse_in_the_same_words(house: House, client: httpx.AsyncClient) -> None:
    def said(answer: httpx.Response) -> tuple[dict[str, str], bytes]:
        of_the_server = {"date", "server", "retry-after"}
        return {name: value for name, value in answer.headers.items() if name not in of_the_server}, answer.content

    headers = {"X-Request-Id": "r-1"}
    usual = await house.client.post("/v1/jobs", json=SUMMARIZE, headers=headers)
    quick = await client.post("/v1/jobs", json=SUMMARIZE, headers=headers)
    assert said(usual) == said(quick)
    assert quick.headers["date"]
    assert quick.headers["ratelimit-policy"]
    assert quick.headers["x-content-type-options"] == "nosniff"


async def test_what_helps_out_of_an_overload_goes_on(house: House, client: httpx.AsyncClient, full: UnderWay) -> None:
    full.limit = 10
    job = await house.submit()
    full.limit = 0
    assert (await client.post("/v1/jobs", json=SUMMARIZE)).status_code == 503
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/health/ready")).status_code == 200
    assert (await client.get("/metrics")).status_code == 200
    assert (await client.get(f"/v1/jobs/{job['id']}")).status_code == 200
    assert (await client.get("/v1/jobs")).status_code == 200
    assert (await client.get("/v1/queues")).status_code == 200
    assert (await client.post(f"/v1/jobs/{job['id']}/cancel")).status_code == 200


async def test_a_refused_connection_stays_open_and_serves_the_next_request(
    house: House, address: str, full: UnderWay
) -> None:
    request = submission(house)
    async with connected(address) as (reader, writer):
        for piece in (request, request):
            writer.write(piece)
            assert (await answer(reader)).startswith(b"HTTP/1.1 503 ")
        # the body comes late, and in pieces: it is passed over
        head, _, body = request.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 503 ")
        full.limit = 10
        writer.write(body[:5])
        writer.write(body[5:] + request)
        assert (await answer(reader)).startswith(b"HTTP/1.1 202 ")
    assert full.count == 0


@pytest.mark.parametrize(
    ("version", "header"), [("1.0", ""), ("1.1", "Connection: close\r\n"), ("1.1", "Expect: 100-continue\r\n")]
)
@pytest.mark.usefixtures("full")
async def test_a_request_that_is_not_plain_is_refused_all_the_same(
    house: House, address: str, version: str, header: str
) -> None:
    request = submission(house, version=version, header=header)
    said = await asyncio.to_thread(exchange, address, request)
    assert re.match(rb"HTTP/1\.1 503 .*\r\nretry-after: [1-4]\r\n", said, re.DOTALL | re.IGNORECASE)


@pytest.mark.usefixtures("full")
async def test_requests_sent_ahead_are_answered_in_order(house: House, address: str) -> None:
    health = b"GET /health/live HTTP/1.1\r\nHost: headrace.test\r\n\r\n"
    async with connected(address) as (reader, writer):
        writer.write(submission(house) + health + submission(house) + health)
        said = [(await answer(reader))[9:12] for _ in range(4)]
    assert said == [b"503", b"200", b"503", b"200"]


async def test_who_waits_for_the_end_of_a_job_is_not_under_way(
    house: House, client: httpx.AsyncClient, full: UnderWay
) -> None:
    full.limit = 1
    waiting = asyncio.create_task(client.post("/v1/jobs", json=SUMMARIZE, headers={"Prefer": "wait=30"}))
    async with asyncio.timeout(20):
        while not (listed := (await client.get("/v1/jobs")).json()["items"]) or full.count:
            await asyncio.sleep(0.01)
    assert (await client.post("/v1/jobs", json=SUMMARIZE)).status_code == 202
    await house.run(listed[0]["id"], Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}'))
    assert (await waiting).status_code == 200
    assert full.count == 0


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"kind":"no.such"}'])
async def test_whatever_is_wrong_with_a_submission_it_leaves_room_behind(
    house: House, client: httpx.AsyncClient, full: UnderWay, body: bytes
) -> None:
    full.limit = 1
    for door in (house.client, client):
        for headers in ({"Content-Type": "application/json"}, {"Authorization": "Bearer no", "Content-Type": "x/y"}):
            assert (await door.post("/v1/jobs", content=body, headers=headers)).status_code in range(400, 500)
    assert full.count == 0


async def test_a_client_that_goes_away_leaves_room_behind(house: House, address: str, full: UnderWay) -> None:
    full.limit = 1
    where = urlsplit(address)
    for _ in range(3):
        with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
            connection.sendall(submission(house))
    async with asyncio.timeout(10):
        while full.count or (await house.client.post("/v1/jobs", json=SUMMARIZE)).status_code != 202:
            await asyncio.sleep(0.01)


async def test_what_is_still_on_its_way_keeps_nobody_out(
    house: House, address: str, client: httpx.AsyncClient, full: UnderWay
) -> None:
    full.limit = 1
    where = urlsplit(address)
    head = submission(house).partition(b"\r\n\r\n")[0]
    with ExitStack() as slow:
        for _ in range(5):
            connection = slow.enter_context(socket.create_connection((where.hostname or "", where.port or 0)))
            connection.sendall(head + b"\r\n\r\n{")
        assert (await client.get("/v1/jobs")).status_code == 200  # the server has seen what was sent before
        assert (await client.post("/v1/jobs", json=SUMMARIZE)).status_code == 202
        assert full.count == 0


async def test_refusals_are_counted_and_told_in_one_line(
    house: House, client: httpx.AsyncClient, full: UnderWay
) -> None:
    with capture_logs() as lines:
        for _ in range(5):
            await client.post("/v1/jobs", json=SUMMARIZE)
        house.shedding.tell()
    told = [line for line in lines if line["event"] == "http.shed"]
    assert sum(line["refused"] for line in told) == 5
    assert len(told) < 5
    assert not [line for line in lines if line["event"] == "http.answered"]
    full.limit = 1
    figures = (await client.get("/metrics")).text.splitlines()
    assert "headrace_http_shed_total 5.0" in figures


async def test_a_burst_beyond_the_limit_is_answered_whole_and_over_with(
    house: House, client: httpx.AsyncClient, full: UnderWay
) -> None:
    full.limit = 5
    answers = await asyncio.gather(*(client.post("/v1/jobs", json=SUMMARIZE) for _ in range(60)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {202, 503}
    assert all("retry-after" in answer.headers for answer in answers)
    assert full.count == 0
    assert (await client.post("/v1/jobs", json=SUMMARIZE)).status_code == 202


def submission(house: House, *, version: str = "1.1", header: str = "") -> bytes:
    """A whole request, as bytes."""
    body = json.dumps(SUMMARIZE).encode()
    head = (
        f"POST /v1/jobs HTTP/{version}\r\nHost: headrace.test\r\n{header}"
        f"Authorization: {house.client.headers['authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def connected(address: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to the server, closed at the end."""
    where = urlsplit(address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The next whole answer on a connection."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length
        return head + await reader.readexactly(int(length[1]))
