"""The load of a campaign: a seeded mix of errands over HTTP, each written to the outside log before and after."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from tests.faults.outside_log import Answer, OutsideLog, Request

JOBS: Final = "/v1/jobs"
BATCHES: Final = "/v1/batches"
CLIENTS: Final = 6
_PAUSE_SECONDS: Final = 0.05
_REFUSED_SECONDS: Final = 0.2
_TRIES_AGAIN: Final = 3
# no answer at all; the first request under its key is not done yet; overload or a store that is down
_COME_AGAIN: Final = frozenset({None, 409, 503})

# how often each errand is chosen
_MIX: Final = {
    "orders.place": 30,
    "orders.cancel": 10,
    "emails.send": 15,
    "text": 20,
    "delayed": 10,
    "hasty": 5,
    "retried": 2,
    "withdrawn": 5,
    "fleeting": 3,
}


class Load:
    """Sends errands until `jobs` are accepted; the n-th errand of a seed is always the same, but for ids."""

    def __init__(  # noqa: PLR0913 - what a load is made of
        self, client: httpx.AsyncClient, log: OutsideLog, products: list[str], *, seed: int, jobs: int, webhook_url: str
    ) -> None:
        self.accepted = 0
        self._client = client
        self._door = client
        self.on_answer: Callable[[Request, Answer, float], None] = lambda *_: None
        """Told of each answer, and how many seconds it took."""
        self._log = log
        self._products = products
        self._seed = seed
        self._jobs = jobs
        self._webhook = {"url": webhook_url}
        self._number = 0
        self._placed: list[str] = []
        self._hasty: list[str] = []

    @property
    def share(self) -> float:
        """How much of the load was accepted, 0 to 1."""
        return min(1.0, self.accepted / self._jobs)

    async def run(self, wanted_share: Callable[[], float]) -> None:
        """Send everything, never further ahead than `wanted_share` says."""
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._send_many(wanted_share))

    def send_to(self, door: httpx.AsyncClient | None) -> None:
        """Send what follows to another API of the same platform; None: to the first again."""
        self._door = door or self._client

    async def keep_on(self, is_over: asyncio.Event) -> None:
        """Send errands of every sort until `is_over`; those under way are sent to their end."""

        async def send_many() -> None:
            while not is_over.is_set():
                await self._send_next()
                await asyncio.sleep(_PAUSE_SECONDS)

        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(send_many())

    async def fill(self, jobs: int) -> bool:
        """Have one batch of so many jobs accepted, all of them cheap; False: it was not."""
        number = self._number
        given = {"format": "email", "brief": "The wheel turns in the morning light."}
        body = {
            "jobs": [
                {"kind": "text.generate", "input": given, "metadata": {"request": f"{number}.{index}"}}
                for index in range(jobs)
            ]
        }
        answer = await self._ask("batch", BATCHES, body, kept={"kind": "text.generate", "jobs": jobs})
        return answer.status == 202

    async def send_one_of_each(self) -> None:
        """One errand of each sort, all at once."""
        async with asyncio.TaskGroup() as clients:
            for about in _MIX:
                errand = random.Random(f"{self._seed}/{about}/{self._number}")  # noqa: S311 - a seed, not a secret
                clients.create_task(self._send(about, errand))

    async def _send_many(self, wanted_share: Callable[[], float]) -> None:
        while self.share < 1:
            if self.share > wanted_share():
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            await self._send_next()

    async def _send_next(self) -> None:
        errand = random.Random(f"{self._seed}/{self._number}")  # noqa: S311 - a seed, not a secret
        about = errand.choices(list(_MIX), list(_MIX.values()))[0]
        await self._send(about, errand)

    async def _send(self, about: str, errand: random.Random) -> None:
        send: dict[str, Callable[[random.Random], Awaitable[None]]] = {
            "orders.place": self._place,
            "orders.cancel": self._cancel_order,
            "emails.send": self._email,
            "hasty": self._hasty_text,
            "retried": self._retry,
            "withdrawn": self._withdraw,
        }
        if about in send:
            await send[about](errand)
        elif about == "delayed":
            await self.submit(about, *self._text(errand), delay=f"{errand.randint(1, 5)}s")
        elif about == "fleeting":
            await self.submit(about, *self._text(errand), expires_in="1s")
        else:
            await self.submit(about, *self._text(errand))

    async def _place(self, errand: random.Random) -> None:
        chosen = errand.sample(self._products, errand.randint(1, 2))
        lines = [{"product_id": product, "quantity": errand.randint(1, 3)} for product in chosen]
        answer = await self.submit("orders.place", "orders.place", {"lines": lines})
        if answer.job_id:
            self._placed.append(answer.job_id)

    async def _cancel_order(self, errand: random.Random) -> None:
        """Cancel an order that was placed; sometimes one that was cancelled before."""
        order_id = None
        if self._placed:
            order_id = await self._paid_order(errand.choice(self._placed[-40:]))
        if order_id is None:
            await self.submit("text", *self._text(errand))
        else:
            await self.submit("orders.cancel", "orders.cancel", {"order_id": order_id})

    async def _paid_order(self, job_id: str) -> str | None:
        try:
            job = (await self._client.get(f"{JOBS}/{job_id}")).json()
        except (httpx.HTTPError, ValueError):
            return None
        placed = job.get("result") or {}
        return placed.get("order_id") if placed.get("status") == "paid" else None

    async def _email(self, errand: random.Random) -> None:
        text = f"Number {errand.random()}."
        await self.submit("emails.send", "emails.send", {"to": ["ada@example.com"], "subject": "Faults", "text": text})

    async def _hasty_text(self, errand: random.Random) -> None:
        """A job whose attempts run out of time, if the machine is no faster than they allow."""
        answer = await self.submit("hasty", *self._text(errand), timeout="1ms", max_attempts=2)
        if answer.job_id:
            self._hasty.append(answer.job_id)

    async def _retry(self, errand: random.Random) -> None:
        if self._hasty:
            await self._ask("retried", f"{JOBS}/{errand.choice(self._hasty)}/retry")
        else:
            await self.submit("text", *self._text(errand))

    async def _withdraw(self, errand: random.Random) -> None:
        answer = await self.submit("withdrawn", *self._text(errand), delay=f"{errand.randint(0, 3)}s")
        if answer.job_id:
            await self._ask("cancelled", f"{JOBS}/{answer.job_id}/cancel")

    def _text(self, errand: random.Random) -> tuple[str, dict[str, Any]]:
        text = f"The wheel turns in the morning light, and nobody minds. Turn {errand.random()} was a good one."
        return errand.choice(
            [
                ("text.moderate", {"text": text}),
                ("text.summarize", {"text": text}),
                ("text.classify", {"text": text}),
                ("text.generate", {"format": "email", "brief": text}),
            ]
        )

    async def submit(self, about: str, kind: str, given: dict[str, Any], **options: object) -> Answer:
        """Submit one job, and again under its key while that may help; the last answer."""
        errand = self._number
        body = {"kind": kind, "input": given, "metadata": {"request": str(errand)}, **options}
        if kind.startswith("text."):
            body["webhook"] = self._webhook  # texts end in every way a job can
        answer = await self._ask(about, JOBS, body)
        for _ in range(_TRIES_AGAIN):
            if answer.status not in _COME_AGAIN:
                break
            answer = await self._ask(about, JOBS, body, errand=errand)
        self.accepted += answer.job_id is not None
        return answer

    async def say(self, conversation_id: str, text: str) -> Answer:
        """Say something in a conversation; the answer names the job that replies."""
        path = f"/v1/conversations/{conversation_id}/messages"
        errand = self._number
        answer = await self._ask("chat", path, {"text": text})
        for _ in range(_TRIES_AGAIN):
            if answer.status not in _COME_AGAIN:
                break
            answer = await self._ask("chat", path, {"text": text}, errand=errand)
        self.accepted += answer.job_id is not None
        return answer

    async def _ask(
        self,
        about: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        errand: int | None = None,
        kept: dict[str, Any] | None = None,
    ) -> Answer:
        number = self._number
        errand = number if errand is None else errand
        request = Request(number=number, errand=errand, about=about, path=path, body=kept or body)
        self._number += 1
        self._log.write(request)
        creates = path in {JOBS, BATCHES} or path.endswith("/messages")
        headers = {"Idempotency-Key": f"{self._seed}-{request.errand}"} if creates else {}
        began = time.monotonic()
        try:
            reply = await self._door.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            answer = Answer(number=request.number, error=f"{type(error).__name__}: {error}")
        else:
            answer = _answer(request, reply)
        self._log.write(answer)
        self.on_answer(request, answer, time.monotonic() - began)
        if answer.status is None or answer.status >= 500:
            await asyncio.sleep(_REFUSED_SECONDS)
        return answer


def _answer(request: Request, reply: httpx.Response) -> Answer:
    found = reply.json() if reply.is_success else {}
    job = found if request.path != BATCHES else {}
    return Answer(
        number=request.number,
        status=reply.status_code,
        job_id=job.get("id"),
        state=job.get("state"),
        may_retry_after="retry-after" in reply.headers,
        error=None if reply.is_success else reply.text[:500],
    )
