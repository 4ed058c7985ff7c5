"""The API over a real Postgres and Redis: clients of two tenants, and hands that do a worker's work."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from api import accept, spent
from api.app import Application, make_app
from api.door import door_to
from api.envelope import Envelope
from api.shedding import Shedding
from domain.accounts.api_key import make_key
from domain.accounts.audit import AuditEntry
from domain.accounts.permissions import PERMISSIONS, Role
from domain.catalog import BY_NAME
from domain.jobs.job import Job
from domain.jobs.verdict import Verdict
from runtime.passwords import Passwords
from runtime.quotas import open_quotas
from runtime.settings import Settings
from runtime.unique_ids import new_id
from runtime.wakeups import Wakeups, open_wakeups
from storage.accounts import NewKey, add_key, add_tenant, add_user
from storage.audit import AuditFilter, list_entries
from storage.database import Database, open_database
from storage.jobs import Settlement, claim_jobs, settle_jobs
from tests.support.jobs import mark_sent
from tests.support.people import PASSWORD, QUICK, Person, add_person

SUMMARIZE = {"kind": "text.summarize", "input": {"text": "A long story."}}


@dataclass(kw_only=True)
class House:
    """A running API and who visits it. `client` may do everything in its tenant; `stranger` in another."""

    database: Database
    wakeups: Wakeups
    app: Application
    client: httpx.AsyncClient
    stranger: httpx.AsyncClient
    tenant_id: str
    settings: Settings
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    keys: int = 0

    @property
    def admin_key(self) -> str:
        """The client's own key, which may do everything in its tenant."""
        return self.client.headers["authorization"].removeprefix("Bearer ")

    @property
    def shedding(self) -> Shedding:
        """Who decides at the API's door."""
        assert isinstance(self.app, Envelope)
        return self.app.shedding

    @property
    def passwords(self) -> Passwords:
        """Who hashes for the API: a process of its own, if anybody has asked."""
        return self.shedding.logins.passwords

    async def key(self, *, permissions: Sequence[str] = (), per_minute: int = 100_000, tenant_id: str = "") -> str:
        """A fresh API key of the client's tenant, or of another."""
        self.keys += 1
        key = make_key(os.urandom(40))
        tenant_id = tenant_id or self.tenant_id
        user_id = new_id("user")
        async with self.database.begin() as tx:
            await add_tenant(tx, tenant_id, tenant_id)
            await add_user(tx, user_id, tenant_id=tenant_id, email=f"{user_id}@example.com", name="", role="admin")
            await add_key(
                tx,
                NewKey(
                    id=new_id("key"),
                    tenant_id=tenant_id,
                    user_id=user_id,
                    name="test",
                    public_id=key.public_id,
                    secret_sha256=key.secret_sha256,
                    permissions=frozenset(permissions),
                    requests_per_minute=per_minute,
                ),
            )
        return str(key)

    async def person(self, role: Role, *, tenant_id: str = "", password: str | None = PASSWORD) -> Person:
        """A fresh user of the client's tenant, or of another."""
        return await add_person(self.database, tenant_id or self.tenant_id, role, password=password)

    async def ask_tokens(self, **form: str) -> httpx.Response:
        """What the token endpoint says to a form, to somebody who shows nothing."""
        return await self.client.post("/v1/auth/token", data=form, headers={"Authorization": ""})

    async def log_in(self, person: Person, password: str = PASSWORD, **form: str) -> dict[str, Any]:
        """A pair of tokens."""
        answer = await self.ask_tokens(grant_type="password", username=person.email, password=password, **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def as_(self, shown: str, method: str, path: str, body: object = None, **more: Any) -> httpx.Response:  # noqa: ANN401
        """A request by whoever shows this key or token."""
        headers = {"Authorization": f"Bearer {shown}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self.client.request(method, path, headers=headers, **more)

    async def acts(self, tenant_id: str = "") -> list[AuditEntry]:
        """The tenant's audit log, oldest first."""
        async with self.database.read() as tx:
            return (await list_entries(tx, tenant_id or self.tenant_id, AuditFilter(), limit=10_000))[::-1]

    async def submit(self, **changes: object) -> dict[str, Any]:
        """A job, accepted."""
        answer = await self.client.post("/v1/jobs", json={**SUMMARIZE, **changes})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def claim(self, job_id: str) -> str:
        """Let a worker take the job; answers with its lease."""
        lease = new_id("lease")
        async with self.database.begin() as tx:
            await mark_sent(tx, [job_id])
            claimed = await claim_jobs(
                tx, [job_id], kinds=list(BY_NAME), worker="worker-1", lease=lease, lease_seconds=30
            )
        assert [job.id for job in claimed] == [job_id]
        self.wakeups.tell_jobs([job_id])
        return lease

    async def settle(self, job_id: str, lease: str, verdict: Verdict) -> Job:
        """Let the worker end its attempt."""
        async with self.database.begin() as tx:
            settled = await settle_jobs(tx, [Settlement(job_id=job_id, lease=lease, verdict=verdict)])
        self.wakeups.tell_jobs([job_id])
        return settled[0]

    async def run(self, job_id: str, verdict: Verdict) -> Job:
        """One attempt from its beginning to its end."""
        return await self.settle(job_id, await self.claim(job_id), verdict)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no Postgres that hangs."""
    monkeypatch.setattr(accept, "_WITHIN_SECONDS", 30.0)
    monkeypatch.setattr(accept, "_PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(spent, "_WITHIN_SECONDS", 30.0)


@pytest.fixture
async def house(database_url: str, redis_url: str) -> AsyncIterator[House]:
    settings = Settings(secret_key="a secret key of the tests", gemini_api_key="of a Gemini nobody asks")
    database = open_database(database_url, name="test")
    wakeups = open_wakeups(redis_url)
    draining = asyncio.Event()
    quotas = open_quotas(redis_url, answer_seconds=10.0)  # a busy machine is no Redis that is away
    app = make_app(database, wakeups, settings, quotas=quotas, draining=draining, passwords=Passwords(memory_kib=QUICK))
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://headrace.test") as client,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://headrace.test") as stranger,
    ):
        house = House(
            database=database,
            wakeups=wakeups,
            app=app,
            client=client,
            stranger=stranger,
            tenant_id=new_id("tenant"),
            settings=settings,
            draining=draining,
        )
        client.headers["Authorization"] = f"Bearer {await house.key(permissions=tuple(PERMISSIONS))}"
        other = await house.key(permissions=tuple(PERMISSIONS), tenant_id=new_id("tenant"))
        stranger.headers["Authorization"] = f"Bearer {other}"
        yield house
    await house.passwords.close()
    await quotas.close()
    await wakeups.close()
    await database.close()


@asynccontextmanager
async def served(app: Application) -> AsyncIterator[str]:
    """The app behind a real server on loopback; its address."""
    config = uvicorn.Config(app, port=0, http=door_to(app), ws="none", lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment, method-assign] # signals are the test runner's
    with closing(config.bind_socket()) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await running


@pytest.fixture
async def address(house: House) -> AsyncIterator[str]:
    """The house's API behind a real server."""
    async with served(house.app) as url:
        yield url


Problem = Callable[[httpx.Response], dict[str, Any]]


@pytest.fixture
def problem() -> Problem:
    """Reads an answer as a problem, and holds it to what every problem promises."""

    def read(answer: httpx.Response) -> dict[str, Any]:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        found = dict(answer.json())
        assert found["status"] == answer.status_code
        assert found["type"] == f"http://headrace.test/problems/{found['code']}"
        assert found["request_id"] == answer.headers["x-request-id"]
        assert found["title"]
        assert found["detail"]
        assert isinstance(found["retryable"], bool)
        if answer.status_code in {429, 503}:
            assert int(answer.headers["retry-after"]) >= 1
        return found

    return read


def exchange(address: str, sent: bytes) -> bytes:
    """What the server says to `sent`, after which nothing more comes."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := connection.recv(65_536):
            said += part
    return said
