"""What the processes off the request path use: opened once, closed in order."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from domain.chat.conversation import ChatWindow
from domain.errors import Invalid
from domain.text.breaker import BreakerRule
from domain.text.cost import Prices
from domain.text.parts import DEFAULT_WINDOW
from providers.http.outbound import Outbound
from providers.mail.provider import MailProvider
from providers.mail.smtp import SmtpProvider
from providers.mail.smtp_url import read_smtp_url
from providers.text.chain import Engine, TextChain
from providers.text.economy import Economy
from providers.text.guard import Guard, OnAsked, nobody_is_told
from providers.text.in_parts import LongTexts
from providers.text.provider import TextProvider
from providers.text.redacted import RedactingTextProvider
from runtime.cache import open_cache
from runtime.flights import Answers
from runtime.kill_points import KillPoints
from runtime.outgoing import open_outbound
from runtime.provider_rates import ProviderRates
from runtime.redis_guard import REMEDY, UNGUARDED, is_unguarded
from runtime.safety import Safety
from runtime.secret_box import SecretBox
from runtime.settings import Settings
from runtime.streams import ReplyStreams
from runtime.wakeups import Wakeups, open_wakeups
from storage.database import Database, open_database

_LOG: Final = structlog.stdlib.get_logger(__name__)


class SettingMissing(Invalid):
    """A process was started without something it cannot do without."""

    code = "setting_missing"
    title = "A setting is missing"


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where the truth is and how to say that there is news: all that the relay and beat need."""

    database: Database
    wakeups: Wakeups
    kill_points: KillPoints


@dataclass(frozen=True, kw_only=True)
class Resources(Stores):
    """What handlers use besides. Handed to whoever works: nobody below opens or fetches anything by itself."""

    text: TextChain
    prices: Prices = field(default_factory=dict)
    most_output_tokens: Mapping[str, int] = field(default_factory=dict)
    currency: str = "USD"
    rates: ProviderRates | None = None
    answers: Answers
    mail: MailProvider
    mail_from: str
    outbound: Outbound
    secrets: SecretBox
    safety: Safety
    replies: ReplyStreams
    economy: Economy | None = None
    chat_window: ChatWindow = field(default_factory=ChatWindow)


@asynccontextmanager
async def open_stores(
    settings: Settings, *, name: str, connections: int, wait_seconds: float = 5.0
) -> AsyncIterator[Stores]:
    """Open the stores on the running loop, with at most `connections` to Postgres, and close them in reverse order.

    Who finds all of them in use waits for up to `wait_seconds`.

    Raises:
        SettingMissing: a URL is not set; `headrace up` sets them all.
    """
    database = open_database(needed(settings, "database_url"), name=name, size=connections, wait_seconds=wait_seconds)
    wakeups = open_wakeups(needed(settings, "redis_url"))
    if is_unguarded(settings):
        _LOG.warning("redis.unguarded", said=UNGUARDED, remedy=REMEDY)
    try:
        yield Stores(database=database, wakeups=wakeups, kill_points=KillPoints(settings.kill_points))
    finally:
        await wakeups.close()
        await database.close()


@asynccontextmanager
async def open_resources(
    settings: Settings, *, name: str, connections: int = 8, on_asked: OnAsked = nobody_is_told
) -> AsyncIterator[Resources]:
    """Open everything a worker needs, as `open_stores` does; `on_asked` is told of each question to a text engine.

    Raises:
        SettingMissing: a URL is not set; `headrace up` sets them all.
    """
    async with open_stores(settings, name=name, connections=connections) as stores:
        mail = SmtpProvider(read_smtp_url(needed(settings, "smtp_url")))
        text = open_text(settings, on_asked)
        economy = open_economy(settings)
        rates = open_rates(settings)
        cache = open_cache(settings, needed(settings, "redis_url"))
        safety = Safety(stores.database, settings.safety)
        try:
            yield Resources(
                database=stores.database,
                wakeups=stores.wakeups,
                kill_points=stores.kill_points,
                text=text,
                prices=settings.prices_by_model,
                most_output_tokens={
                    kind: told.most_output_tokens
                    for kind, told in settings.parameters_by_kind.items()
                    if told.most_output_tokens is not None
                },
                currency=settings.text_currency,
                rates=rates,
                answers=Answers(cache),
                mail=mail,
                mail_from=settings.mail_from,
                outbound=open_outbound(settings),
                secrets=SecretBox(settings.secret_key),
                safety=safety,
                replies=ReplyStreams(stores.wakeups),
                economy=economy,
                chat_window=ChatWindow(
                    messages=settings.chat_context_messages,
                    tokens=settings.chat_context_tokens,
                    summary_chars=settings.chat_summary_chars,
                ),
            )
        finally:
            await safety.aclose()
            await text.aclose()
            if economy is not None:
                await economy.aclose()
            if rates is not None:
                await rates.close()
            await cache.close()
            await mail.aclose()


