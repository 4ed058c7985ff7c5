"""The client: everything of one Headrace, by name."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, Self

import httpx
from msgspec import Raw, structs

from headrace._aio.access import AsyncApiKeys, AsyncAudit, AsyncRoles, AsyncUsers
from headrace._aio.batches import AsyncBatches
from headrace._aio.chat import AsyncConversations
from headrace._aio.following import follow
from headrace._aio.http import AsyncConnection
from headrace._aio.jobs import AsyncJobs
from headrace._aio.kinds import AsyncEmailsKinds, AsyncTextKinds
from headrace._aio.listing import AsyncListing, everything
from headrace._aio.operations import AsyncBulkActions, AsyncQueues, AsyncWorkers
from headrace._aio.polling import LOOK_SECONDS, poll
from headrace._aio.schedules import AsyncSchedules
from headrace._aio.session import AsyncSession
from headrace._aio.shop import AsyncCustomers, AsyncOrders, AsyncProducts
from headrace._aio.webhooks import AsyncWebhooks
from headrace.events import Event, Place
from headrace.models import Caller, EventToken, Kind, State, Stats, User, Window
from headrace.options import listed
from headrace.requests import Answer, Duration, Query, ask, create, given, spelled_duration
from headrace.target import find_target

TIMEOUT_SECONDS: Final = 30.0
MAX_RETRIES: Final = 5


class AsyncHeadrace:
    """A client of one Headrace. Make one and keep it: it reuses its connections, and close it, or use `async with`.

    `url` and `key` are taken from HEADRACE_URL and HEADRACE_API_KEY when not given. `timeout` is how many seconds an
    answer may take. A request that failed and may succeed is sent again up to `max_retries` times: after what
    Retry-After says, else after pauses that grow. What makes something is sent under an Idempotency-Key, and so is
    made once.
    `http_client` brings proxies, certificates or transports of one's own, and stays open.

    Raises:
        ValueError: the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        target = find_target(url, key)
        self.url = target.url
        self._connection = connection = AsyncConnection(
            target, timeout=timeout, max_retries=max_retries, http_client=http_client
        )
        self.jobs = AsyncJobs(connection)
        self.batches = AsyncBatches(connection)
        self.bulk_actions = AsyncBulkActions(connection)
        self.schedules = AsyncSchedules(connection)
        self.queues = AsyncQueues(connection)
        self.workers = AsyncWorkers(connection)
        self.text = AsyncTextKinds(self.jobs)
        self.emails = AsyncEmailsKinds(self.jobs)
        self.orders = AsyncOrders(connection, self.jobs)
        self.products = AsyncProducts(connection)
        self.customers = AsyncCustomers(connection)
        self.conversations = AsyncConversations(connection)
        self.webhooks = AsyncWebhooks(connection)
        self.api_keys = AsyncApiKeys(connection)
        self.users = AsyncUsers(connection)
        self.roles = AsyncRoles(connection)
        self.audit = AsyncAudit(connection)

    @classmethod
    async def log_in(
        cls,
        url: str | None,
        email: str,
        password: str,
        *,
        scope: Sequence[str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> Self:
        """A client for a person, who has a password and no key. `log_out` ends what this begins.

        It may do what the user may, or of that only `scope` (permissions). Its access token is renewed before it
        expires, whichever of many threads or coroutines asks first; the password is kept in memory, for a session that
        has ended otherwise. `url` is HEADRACE_URL's when None; the rest is as of any client.

        Raises:
            ApiError: `grant_invalid`, if address and password do not open.
        """
        client = cls(url, timeout=timeout, max_retries=max_retries, http_client=http_client)
        wanted = None if scope is None else " ".join(listed(scope))
        session = AsyncSession(client._connection, email=email, password=password, scope=wanted)
        try:
            await session.token()
        except BaseException:
            await client.aclose()
            raise
        client._connection.session = session
        return client

    async def log_out(self) -> None:
        """End the session that `log_in` has begun; of a client with a key, nothing."""
        if self._connection.session is not None:
            await self._connection.session.end()

    async def register(self, email: str, password: str, *, name: str = "") -> User:
        """Become a user of a platform that is open to everybody; it takes no key. `log_in` next.

        Raises:
            Forbidden: it is not.
            Conflict: there is a user with that address.
        """
        body = {"email": email, "password": password, "name": name}
        request = ask("POST", "/v1/auth/register", body=body, is_repeatable=False)
        return (await self._connection.send(structs.replace(request, is_anonymous=True))).into(User)

    async def change_password(self, current: str, new: str) -> None:
        """Change your own password. Your sessions end, this one too: log in again."""
        body = {"current_password": current, "new_password": new}
        await self._connection.send(ask("PUT", "/v1/me/password", body=body, is_repeatable=False))

    async def event_token(
        self,
        *,
        job_id: str | None = None,
        batch_id: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        state: State | Sequence[State] | None = None,
        expires_in: Duration | None = None,
    ) -> EventToken:
        """What a browser follows events with, at `url`: those of one job, or of all that meet the other conditions.

        It opens nothing else, for 5 minutes, or `expires_in` of a second to an hour.
        """
        body = given(
            job_id=job_id,
            batch_id=batch_id,
            kind=kind,
            tag=tag,
            state=[state] if isinstance(state, str) else state,
            expires_in=None if expires_in is None else spelled_duration(expires_in),
        )
        return (await self._connection.send(ask("POST", "/v1/event-tokens", body=body))).into(EventToken)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def me(self) -> Caller:
        """Who calls, and what the key may do."""
        return (await self._connection.send(ask("GET", "/v1/me"))).into(Caller)

    async def kinds(self) -> tuple[Kind, ...]:
        """Every kind the platform runs, with the JSON Schemas of its input and result."""
        return await everything(self._connection, "/v1/kinds", Kind)

    async def stats(self, window: Window = "24h") -> Stats:
        """Counts and times of the jobs of the last hour, day or week."""
        return (await self._connection.send(ask("GET", "/v1/stats", query={"window": window}))).into(Stats)

    def events(
        self,
        *,
        kind: str | None = None,
        tag: str | None = None,
        batch_id: str | None = None,
        state: State | Sequence[State] | None = None,
        after: str | int | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Event]:
        """What happens to the tenant's jobs, without an end; over lost connections without gap or repeat.

        All conditions given must hold; `state` is what an event leaves its job in. It begins with a `snapshot`, whose
        `id` is where: now, or past the event with the id `after`; 0 is before all that are kept. Another snapshot
        comes only if the platform could not go on from there, and what lies between may be missing.

        Raises:
            WaitTimedOut: `timeout` seconds have passed, if any were given.
        """
        place = None if after is None else str(after)
        query = {"kind": kind, "tag": tag, "batch_id": batch_id, "state": state, "after": place}
        request = ask("GET", "/v1/events", query=query)
        return follow(self._connection, request, Place(is_of_one_job=False), timeout=timeout, what="The stream")

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
        within: float | None = None,
    ) -> Answer:
        """Any request of the API, for what has no method of its own; a `body` that is no bytes is sent as JSON.

        What is no GET, PUT or DELETE is sent again after a lost answer only under an `idempotency_key`. The API is
        asked to `wait` so many seconds, 60 at most, for the end of what the request is about. `within` is how many
        seconds it may take, all tries together.

        Raises:
            ApiError: the API says no.
            Unreachable: it cannot be reached, or does not answer in time.
        """
        if idempotency_key is not None:
            request = create(path, body, key=idempotency_key, query=query, headers=headers, wait=wait)
        else:
            is_repeatable = method in {"GET", "HEAD", "PUT", "DELETE"}
            request = ask(method, path, query=query, headers=headers, body=body, is_repeatable=is_repeatable, wait=wait)
        return await self._connection.send(request, within=within)

    def stream(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float = TIMEOUT_SECONDS,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The body of any GET piece by piece, as it comes; more than `silence` seconds of nothing break it off."""
        return self._connection.stream(ask("GET", path, query=query, headers=headers), silence=silence)

    async def poll(
        self,
        path: str,
        until: Callable[[Answer], bool],
        *,
        timeout: float | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> Answer:
        """The answer of any GET once `until` says so of it. The API is asked to wait up to `look_seconds` each time.

        Raises:
            WaitTimedOut: `timeout` seconds have passed.
        """
        return await poll(self._connection, path, until, timeout=timeout, what=path, look_seconds=look_seconds)

    def walk(self, path: str, *, query: Query | None = None, limit: int | None = None) -> AsyncListing[Raw]:
        """The things of any list as they come, page after page."""
        return AsyncListing(self._connection, ask("GET", path, query=query), lambda raw: raw, limit=limit)
