"""Pages of other origins (Fetch standard, CORS): those that are allowed may call everything under /v1.

No answer allows credentials: what a browser would add by itself, cookies and the like, is nothing we look at.
"""

from typing import Final

from litestar.types import HTTPScope

Headers = list[tuple[bytes, bytes]]

ANY: Final = "*"

EXPOSED: Final = (
    "Allow",
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
"""What a page may read of an answer, besides what it always may."""

_TAKEN: Final = (
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-API-Key",
    "X-Request-Id",
    "traceparent",
)
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_KEPT_SECONDS: Final = 7_200  # as long as any browser believes it

_EXPOSING: Final = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
_VARY: Final = (b"vary", b"Origin")
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", _METHODS.encode()),
    (b"access-control-allow-headers", ", ".join(_TAKEN).encode()),
    (b"access-control-max-age", b"%d" % _KEPT_SECONDS),
    (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
)


class Cors:
    """Which origins may call; `*` is all of them, none is none."""

    def __init__(self, origins: frozenset[str]) -> None:
        self._allows_any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, scope: HTTPScope) -> Headers:
        """What an answer under /v1 says of the origin of its request; nothing where none is allowed."""
        if not self._origins:
            return []
        if self._allows_any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSING]
        origin = _header(scope, b"origin")
        if origin not in self._origins:
            return [_VARY]
        return [(b"access-control-allow-origin", origin), _EXPOSING, _VARY]

    def preflight(self, scope: HTTPScope) -> Headers | None:
        """The answer to a browser that asks, without a key, whether it may send a request; None: this is none."""
        is_asked = (
            scope["method"] == "OPTIONS"
            and scope["path"].startswith("/v1")
            and _header(scope, b"access-control-request-method")
            and (self._allows_any or _header(scope, b"origin") in self._origins)
        )
        return list(_PREFLIGHT) if is_asked else None


def _header(scope: HTTPScope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")
