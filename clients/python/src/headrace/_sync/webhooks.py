"""Webhooks: the endpoints that are told what happens, and what was sent to them."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

from collections.abc import Sequence

from headrace._sync.http import Connection
from headrace._sync.listing import Listing, reads
from headrace.models import EndpointWanted, SigningSecret, Webhook, WebhookDelivery
from headrace.options import listed
from headrace.requests import ask, create, given, segment


class Webhooks:
    """Makes endpoints and changes them, and tells what became of deliveries. `headrace.webhooks.verify` receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self, url: str, events: Sequence[str], *, description: str = "", idempotency_key: str | None = None
    ) -> Webhook:
        """Let `url` be told of `events`: types (`job.failed`), all of a subject (`job.*`), or `*`.

        Keep `secret`: nothing shows it again.

        Raises:
            Invalid: the address is not one that is sent to, or there is no such event.
        """
        body = {"url": url, "events": listed(events), "description": description}
        return (self._connection.send(create("/v1/webhooks", body, key=idempotency_key))).into(Webhook)

    def get(self, webhook_id: str) -> Webhook:
        """An endpoint, and whether it takes what it is sent."""
        return (self._connection.send(ask("GET", _path(webhook_id)))).into(Webhook)

    def list(self, *, limit: int | None = None) -> Listing[Webhook]:
        """The endpoints, newest first; `limit` of them, or all."""
        return Listing(self._connection, ask("GET", "/v1/webhooks"), reads(Webhook), limit=limit)

    def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        state: EndpointWanted | None = None,
    ) -> Webhook:
        """Change what is given and nothing else. While it is paused, nothing is written for it."""
        wanted = None if events is None else listed(events)
        body = given(url=url, events=wanted, description=description, state=state)
        return (self._connection.send(ask("PATCH", _path(webhook_id), body=body))).into(Webhook)

    def delete(self, webhook_id: str) -> None:
        """Remove an endpoint; what is on its way to it is not sent any more."""
        self._connection.send(ask("DELETE", _path(webhook_id), is_repeatable=False))

    def rotate_secret(self, webhook_id: str, *, idempotency_key: str | None = None) -> Webhook:
        """Give it a new `secret`, shown here only. For 24 hours the one before signs as well."""
        request = create(f"{_path(webhook_id)}/rotate-secret", None, key=idempotency_key)
        return (self._connection.send(request)).into(Webhook)

    def test(self, webhook_id: str, *, idempotency_key: str | None = None) -> WebhookDelivery:
        """Send it a `webhook.test`, once; `delivery` tells how that went."""
        request = create(f"{_path(webhook_id)}/test", None, key=idempotency_key)
        return (self._connection.send(request)).into(WebhookDelivery)

    def deliveries(self, webhook_id: str, *, limit: int | None = None) -> Listing[WebhookDelivery]:
        """What was sent to it, and is to be, newest first; `limit` of them, or all."""
        request = ask("GET", f"{_path(webhook_id)}/deliveries")
        return Listing(self._connection, request, reads(WebhookDelivery), limit=limit)

    def delivery(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """A delivery, and how its last attempt went."""
        return (self._connection.send(ask("GET", _delivery(webhook_id, delivery_id)))).into(WebhookDelivery)

    def redeliver(self, webhook_id: str, delivery_id: str, *, idempotency_key: str | None = None) -> WebhookDelivery:
        """Send a delivery again, under the same id and with the same body, as a delivery of its own.

        Raises:
            Conflict: the endpoint is not active.
        """
        request = create(f"{_delivery(webhook_id, delivery_id)}/redeliver", None, key=idempotency_key)
        return (self._connection.send(request)).into(WebhookDelivery)

    def signing_secret(self) -> SigningSecret:
        """What signs for the addresses that single jobs name (`webhook=`)."""
        return (self._connection.send(ask("GET", "/v1/webhooks/signing-secret"))).into(SigningSecret)

    def rotate_signing_secret(self) -> SigningSecret:
        """Go on to another of those. For 24 hours the one before signs as well."""
        request = ask("POST", "/v1/webhooks/signing-secret/rotate", is_repeatable=False)
        return (self._connection.send(request)).into(SigningSecret)


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{segment(webhook_id)}"


def _delivery(webhook_id: str, delivery_id: str) -> str:
    return f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}"
