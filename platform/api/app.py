"""The HTTP API, put together: routers listed by hand, guards, problems, the envelope around it all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from secrets import token_hex
from typing import Final

from litestar import Litestar, Router
from litestar.di import Provide

import api.accounts.routes
import api.api_keys.routes
import api.audit.routes
import api.batches.routes
import api.bulk_actions.routes
import api.categories.routes
import api.chat.routes
import api.console.routes
import api.domain_events.routes
import api.emails.routes
import api.events.routes
import api.health
import api.jobs.routes
import api.kinds.routes
import api.orders.routes
import api.pages
import api.products.routes
import api.queues.routes
import api.reviews.routes
import api.roles.routes
import api.safety.routes
import api.schedules.routes
import api.sessions.routes
import api.stats.routes
import api.text.routes
import api.usage.routes
import api.users.routes
import api.webhooks.routes
import api.workers.routes
from api.accept import Accept
from api.auth import OPEN, authenticated, counted, provide_caller, provide_use
from api.backlog import Backlog
from api.bodies import MOST_BYTES, ApiRequest
from api.context import NOBODY, Texts, Use
from api.cors import Cors
from api.envelope import Envelope
from api.figures import Figures
from api.key_ring import KeyRing
from api.limits import SharedLimiter
from api.login_queue import LoginQueue
from api.lookout import Lookout
from api.methods import tell_methods
from api.options import provide_options
from api.parameters import only_known
from api.problems import answer_problem
from api.shedding import Shedding
from api.spent import Spent
from api.standings import Standings
from api.streams import Streams
from api.tail import Tail
from api.token_holders import TokenHolders
from domain.accounts.event_token import EventTokens
from providers.http.outbound import Outbound
from runtime.cache import AnswerCache
from runtime.kill_points import KillPoints
from runtime.outgoing import open_outbound
from runtime.passwords import Passwords
from runtime.quotas import Quotas
from runtime.secret_box import SecretBox
from runtime.settings import Settings
from runtime.streams import ReplyStreams
from runtime.wakeups import Wakeups
from storage.database import Database

ROUTERS: Final = (
    api.jobs.routes.router,
    api.events.routes.router,
    api.domain_events.routes.router,
    api.batches.routes.router,
    api.bulk_actions.routes.router,
    api.orders.routes.router,
    api.categories.routes.router,
    api.products.routes.router,
    api.reviews.routes.router,
    api.emails.routes.router,
    api.text.routes.router,
    api.chat.routes.router,
    api.schedules.routes.router,
    api.webhooks.routes.router,
    api.kinds.routes.router,
    api.queues.routes.router,
    api.workers.routes.router,
    api.accounts.routes.router,
    api.users.routes.router,
    api.api_keys.routes.router,
    api.roles.routes.router,
    api.audit.routes.router,
    api.safety.routes.router,
    api.stats.routes.router,
    api.usage.routes.router,
)
"""Everything under /v1 that takes a key or a token."""

VISITORS: Final = (api.sessions.routes.router,)
"""What of /v1 is for those who have none yet."""

Application = Callable[..., Awaitable[None]]
"""An ASGI application, in the one type that every server and client of tests agrees on."""

OPEN_ROUTERS: Final = (api.health.router, api.pages.router, api.console.routes.router)
"""What everybody may ask."""


def make_app(  # noqa: PLR0913 - what surrounds it
    database: Database,
    wakeups: Wakeups,
    settings: Settings,
    *,
    health: Database | None = None,
    followed: Database | None = None,
    quotas: Quotas | None = None,
    draining: asyncio.Event | None = None,
    outbound: Outbound | None = None,
    answers: AnswerCache | None = None,
    passwords: Passwords | None = None,
) -> Application:
    """The API over an open database and open wake-ups, which remain the caller's to close after its shutdown.

    `health` and `followed`, if given, reach the same Postgres over connections that requests do not share: for checks,
    and for what streams follow. Without `quotas` the process counts requests for itself. `draining`, once set, ends
    what waits for jobs: streams, and answers held back by `Prefer: wait`. `outbound` judges addresses of webhooks in
    place of what the settings say. Without `answers` every text goes to a worker, whatever was answered before.
    `passwords` hashes with other parameters than today's.
    """
    draining = draining or asyncio.Event()
    figures = Figures()
    backlog = Backlog(most_of_one=settings.most_queued_per_tenant, most=settings.most_queued)
    accept = Accept(database, wakeups, KillPoints(settings.kill_points), backlog=backlog, on_batch=figures.committed)
    ring = KeyRing(database, user_requests_per_minute=settings.user_requests_per_minute)
    callers, strangers = SharedLimiter("default", quotas), SharedLimiter("anonymous", quotas)
    use = Use(
        database=database.of(NOBODY),
        platform=database,
        wakeups=wakeups,
        settings=settings,
        accept=accept,
        backlog=backlog,
        spent=Spent(database, is_costly=settings.gemini_api_key is not None),
        health=health or database,
        figures=figures,
        outbound=outbound or open_outbound(settings),
        secrets=SecretBox(settings.secret_key),
        ring=ring,
        holders=TokenHolders(database, EventTokens(settings.secret_key or token_hex())),
        callers=callers,
        strangers=strangers,
        passwords=passwords or Passwords(),
        texts=Texts(SharedLimiter("texts", quotas), settings.user_texts_per_minute),
        answers=answers,
        streams=Streams(settings),
        lookout=Lookout(followed or database, wakeups, draining),
        tail=Tail(followed or database, wakeups, draining),
        replies=ReplyStreams(wakeups),
        draining=draining,
    )
    cors = Cors(settings.allowed_origins)
    standings = Standings(ring, callers, strangers)
    shedding = Shedding(
        figures, standings, cors, LoginQueue(use.passwords), target_seconds=settings.shed_above_ms / 1000
    )

    @asynccontextmanager
    async def until_accepted() -> AsyncIterator[None]:
        duties = shedding.watch(), backlog.watch(database), use.lookout.watch(), use.tail.watch()
        watching = [asyncio.create_task(duty) for duty in duties]
        yield
        for watch in watching:
            watch.cancel()
        await asyncio.wait(watching)
        use.draining.set()
        await accept.close()
        await use.spent.aclose()
        await use.passwords.close()

    return Envelope(routes(), use, standings=standings, cors=cors, shedding=shedding, lifespan=until_accepted)


@cache
def routes() -> Litestar:
    """What may be asked, and who answers: the same for every application of a process.

    What handlers and guards use comes with each request, in its notes.
    """
    return Litestar(
        route_handlers=[
            Router("/", route_handlers=list(ROUTERS), guards=[authenticated, only_known]),
            Router("/", route_handlers=list(VISITORS), guards=[counted, only_known], opt=OPEN),
            *OPEN_ROUTERS,
        ],
        before_request=tell_methods,
        request_class=ApiRequest,
        request_max_body_size=MOST_BYTES,
        dependencies={
            "use": Provide(provide_use),
            "caller": Provide(provide_caller),
            "options": Provide(provide_options),
        },
        exception_handlers={Exception: answer_problem},
        openapi_config=None,
        logging_config=None,
    )
