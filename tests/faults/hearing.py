"""A receiver of webhooks beside a campaign: it hears every delivery, and verifies it with the public library."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from msgspec import Struct
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.api_stand_in import Server


class Heard(Struct, frozen=True, kw_only=True):
    """One delivery that came: under which id, and whether one of the secrets had signed it."""

    webhook_id: str
    is_signed: bool


class Hearing:
    """Remembers what came, and takes it, but for what `statuses` answers first. `secrets` may grow meanwhile."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.secrets: list[str] = []
        self.statuses: list[int] = []
        self.url = ""

    def hear(self, headers: dict[str, str], body: bytes) -> None:
        is_signed = any(_verifies(secret, headers, body) for secret in self.secrets)
        self.heard.append(Heard(webhook_id=headers.get("webhook-id", ""), is_signed=is_signed))


@contextmanager
def hearing() -> Iterator[Hearing]:
    """A receiver on loopback, for as long as the block lasts."""
    it = Hearing()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            it.hear({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(it.statuses.pop(0) if it.statuses else 204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - http.server's signature
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        it.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield it
        finally:
            server.shutdown()
            thread.join()


def _verifies(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body.decode(), headers)
    except WebhookVerificationError:
        return False
    return True
