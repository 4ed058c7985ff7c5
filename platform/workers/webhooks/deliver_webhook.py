"""The handler of `webhooks.deliver`."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

from domain.errors import HeadraceError
from domain.jobs.verdict import Reject, Retry, plain
from domain.webhooks.deliver_webhook import (
    MOST_ANSWER,
    DeliverWebhook,
    Try,
    WebhookDelivered,
    wait_asked,
)
from domain.webhooks.endpoint import TEST_EVENT, EndpointState, still_valid
from domain.webhooks.notice import MEDIA_TYPE
from domain.webhooks.signature import sign
from providers.http.outbound import AddressRefused, HttpAnswer, NoAnswer
from providers.http.target import UrlRefused
from runtime.secret_box import SecretBox, signing_secret
from storage.deliveries import Sending, find_sending, note_try
from storage.webhooks import disable_endpoint, note_failed, note_taken
from workers.context import Context

log: Final = structlog.get_logger()

_FAILING_HOURS: Final = 60.0
"""For how long an endpoint took nothing when it is disabled: less than a delivery is tried for, whatever the jitter."""

_LONGEST_NUMBER: Final = 9


async def deliver_webhook(given: DeliverWebhook, ctx: Context) -> WebhookDelivered:
    """Send a notice, signed, and take nothing but 2xx for an answer. At least once: always with the same webhook-id.

    Raises:
        Reject: the endpoint is gone or not active, or answered 410, which disables it.
        Retry: it was not taken; a Retry-After that is longer than the timetable's wait is kept, up to a day.
        SecretKeyMissing, SecretUnreadable: it cannot be signed.
    """
    async with ctx.use.database.read() as connection:
        sending = await find_sending(connection, ctx.tenant_id, given.delivery_id)
    if sending is None:
        raise Reject("delivery_gone", "The delivery is kept no more.")
    url = _address_of(sending)
    headers = sign(secrets_of(sending, ctx.use.secrets), sending.notice_id, datetime.now(UTC), sending.body) | {
        "Content-Type": MEDIA_TYPE
    }
    began = time.monotonic()
    try:
        answer = await ctx.use.outbound.post(url, sending.body, headers)
    except (UrlRefused, AddressRefused, NoAnswer) as error:
        return await _not_taken(ctx, sending, _unanswered(error, began), asked=None)
    ctx.use.kill_points.reach("hook.after_send", (ctx.job.id, ctx.job.kind))
    tried = _answered(answer, began)
    if not tried.is_taken:
        return await _not_taken(ctx, sending, tried, asked=_asked(answer.headers.get("retry-after")))
    async with ctx.settling() as tx:
        await note_try(tx, sending.id, tried)
        if sending.endpoint_id is not None:
            await note_taken(tx, sending.endpoint_id)
    return WebhookDelivered(status_code=answer.status, duration_ms=tried.duration_ms)


def secrets_of(sending: Sending, box: SecretBox) -> list[bytes]:
    """What a delivery is signed with: the secret, and for a day after a rotation the one before as well.

    Raises:
        SecretKeyMissing, SecretUnreadable: it cannot be told.
    """
    is_both = still_valid(sending.rotated_at, sending.now)
    if sending.endpoint_id is None:
        generations = [sending.generation, sending.generation - 1] if is_both else [sending.generation]
        return [signing_secret(box, sending.tenant_id, generation) for generation in generations]
    sealed = [sending.secret, sending.secret_before if is_both else None]
    return [box.open(secret, sending.endpoint_id) for secret in sealed if secret is not None]


def _address_of(sending: Sending) -> str:
    """Where to send it.

    Raises:
        Reject: nowhere any more.
    """
    if sending.url is None:
        raise Reject("endpoint_gone", "The endpoint was deleted.")
    if sending.state not in {None, EndpointState.ACTIVE} and sending.type != TEST_EVENT:
        raise Reject(f"endpoint_{sending.state}", f"The endpoint is {sending.state}. Send it again when it is active.")
    return sending.url


async def _not_taken(ctx: Context, sending: Sending, tried: Try, *, asked: timedelta | None) -> WebhookDelivered:
    """Write how the try went, disable who wants nothing more or takes nothing for days, and say whether to go on."""
    is_last = ctx.job.attempt >= ctx.job.max_attempts
    disabled = False
    async with ctx.noting() as tx:
        await note_try(tx, sending.id, tried)
        if sending.endpoint_id is not None:
            is_test = sending.type == TEST_EVENT  # counts for nothing, but who says stop means it
            if not is_test:
                await note_failed(tx, sending.endpoint_id)
            if tried.is_gone:
                disabled = await disable_endpoint(tx, sending.endpoint_id, "It answered 410 Gone.")
            elif is_last and not is_test:
                reason = f"It took nothing for over {_FAILING_HOURS / 24:g} days. Last: {tried.said}"
                disabled = await disable_endpoint(tx, sending.endpoint_id, reason, failing_hours=_FAILING_HOURS)
    if disabled:
        log.warning("webhook.disabled", endpoint_id=sending.endpoint_id, tenant_id=sending.tenant_id, said=tried.said)
    if tried.is_gone:
        raise Reject("endpoint_gone", "The endpoint answered 410: it wants nothing more.")
    raise Retry(tried.said, code=tried.code or "http_error", after=wait_asked(asked, ctx.job.attempt))


def _unanswered(error: HeadraceError, began: float) -> Try:
    if not isinstance(error, NoAnswer):
        log.warning("webhook.refused", code=error.code, detail=error.detail)
    return Try(duration_ms=_elapsed_ms(began), answer=error.detail, code=error.code)


def _answered(answer: HttpAnswer, began: float) -> Try:
    text = plain(answer.body[: MOST_ANSWER * 4].decode(errors="replace"))[:MOST_ANSWER]
    tried = Try(status_code=answer.status, duration_ms=_elapsed_ms(began), answer=text)
    return (
        tried
        if tried.is_taken
        else Try(status_code=answer.status, duration_ms=tried.duration_ms, answer=text, code="http_error")
    )


def _asked(retry_after: str | None) -> timedelta | None:
    """What a Retry-After asks for (RFC 9110): seconds, or a date; None for anything else."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text[:_LONGEST_NUMBER]))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)


def _elapsed_ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
