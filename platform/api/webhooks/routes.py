"""Webhooks over HTTP: endpoints, their secrets, and their deliveries."""

import secrets
from typing import Any, Final

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from msgspec import UNSET, UnsetType

from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use, notes_of
from api.idempotency import ONCE, REPLAYED, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.problems import base_url
from api.webhooks.reading import changed, check_body, plain_events
from api.webhooks.views import (
    DeliveryView,
    RotationMark,
    SigningSecretView,
    WebhookBody,
    WebhookChanges,
    WebhookView,
    view_delivery,
    view_webhook,
)
from domain.accounts.user import Caller
from domain.ids import is_id
from domain.jobs.once import IdempotencyAnswerGone, IdempotencyKey
from domain.webhooks.delivery import Delivery, NewDelivery, job_of
from domain.webhooks.endpoint import (
    MOST_ENDPOINTS,
    DeliveryNotFound,
    Endpoint,
    EndpointInactive,
    EndpointNotFound,
    EndpointState,
    TooManyEndpoints,
)
from domain.webhooks.notice import notice_of_test
from domain.webhooks.signature import SECRET_BYTES, spell_secret
from runtime.secret_box import SecretBox, signing_secret
from runtime.unique_ids import new_id
from storage.database import Tx
from storage.deliveries import add_deliveries, add_notices, find_delivery, list_deliveries
from storage.jobs import submit_jobs
from storage.once import KeptAnswer, keep_answer
from storage.schedules import database_now
from storage.webhooks import (
    Signer,
    add_endpoint,
    change_endpoint,
    count_endpoints,
    delete_endpoint,
    find_endpoint,
    find_signer,
    list_endpoints,
    rotate_secret,
    rotate_signer,
)

WebhookPath = FromPath[str]
DeliveryPath = FromPath[str]

_ENCODER: Final = msgspec.json.Encoder()
_MARK: Final = msgspec.json.Decoder(RotationMark)


