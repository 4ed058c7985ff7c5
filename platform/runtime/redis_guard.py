"""Whether Redis asks who comes: what stands there opens as much as the API does."""

from urllib.parse import urlsplit

from runtime.settings import Settings

UNGUARDED = "HEADRACE_REDIS_URL has no password"
REMEDY = "Whoever reaches it may push jobs and read events. Set one (redis://:…@host), or let nobody else reach it."


def is_unguarded(settings: Settings) -> bool:
    """Whether production reaches Redis over a network and shows no password. A socket's file has permissions."""
    if not settings.is_production or settings.redis_url is None:
        return False
    url = urlsplit(settings.redis_url)
    return url.scheme != "unix" and not url.password