def open_text(settings: Settings, on_asked: OnAsked = nobody_is_told) -> TextChain:
    """Gemini, which is shown no personal data unless the settings say so, and then the local engine; or that alone."""
    engines: list[Engine] = []
    if settings.gemini_api_key is not None:
        # the SDK costs 400 ms and 60 MB: only who has a key pays
        from providers.text.gemini import GeminiTextProvider  # noqa: PLC0415

        gemini = GeminiTextProvider(
            settings.gemini_api_key,
            base_url=settings.gemini_base_url,
            model=settings.gemini_model,
            timeout_seconds=settings.gemini_timeout_seconds,
            parameters=settings.parameters_by_kind,
        )
        shown = _shown(settings)
        windows = settings.windows_by_model
        long = LongTexts(gemini, lambda kind: windows.get(gemini.model_of(kind), DEFAULT_WINDOW), shown)
        rule = BreakerRule(failures=settings.gemini_breaker_failures, rest_seconds=settings.gemini_breaker_seconds)
        guard = Guard("gemini", rule, time.monotonic, on_asked)
        engines.append(Engine(name="gemini", provider=shown(gemini), model_of=gemini.model_of, guard=guard, long=long))
    if not engines or settings.fallback_kinds:
        from providers.text.local.engine import LocalTextProvider  # noqa: PLC0415 - as above: numpy and the models

        engines.append(Engine(name="local", provider=LocalTextProvider()))
    return TextChain(engines, kinds=settings.fallback_kinds, reasons=settings.fallback_reasons)


def open_economy(settings: Settings) -> Economy | None:
    """What asks by Gemini's batches; None without a key."""
    if settings.gemini_api_key is None:
        return None
    from providers.text.gemini_batches import GeminiBatches  # noqa: PLC0415 - as above

    windows = settings.windows_by_model
    return Economy(
        GeminiBatches(settings.gemini_api_key, base_url=settings.gemini_base_url),
        model=settings.gemini_model,
        parameters=settings.parameters_by_kind,
        window_of=lambda model: windows.get(model, DEFAULT_WINDOW),
        sorts=settings.redacted_sorts,
    )


def _shown(settings: Settings) -> Callable[[TextProvider], TextProvider]:
    """What stands between a text and whoever is asked about it away from here."""
    sorts = settings.redacted_sorts
    return lambda provider: RedactingTextProvider(provider, sorts) if sorts else provider


def open_rates(settings: Settings) -> ProviderRates | None:
    """The limits of requests and tokens a minute that all workers share; None where there are none."""
    requests, tokens = settings.gemini_requests_per_minute, settings.gemini_tokens_per_minute
    if requests is None and tokens is None:
        return None
    redis_url = needed(settings, "redis_url")
    return ProviderRates(redis_url, "gemini", requests_per_minute=requests, tokens_per_minute=tokens)


def needed(settings: Settings, name: str) -> str:
    """The setting `name`, which this process cannot do without.

    Raises:
        SettingMissing: it is not set.
    """
    value = getattr(settings, name)
    if not isinstance(value, str):
        raise SettingMissing(
            f"HEADRACE_{name.upper()} is not set. Set it, or run `./headrace up`, which starts what is missing."
        )
    return value
