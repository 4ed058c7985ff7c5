"""Webhooks over HTTP: endpoints, their secrets, and their deliveries."""

import secrets
from typing import Final

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.problems import base_url
from api.webhooks.answers import (
    deliver,
    found,
    found_delivery,
    keep_shown,
    next_signer,
    not_found,
    show_again,
    show_secret,
    show_signer,
)
from api.webhooks.reading import changed, check_body, plain_events
from api.webhooks.views import (
    DeliveryView,
    SigningSecretView,
    WebhookBody,
    WebhookChanges,
    WebhookView,
    told_of,
    view_delivery,
    view_webhook,
)
from domain.accounts.user import Caller
from domain.ids import is_id
from domain.webhooks.endpoint import (
    MOST_ENDPOINTS,
    EndpointInactive,
    EndpointState,
    TooManyEndpoints,
)
from domain.webhooks.notice import notice_of_test
from domain.webhooks.signature import SECRET_BYTES, spell_secret
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.deliveries import add_notices, list_deliveries
from storage.schedules import database_now
from storage.webhooks import (
    add_endpoint,
    change_endpoint,
    count_endpoints,
    delete_endpoint,
    find_signer,
    list_endpoints,
    rotate_secret,
)

WebhookPath = FromPath[str]
DeliveryPath = FromPath[str]


@post("/webhooks", guards=[needs("webhooks:manage")], status_code=201, opt={**ONCE, **audited("webhook.created")})
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
            return await show_again(request, use, tx, caller, kept, status=201)
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
        await keep_shown(tx, key, endpoint, status=201)
        await audit(tx, actor_of(request), act("webhook.created", endpoint.id, after=told_of(endpoint)))
    return show_secret(request, endpoint, status=201, secret=spell_secret(secret))


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
        listed = await list_endpoints(tx, caller.tenant_id, limit=limit + 1, before=before)
    base = base_url(request.scope)
    return answer_page(request, listed, limit, view=lambda one: view_webhook(one, base), mark=lambda one: one.id)


@get("/webhooks/{webhook_id:str}", guards=[needs("webhooks:read")])
async def show(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> WebhookView:
    """An endpoint, and whether it takes what it is sent."""
    async with use.database.read() as tx:
        return view_webhook(await found(tx, caller, webhook_id), base_url(request.scope))


@patch("/webhooks/{webhook_id:str}", guards=[needs("webhooks:manage")], opt=audited("webhook.changed"))
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
        endpoint = await found(tx, caller, webhook_id, lock=True)
        saved = await change_endpoint(tx, changed(endpoint, data))
        before, after = told_of(endpoint), told_of(saved)
        if before != after:
            await audit(tx, actor_of(request), act("webhook.changed", saved.id, before=before, after=after))
    return view_webhook(saved, base_url(request.scope))


@delete(
    "/webhooks/{webhook_id:str}",
    guards=[needs("webhooks:manage")],
    status_code=204,
    opt=audited("webhook.removed"),
)
async def remove(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> None:
    """Remove an endpoint. What is on its way to it is not sent any more."""
    async with use.database.begin() as tx:
        endpoint = await found(tx, caller, webhook_id, lock=True)
        if not await delete_endpoint(tx, caller.tenant_id, endpoint.id):
            raise not_found()
        await audit(tx, actor_of(request), act("webhook.removed", endpoint.id, before=told_of(endpoint)))


@post(
    "/webhooks/{webhook_id:str}/rotate-secret",
    guards=[needs("webhooks:manage")],
    status_code=200,
    opt={**ONCE, **audited("webhook.secret_rotated")},
)
async def rotate(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[WebhookView]:
    """Give an endpoint a new secret, which is in this answer only. For 24 hours the one before signs as well."""
    key = await read_key(request)
    secret = secrets.token_bytes(SECRET_BYTES)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return await show_again(request, use, tx, caller, kept, status=200)
        sealed = use.secrets.seal(secret, webhook_id)
        endpoint = await rotate_secret(tx, caller.tenant_id, webhook_id, sealed) if is_id("hook", webhook_id) else None
        if endpoint is None:
            raise not_found()
        await keep_shown(tx, key, endpoint, status=200)
        await audit(tx, actor_of(request), act("webhook.secret_rotated", endpoint.id))
    return show_secret(request, endpoint, status=200, secret=spell_secret(secret))


@post(
    "/webhooks/{webhook_id:str}/test",
    guards=[needs("webhooks:manage")],
    status_code=202,
    opt={**ONCE, **audited("webhook.tested")},
)
async def test(
    request: ApiRequest, webhook_id: WebhookPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[DeliveryView]:
    """Send a `webhook.test`, once, whatever the endpoint wants and though it be paused.

    The delivery that is the answer tells how it went, when it is asked for again.
    """
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        endpoint = await found(tx, caller, webhook_id)
        notice = notice_of_test(endpoint.id, endpoint.tenant_id, notice_id=new_id("evt"), at=await database_now(tx))
        await add_notices(tx, [notice])
        response = await deliver(request, tx, caller, endpoint, notice.id, max_attempts=1)
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("webhook.tested", endpoint.id))
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
        endpoint = await found(tx, caller, webhook_id)
        listed = await list_deliveries(tx, caller.tenant_id, endpoint.id, limit=limit + 1, before=before)
    return answer_page(request, listed, limit, view=view_delivery, mark=lambda one: one.id)


@get("/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}", guards=[needs("webhooks:read")])
async def show_delivery(
    webhook_id: WebhookPath, delivery_id: DeliveryPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> DeliveryView:
    """A delivery, and how its last attempt went."""
    async with use.database.read() as tx:
        endpoint = await found(tx, caller, webhook_id)
        return view_delivery(await found_delivery(tx, endpoint, delivery_id))


@post(
    "/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver",
    guards=[needs("webhooks:manage")],
    status_code=202,
    opt={**ONCE, **audited("webhook.redelivered")},
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
        endpoint = await found(tx, caller, webhook_id)
        before = await found_delivery(tx, endpoint, delivery_id)
        if endpoint.state is not EndpointState.ACTIVE:
            raise EndpointInactive(f"The endpoint is {endpoint.state}. Make it active first.")
        response = await deliver(request, tx, caller, endpoint, before.notice_id, again_of=before.id)
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("webhook.redelivered", before.id))
    use.wakeups.ring_relay()
    return response


@get("/webhooks/signing-secret", guards=[needs("webhooks:manage")])
async def show_signing_secret(
    use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[SigningSecretView]:
    """What receivers of single jobs (`webhook` of a submission) verify signatures with."""
    async with use.database.read() as tx:
        signer = await find_signer(tx, caller.tenant_id)
    return show_signer(use.secrets, caller, signer)


@post(
    "/webhooks/signing-secret/rotate",
    guards=[needs("webhooks:manage")],
    status_code=200,
    opt={**ONCE, **audited("signing_secret.rotated")},
    operation_id="rotate_webhook_signing_secret",
)
async def rotate_signing_secret(
    request: ApiRequest, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[SigningSecretView]:
    """Go on to another secret for single jobs. For 24 hours the one before signs as well, and none before that."""
    key = await read_key(request)
    async with use.database.begin() as tx:
        return await next_signer(request, use, tx, caller, key)


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
