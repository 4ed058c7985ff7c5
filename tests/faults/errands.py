"""Errands of one kind at a time, each told as soon as its job's id is known, and a moment before it can run."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import psycopg
from msgspec import Struct

from domain.ids import derived_id
from domain.orders.ship_order import SHIP_ORDER
from tests.faults.load import JOBS
from tests.faults.scene import Scene, held

_A_MOMENT: Final = "1s"  # in which whoever waits for the job can prepare for it
_CREDIT: Final = {"amount": {"amount": 100_000_000, "currency": "USD"}}
_PLENTY: Final = 400  # pieces of a product that no campaign sells out
_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 60.0
_TEXT: Final = "The wheel turns in the morning light, and nobody minds. It was a good turn, all in all."

_LOCKS: Final = {
    "orders.place": "SELECT FROM products WHERE id = %s FOR UPDATE",
    "orders.cancel": "SELECT FROM orders WHERE id = %s FOR UPDATE",
    "orders.ship": "SELECT FROM orders WHERE id = %s FOR UPDATE",
    "chat.reply": "SELECT FROM conversations WHERE id = %s FOR UPDATE",
}
"""What a job of the kind must have in Postgres before it can end."""


class Sent(Struct, frozen=True, kw_only=True):
    """A job that will run in a moment, and the row it will want to write."""

    job_id: str
    row_id: str = ""


class Errands:
    """Sends errands through the load, so that the outside log knows of them; an API that is away is waited for."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._client = scene.client
        self._products: list[str] = []
        self._numbers = itertools.count(1)
        self._chat = asyncio.Lock()

    async def prepare(self) -> None:
        """Find products there are plenty of, and give the buyer credit."""
        answer = await self._client.get("/v1/products", params={"in_stock": "true", "limit": 100})
        self._products = [product["id"] for product in answer.json()["items"] if product["stock"] >= _PLENTY]
        await self._insist("/v1/customers/me/deposits", _CREDIT, key="credit")

    async def send(self, kind: str) -> Sent:
        """Have a job of `kind` accepted; it runs a moment later."""
        match kind:
            case "orders.cancel":
                _, order_id = await self._order()
                return Sent(job_id=await self._submit(kind, {"order_id": order_id}), row_id=order_id)
            case "orders.ship":
                placed, order_id = await self._order()
                return Sent(job_id=derived_id("job", placed, f"{SHIP_ORDER.name}|"), row_id=order_id)
            case _:
                given = self._input(kind)
                row_id = given["lines"][0]["product_id"] if kind == "orders.place" else ""
                return Sent(job_id=await self._submit(kind, given), row_id=row_id)

    @asynccontextmanager
    async def sent(self, kind: str) -> AsyncGenerator[Sent]:
        """A job of `kind` that was accepted, and runs no sooner than the block has begun."""
        if kind != "chat.reply":
            yield await self.send(kind)
            return
        # the routes of chat know no delay
        async with self._chat:
            await self._insist("/v1/queues/chat/pause")
            conversation = (await self._insist("/v1/conversations", {"title": "Faults"}))["id"]
            job_id = None
            while job_id is None:
                job_id = (await self._scene.load.say(conversation, "How do I submit a job?")).job_id
            resumed = asyncio.create_task(self._resume_chat())
            yield Sent(job_id=job_id, row_id=conversation)
            await resumed

    @asynccontextmanager
    async def schedule(self, kind: str) -> AsyncGenerator[None]:
        """A job of `kind` is due every second inside the block."""
        given = {"order_id": (await self._order())[1]} if kind == "orders.cancel" else self._input(kind)
        body = {
            "name": f"Faults {next(self._numbers)}",
            "every": "1s",
            "timezone": "UTC",
            "job": {"kind": kind, "input": given},
            "overlap": "allow",
            "catch_up": "last",
        }
        schedule = await self._insist("/v1/schedules", body)
        try:
            yield
        finally:
            await self._insist(f"/v1/schedules/{schedule['id']}/pause")

    @asynccontextmanager
    async def held_up(self, kind: str, sent: Sent) -> AsyncGenerator[None]:
        """The job, once it runs, does not end inside the block: what it needs is in other hands."""
        if kind == "emails.send":
            with held(self._scene.up, "mail"):
                yield
            return
        async with await psycopg.AsyncConnection.connect(self._scene.up.ready["database_url"]) as holder:
            await holder.execute(_LOCKS[kind].encode(), (sent.row_id,))
            yield

    def _input(self, kind: str) -> dict[str, Any]:
        number = next(self._numbers)
        match kind:
            case "orders.place":
                return {"lines": [{"product_id": self._products[number % len(self._products)], "quantity": 1}]}
            case "emails.send":
                return {"to": ["ada@example.com"], "subject": "Faults", "text": f"Number {number}."}
            case "text.generate":
                return {"format": "email", "brief": f"{_TEXT} {number}"}
            case _:
                return {"text": f"{_TEXT} {number}"}

    async def _submit(self, kind: str, given: dict[str, Any]) -> str:
        about = "text" if kind.startswith("text.") else kind
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                answer = await self._scene.load.submit(about, kind, given, delay=_A_MOMENT)
                if answer.job_id is not None:
                    return answer.job_id

    async def _order(self) -> tuple[str, str]:
        """The job that placed an order, and the order, which is paid."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                answer = await self._scene.load.submit("orders.place", "orders.place", self._input("orders.place"))
                if answer.job_id is not None and (order_id := await self._paid(answer.job_id)):
                    return answer.job_id, order_id

    async def _paid(self, job_id: str) -> str | None:
        while True:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                job = (await self._client.get(f"{JOBS}/{job_id}")).json()
                if job.get("finished_at"):
                    placed = job.get("result") or {}
                    return placed.get("order_id") if placed.get("status") == "paid" else None
            await asyncio.sleep(_POLL_SECONDS)

    async def _resume_chat(self) -> None:
        await asyncio.sleep(_POLL_SECONDS)
        await self._insist("/v1/queues/chat/resume")

    async def _insist(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> dict[str, Any]:
        """Post until it succeeds: the API may be about to start again."""
        headers = {"Idempotency-Key": key or f"errand-{next(self._numbers)}"} if body else {}
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await self._client.post(path, json=body, headers=headers)
                    if answer.is_success:
                        return dict(answer.json())
                    assert answer.status_code in {409, 503}, answer.text
                await asyncio.sleep(_POLL_SECONDS)
