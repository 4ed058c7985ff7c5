"""A page of another origin, in a real browser: it submits a job and follows its events, where its origin is allowed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from api.app import make_app
from domain.accounts.permissions import PERMISSIONS
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from tests.api.conftest import House, served
from tests.browser.chromium import Page, find_chromium, open_page

_SITE = b"<!doctype html><title>Another origin</title><p id=told></p>"

# what a page does that was given a key: submit, ask for a token, follow with it
_SUBMIT_AND_FOLLOW = """
(async () => {
    const headers = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json", "Idempotency-Key": "page-1"}
    const body = JSON.stringify({kind: "text.summarize", input: {text: "A long story."}})
    const answer = await fetch(API + "/v1/jobs", {method: "POST", headers, body})
    const job = await answer.json()
    window.read = ["Location", "RateLimit", "X-Request-Id", "Retry-After"].map((name) => answer.headers.get(name))
    const asked = await fetch(API + "/v1/event-tokens", {
        method: "POST", headers: {...headers, "Idempotency-Key": "page-2"}, body: JSON.stringify({job_id: job.id}),
    })
    const events = new EventSource((await asked.json()).url)
    window.told = []
    for (const name of ["snapshot", "queued", "started", "succeeded"])
        events.addEventListener(name, (event) => {
            told.push(name)
            if (name === "succeeded") events.close()
        })
    return job.id
})()
"""


@asynccontextmanager
async def another_origin() -> AsyncIterator[str]:
    """A site that has nothing to do with the API."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + _SITE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def visited(house: House, *, is_allowed: bool) -> AsyncIterator[tuple[Page, str]]:
    """A page of the other site, and where the API is."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium); there is none on this machine")
    async with another_origin() as site:
        settings = msgspec.structs.replace(house.settings, cors_origins=site if is_allowed else "https://else.example")
        app = make_app(house.database, house.wakeups, settings, draining=house.draining)
        async with served(app) as api, open_page(chromium, site) as page:
            await page.open("/")
            await page.until("document.querySelector('#told')")
            key = await house.key(permissions=tuple(PERMISSIONS))
            await page.ask(f"window.API = {api!r}; window.KEY = {key!r}")
            yield page, api


async def test_a_page_of_an_allowed_origin_submits_a_job_and_follows_its_events(house: House) -> None:
    async with visited(house, is_allowed=True) as (page, _):
        job_id = await page.ask(_SUBMIT_AND_FOLLOW)
        location, limit, request_id, retry_after = await page.ask("read")
        assert location == f"/v1/jobs/{job_id}"
        assert limit.startswith('"default";r=')
        assert request_id
        assert retry_after == "1"
        await page.until("told.includes('queued')")
        await house.run(job_id, Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}'))
        await page.until("told.includes('succeeded')")
        assert await page.ask("told") == ["snapshot", "queued", "started", "succeeded"]
        assert page.faults == []


async def test_a_page_of_another_origin_reads_nothing(house: House) -> None:
    async with visited(house, is_allowed=False) as (page, _):
        tried = "fetch(API + '/v1/jobs', {headers: {Authorization: 'Bearer ' + KEY}}).then(() => 'read', () => 'kept')"
        assert await page.ask(tried) == "kept"
