"""Webhooks that Headrace sends, verified by Standard Webhooks: `verify(body, headers, secret)`."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from headrace.errors import SignatureInvalid

TOLERANCE: Final = timedelta(minutes=5)
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"
_LATEST: Final = 253_402_300_799  # the last second that datetime knows


class Delivery(Struct, frozen=True, kw_only=True):
    """A webhook that is what it says.

    `id` is the same each time the same event is delivered: whoever has handled it answers 2xx and does nothing more.
    """

    id: str
    sent_at: datetime
    body: bytes

    def event(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body, decoded: a CloudEvent.

        Raises:
            ValueError: it is no JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise ValueError(f"The webhook's body is no JSON: {error}.") from None


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
) -> Delivery:
    """The delivery, if it was signed with `secret` no longer ago than `tolerance`.

    `body` is what came, byte for byte: JSON that was decoded and encoded again does not verify. `secret` is what the
    endpoint was given when it was made (`whsec_…`); while it is being rotated, give both.

    Raises:
        SignatureInvalid: a header is missing, no signature fits, or its time is too far from `now`.
        ValueError: the secret cannot be one.
    """
    content = body.encode() if isinstance(body, str) else bytes(body)
    keys = [_key(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("There is no secret to verify with.")
    found = {name.lower(): value for name, value in headers.items()}
    webhook_id, spelled, signatures = (_header(found, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    sent_at = _moment(spelled)
    if abs((now or datetime.fromtimestamp(time.time(), UTC)) - sent_at) > tolerance:
        raise SignatureInvalid(
            f"The webhook was signed at {sent_at.isoformat()}, which is more than {tolerance} from now: "
            "it is somebody's copy, or a clock is wrong."
        )
    signed = b"%b.%b.%b" % (webhook_id.encode(), spelled.encode(), content)
    wanted = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    sent = [each.removeprefix(_VERSION).encode() for each in signatures.split(" ") if each.startswith(_VERSION)]
    # All are compared, each in constant time: how long it takes says nothing about which fits, or how well.
    fits = [hmac.compare_digest(one, other) for one in wanted for other in sent]
    if not any(fits):
        raise SignatureInvalid(
            "No signature of the webhook fits: the secret is another endpoint's, or the body is not as it came."
        )
    return Delivery(id=webhook_id, sent_at=sent_at, body=content)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("The secret of a webhook is base64, after whsec_.")
    return key


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise SignatureInvalid(f"The webhook has no header {name}: Headrace did not send it.")
    return value


def _moment(spelled: str) -> datetime:
    if not (spelled.isascii() and spelled.isdigit()) or int(spelled) > _LATEST:
        raise SignatureInvalid("The webhook's timestamp is no number of seconds.")
    return datetime.fromtimestamp(int(spelled), UTC)
