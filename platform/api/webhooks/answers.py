"""What the routes of webhooks answer with, and what they refuse; everything here takes the route's transaction."""

from typing import Any, Final

import msgspec
from litestar.response import Response
from msgspec import UNSET, UnsetType

from api.acts import act, actor_of
from api.bodies import ApiRequest
from api.context import Use, notes_of
from api.headers import RETRY_AFTER
from api.idempotency import REPLAYED, find_answer
from api.problems import base_url
from api.webhooks.views import (
    DeliveryView,
    RotationMark,
    SigningSecretView,
    WebhookView,
    view_delivery,
    view_webhook,
)
from domain.accounts.user import Caller
from domain.ids import is_id
from domain.jobs.once import IdempotencyAnswerGone, IdempotencyKey
from domain.webhooks.delivery import Delivery, NewDelivery, job_of
from domain.webhooks.endpoint import DeliveryNotFound, Endpoint, EndpointNotFound
from domain.webhooks.signature import spell_secret
from runtime.secret_box import SecretBox, signing_secret
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.database import Tx
from storage.deliveries import add_deliveries, find_delivery
from storage.jobs import submit_jobs
from storage.once import KeptAnswer, keep_answer
from storage.webhooks import Signer, find_endpoint, find_signer, rotate_signer

_ENCODER: Final = msgspec.json.Encoder()
_MARK: Final = msgspec.json.Decoder(RotationMark)
_MADE: Final = 201


async def deliver(  # noqa: PLR0913 - whose, what, to whom
    request: ApiRequest,
    tx: Tx,
    caller: Caller,
    endpoint: Endpoint,
    notice_id: str,
    *,
    again_of: str | None = None,
    max_attempts: int | None = None,
) -> Response[DeliveryView]:
    """Write a delivery of a notice to the endpoint, with its job; answers 202 with it."""
    notes = notes_of(request.scope)
    delivery = NewDelivery(
        id=new_id("dlv"),
        tenant_id=endpoint.tenant_id,
        notice_id=notice_id,
        endpoint_id=endpoint.id,
        again_of=again_of,
    )
    await add_deliveries(tx, [delivery])
    job = job_of(
        delivery,
        caller.user_id,
        request_id=notes.request_id,
        traceparent=notes.traceparent,
        max_attempts=max_attempts,
    )
    await submit_jobs(tx, [job])
    view = view_delivery(await found_delivery(tx, endpoint, delivery.id))
    location = f"/v1/webhooks/{endpoint.id}/deliveries/{delivery.id}"
    return Response(view, status_code=202, headers={"Location": location} | RETRY_AFTER)


async def keep_shown(tx: Tx, key: IdempotencyKey | None, endpoint: Endpoint, *, status: int) -> None:
    """Keep which secret was shown; the secret itself stays where it is sealed."""
    if key is not None:
        mark = _ENCODER.encode(RotationMark(rotated_at=endpoint.rotated_at))
        location = f"/v1/webhooks/{endpoint.id}"
        await keep_answer(tx, key, KeptAnswer(fingerprint=key.fingerprint, status=status, location=location, body=mark))


async def show_again(  # noqa: PLR0913 - whose, what, to whom
    request: ApiRequest, use: Use, tx: Tx, caller: Caller, kept: KeptAnswer, *, status: int
) -> Response[Any]:
    """The endpoint as it is now, with its secret if that is still the one that was shown."""
    endpoint = await find_endpoint(tx, caller.tenant_id, (kept.location or "").rpartition("/")[2])
    if endpoint is None:
        raise IdempotencyAnswerGone("The endpoint that this key made was deleted.")
    is_same = _MARK.decode(kept.body or b"{}").rotated_at == endpoint.rotated_at
    secret = spell_secret(use.secrets.open(endpoint.secret, endpoint.id)) if is_same else UNSET
    response = show_secret(request, endpoint, status=status, secret=secret)
    response.headers.update(REPLAYED)
    return response


def show_secret(
    request: ApiRequest, endpoint: Endpoint, *, status: int, secret: str | UnsetType
) -> Response[WebhookView]:
    """The endpoint, with its secret where that is to be shown; kept by no cache."""
    headers = {"Cache-Control": "no-store"} | ({"Location": f"/v1/webhooks/{endpoint.id}"} if status == _MADE else {})
    return Response(view_webhook(endpoint, base_url(request.scope), secret=secret), status_code=status, headers=headers)


def show_signer(box: SecretBox, caller: Caller, signer: Signer) -> Response[SigningSecretView]:
    """What the caller's tenant signs single jobs with; kept by no cache."""
    secret = signing_secret(box, caller.tenant_id, signer.generation)
    view = SigningSecretView(secret=spell_secret(secret), rotated_at=signer.rotated_at)
    return Response(view, headers={"Cache-Control": "no-store"})


async def next_signer(
    request: ApiRequest, use: Use, tx: Tx, caller: Caller, key: IdempotencyKey | None
) -> Response[SigningSecretView]:
    """What the tenant signs single jobs with from now on; of a request sent again, what it signs with now.

    Going on twice would end the secret that receivers have.
    """
    if await find_answer(tx, key):
        response = show_signer(use.secrets, caller, await find_signer(tx, caller.tenant_id))
        response.headers.update(REPLAYED)
        return response
    signer = await rotate_signer(tx, caller.tenant_id)
    if key is not None:
        await keep_answer(tx, key, KeptAnswer(fingerprint=key.fingerprint, status=200, body=b"{}"))
    await audit(tx, actor_of(request), act("signing_secret.rotated", caller.tenant_id))
    return show_signer(use.secrets, caller, signer)


async def found(tx: Tx, caller: Caller, webhook_id: str, *, lock: bool = False) -> Endpoint:
    """The endpoint of the caller's tenant.

    Raises:
        EndpointNotFound: there is none.
    """
    endpoint = await find_endpoint(tx, caller.tenant_id, webhook_id, lock=lock) if is_id("hook", webhook_id) else None
    if endpoint is None:
        raise not_found()
    return endpoint


async def found_delivery(tx: Tx, endpoint: Endpoint, delivery_id: str) -> Delivery:
    """The delivery to this endpoint.

    Raises:
        DeliveryNotFound: there is none.
    """
    is_one = is_id("dlv", delivery_id)
    delivery = await find_delivery(tx, endpoint.tenant_id, endpoint.id, delivery_id) if is_one else None
    if delivery is None:
        raise DeliveryNotFound("There is no such delivery to this endpoint.")
    return delivery


def not_found() -> EndpointNotFound:
    """There is no such endpoint in the caller's tenant."""
    return EndpointNotFound("There is no such endpoint.")
