"""What an answer says of limits where nobody was counted: refusals at the door, paths that are none, faults."""

from litestar.types import HTTPScope

from api.auth import ANONYMOUS_PER_MINUTE
from api.key_ring import KeyRing
from api.limits import SharedLimiter, Standing


class Standings:
    """Looks nobody up: a key that was seen within the last seconds is known, any other is a stranger's."""

    def __init__(self, keys: KeyRing, callers: SharedLimiter, strangers: SharedLimiter) -> None:
        self._keys = keys
        self._callers = callers
        self._strangers = strangers

    def of(self, scope: HTTPScope) -> Standing:
        """The standing of the request's key where it is known, else of its address."""
        caller = self._keys.known(_spelled_key(scope))
        if caller is not None:
            return self._callers.look(caller.key_id or caller.user_id, caller.requests_per_minute)
        return self._strangers.look(scope["client"][0] if scope["client"] else "", ANONYMOUS_PER_MINUTE)


def _spelled_key(scope: HTTPScope) -> str:
    given = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1").partition(" ")[2].strip()
        if name == b"x-api-key":
            given = value.decode("latin-1").strip()
    return given
