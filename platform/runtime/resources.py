"""What the processes off the request path use: opened once, closed in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from domain.chat.conversation import ChatWindow
from domain.errors import Invalid
from providers.http.outbound import Outbound
from providers.mail.provider import MailProvider
from providers.mail.smtp import SmtpProvider
from providers.mail.smtp_url import read_smtp_url
from providers.text.provider import TextProvider
from runtime.kill_points import KillPoints
from runtime.outgoing import open_outbound
from runtime.secret_box import SecretBox
from runtime.settings import Settings
from runtime.streams import ReplyStreams
from runtime.wakeups import Wakeups, open_wakeups
from storage.database import Database, open_database


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

    text: TextProvider
    mail: MailProvider
    mail_from: str
    outbound: Outbound
    secrets: SecretBox
    replies: ReplyStreams
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
    try:
        yield Stores(database=database, wakeups=wakeups, kill_points=KillPoints(settings.kill_points))
    finally:
        await wakeups.close()
        await database.close()


@asynccontextmanager
async def open_resources(settings: Settings, *, name: str, connections: int = 8) -> AsyncIterator[Resources]:
    """Open everything a worker needs, as `open_stores` does.

    Raises:
        SettingMissing: a URL is not set; `headrace up` sets them all.
    """
    async with open_stores(settings, name=name, connections=connections) as stores:
        mail = SmtpProvider(read_smtp_url(needed(settings, "smtp_url")))
        text = open_text(settings)
        try:
            yield Resources(
                database=stores.database,
                wakeups=stores.wakeups,
                kill_points=stores.kill_points,
                text=text,
                mail=mail,
                mail_from=settings.mail_from,
                outbound=open_outbound(settings),
                secrets=SecretBox(settings.secret_key),
                replies=ReplyStreams(stores.wakeups),
                chat_window=ChatWindow(messages=settings.chat_context_messages, tokens=settings.chat_context_tokens),
            )
        finally:
            await text.aclose()
            await mail.aclose()


def open_text(settings: Settings) -> TextProvider:
    """Gemini where there is a key, else the local engine."""
    if settings.gemini_api_key is not None:
        # the SDK costs 400 ms and 60 MB: only who has a key pays
        from providers.text.gemini import GeminiTextProvider  # noqa: PLC0415

        return GeminiTextProvider(
            settings.gemini_api_key, base_url=settings.gemini_base_url, model=settings.gemini_model
        )
    from providers.text.local.engine import LocalTextProvider  # noqa: PLC0415 - as above: numpy and the models

    return LocalTextProvider()


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