@post("/webhooks", guards=[needs("webhooks:manage")], status_code=201, opt=ONCE)
async def create(
    request: ApiRequest, data: JSONBody[WebhookBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[WebhookView]:
    """Make an endpoint. Its secret is in this answer, and shown in no other."""
    key = await read_key(request)
    await check_body(data, use.outbound)
    endpoint_id, secret = new_id("hook"), secrets.token_bytes(SECRET_BYTES)
    sealed = use.secrets.seal(secret, endpoint_id)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return await _show_again(request, use, tx, caller, kept, status=201)
        if await count_endpoints(tx, caller.tenant_id) >= MOST_ENDPOINTS:
            raise TooManyEndpoints(f"A tenant has at most {MOST_ENDPOINTS} endpoints.")
        endpoint = await add_endpoint(
            tx,
            endpoint_id,
            tenant_id=caller.tenant_id,
            caller_id=caller.user_id,
            url=data.url,
            events=plain_events(data.events),
            description=data.description,
            secret=sealed,
        )
        await _keep(tx, key, endpoint, status=201)
    return _show(request, endpoint, status=201, secret=spell_secret(secret))


@get("/webhooks", guards=[needs("webhooks:read")])
async def list_(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[WebhookView]]:
    """The tenant's endpoints, newest first."""
    before = read_cursor(cursor, "hook")
    async with use.database.read() as tx:
        found = await list_endpoints(tx, caller.tenant_id, limit=limit + 1, before=before)
    base = base_url(request.scope)
    return answer_page(request, found, limit, view=lambda one: view_webhook(one, base), mark=lambda one: one.id)


@get("/webhooks/{webhook_id:str}", guards=[needs("webhooks:read")])
async def show(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> WebhookView:
    """An endpoint, and whether it takes what it is sent."""
    async with use.database.read() as tx:
        return view_webhook(await _found(tx, caller, webhook_id), base_url(request.scope))


@patch("/webhooks/{webhook_id:str}", guards=[needs("webhooks:manage")])
async def change(
    request: ApiRequest,
    webhook_id: WebhookPath,
    data: JSONBody[WebhookChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> WebhookView:
    """Change what the body names. What is on its way already goes to the new URL; of a paused endpoint, it fails."""
    await check_body(data, use.outbound)
    async with use.database.begin() as tx:
        endpoint = await _found(tx, caller, webhook_id, lock=True)
        return view_webhook(await change_endpoint(tx, changed(endpoint, data)), base_url(request.scope))


@delete("/webhooks/{webhook_id:str}", guards=[needs("webhooks:manage")], status_code=204)
async def remove(webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> None:
    """Remove an endpoint. What is on its way to it is not sent any more."""
    async with use.database.begin() as tx:
        if not (is_id("hook", webhook_id) and await delete_endpoint(tx, caller.tenant_id, webhook_id)):
            raise _not_found()


@post("/webhooks/{webhook_id:str}/rotate-secret", guards=[needs("webhooks:manage")], status_code=200, opt=ONCE)
async def rotate(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[WebhookView]:
    """Give an endpoint a new secret, which is in this answer only. For 24 hours the one before signs as well."""
    key = await read_key(request)
    secret = secrets.token_bytes(SECRET_BYTES)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return await _show_again(request, use, tx, caller, kept, status=200)
        sealed = use.secrets.seal(secret, webhook_id)
        endpoint = await rotate_secret(tx, caller.tenant_id, webhook_id, sealed) if is_id("hook", webhook_id) else None
        if endpoint is None:
            raise _not_found()
        await _keep(tx, key, endpoint, status=200)
    return _show(request, endpoint, status=200, secret=spell_secret(secret))


@post("/webhooks/{webhook_id:str}/test", guards=[needs("webhooks:manage")], status_code=202, opt=ONCE)
async def test(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[DeliveryView]:
    """Send a `webhook.test`, whatever the endpoint wants and though it be paused. The delivery tells how it went."""
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        endpoint = await _found(tx, caller, webhook_id)
        notice = notice_of_test(endpoint.id, endpoint.tenant_id, notice_id=new_id("evt"), at=await database_now(tx))
        await add_notices(tx, [notice])
        response = await _deliver(request, tx, caller, endpoint, notice.id)
        await keep_response(tx, key, response)
    use.wakeups.ring_relay()
    return response


@get("/webhooks/{webhook_id:str}/deliveries", guards=[needs("webhooks:read")])
async def deliveries(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    webhook_id: WebhookPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[DeliveryView]]:
    """What was sent to the endpoint, and is to be, newest first. Kept as long as jobs are."""
    before = read_cursor(cursor, "dlv")
    async with use.database.read() as tx:
        endpoint = await _found(tx, caller, webhook_id)
        found = await list_deliveries(tx, caller.tenant_id, endpoint.id, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=view_delivery, mark=lambda one: one.id)


@get("/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}", guards=[needs("webhooks:read")])
async def show_delivery(
    webhook_id: WebhookPath, delivery_id: DeliveryPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> DeliveryView:
    """A delivery, and how its last attempt went."""
    async with use.database.read() as tx:
        endpoint = await _found(tx, caller, webhook_id)
        return view_delivery(await _found_delivery(tx, endpoint, delivery_id))


@post(
    "/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver",
    guards=[needs("webhooks:manage")],
    status_code=202,
    opt=ONCE,
)
async def redeliver(
    request: ApiRequest,
    webhook_id: WebhookPath,
    delivery_id: DeliveryPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> Response[DeliveryView]:
    """Send again what was sent before, whatever became of it: a new delivery, with the same `webhook-id` and body."""
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        endpoint = await _found(tx, caller, webhook_id)
        before = await _found_delivery(tx, endpoint, delivery_id)
        if endpoint.state is not EndpointState.ACTIVE:
            raise EndpointInactive(f"The endpoint is {endpoint.state}. Make it active first.")
        response = await _deliver(request, tx, caller, endpoint, before.notice_id, again_of=before.id)
        await keep_response(tx, key, response)
    use.wakeups.ring_relay()
    return response


@get("/webhooks/signing-secret", guards=[needs("webhooks:manage")])
async def show_signing_secret(
    use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[SigningSecretView]:
    """What receivers of single jobs (`webhook` of a submission) verify signatures with."""
    async with use.database.read() as tx:
        signer = await find_signer(tx, caller.tenant_id)
    return _show_signer(use.secrets, caller, signer)


@post("/webhooks/signing-secret/rotate", guards=[needs("webhooks:manage")], status_code=200)
async def rotate_signing_secret(
    use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[SigningSecretView]:
    """Go on to another secret for single jobs. For 24 hours the one before signs as well."""
    async with use.database.begin() as tx:
        signer = await rotate_signer(tx, caller.tenant_id)
    return _show_signer(use.secrets, caller, signer)


router: Final = Router(
    "/v1",
    route_handlers=[
        create,
        list_,
        show,
        change,
        remove,
        rotate,
        test,
        deliveries,
        show_delivery,
        redeliver,
        show_signing_secret,
        rotate_signing_secret,
    ],
    tags=["Webhooks"],
)


async def _deliver(  # noqa: PLR0913 - whose, what, to whom
    request: ApiRequest, tx: Tx, caller: Caller, endpoint: Endpoint, notice_id: str, *, again_of: str | None = None
) -> Response[DeliveryView]:
    notes = notes_of(request.scope)
    delivery = NewDelivery(
        id=new_id("dlv"),
        tenant_id=endpoint.tenant_id,
        notice_id=notice_id,
        endpoint_id=endpoint.id,
        again_of=again_of,
    )
    await add_deliveries(tx, [delivery])
    job = job_of(delivery, caller.user_id, request_id=notes.request_id, traceparent=notes.traceparent)
    await submit_jobs(tx, [job])
    view = view_delivery(await _found_delivery(tx, endpoint, delivery.id))
    location = f"/v1/webhooks/{endpoint.id}/deliveries/{delivery.id}"
    return Response(view, status_code=202, headers={"Location": location})


async def _keep(tx: Tx, key: IdempotencyKey | None, endpoint: Endpoint, *, status: int) -> None:
    """Keep which secret was shown; the secret itself stays where it is sealed."""
    if key is not None:
        mark = _ENCODER.encode(RotationMark(rotated_at=endpoint.rotated_at))
        location = f"/v1/webhooks/{endpoint.id}"
        await keep_answer(tx, key, KeptAnswer(fingerprint=key.fingerprint, status=status, location=location, body=mark))


async def _show_again(  # noqa: PLR0913 - whose, what, to whom
    request: ApiRequest, use: Use, tx: Tx, caller: Caller, kept: KeptAnswer, *, status: int
) -> Response[Any]:
    """The endpoint as it is now, with its secret if that is still the one that was shown."""
    endpoint = await find_endpoint(tx, caller.tenant_id, (kept.location or "").rpartition("/")[2])
    if endpoint is None:
        raise IdempotencyAnswerGone("The endpoint that this key made was deleted.")
    is_same = _MARK.decode(kept.body or b"{}").rotated_at == endpoint.rotated_at
    secret = spell_secret(use.secrets.open(endpoint.secret, endpoint.id)) if is_same else UNSET
    response = _show(request, endpoint, status=status, secret=secret)
    response.headers.update(REPLAYED)
    return response


def _show(request: ApiRequest, endpoint: Endpoint, *, status: int, secret: str | UnsetType) -> Response[WebhookView]:
    headers = {"Cache-Control": "no-store"} | ({"Location": f"/v1/webhooks/{endpoint.id}"} if status == 201 else {})  # noqa: PLR2004 - HTTP's
    return Response(view_webhook(endpoint, base_url(request.scope), secret=secret), status_code=status, headers=headers)


def _show_signer(box: SecretBox, caller: Caller, signer: Signer) -> Response[SigningSecretView]:
    secret = signing_secret(box, caller.tenant_id, signer.generation)
    view = SigningSecretView(secret=spell_secret(secret), rotated_at=signer.rotated_at)
    return Response(view, headers={"Cache-Control": "no-store"})


async def _found(tx: Tx, caller: Caller, webhook_id: str, *, lock: bool = False) -> Endpoint:
    endpoint = await find_endpoint(tx, caller.tenant_id, webhook_id, lock=lock) if is_id("hook", webhook_id) else None
    if endpoint is None:
        raise _not_found()
    return endpoint


async def _found_delivery(tx: Tx, endpoint: Endpoint, delivery_id: str) -> Delivery:
    found = await find_delivery(tx, endpoint.tenant_id, endpoint.id, delivery_id) if is_id("dlv", delivery_id) else None
    if found is None:
        raise DeliveryNotFound("There is no such delivery to this endpoint.")
    return found


def _not_found() -> EndpointNotFound:
    return EndpointNotFound("There is no such endpoint.")
