"""Signatures made here by HMAC's definition (RFC 2104) and the standard's own example, not by what is tested."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from headrace import SignatureInvalid, webhooks

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(b"another key, as long as it is").decode()
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
BODY = b'{"type":"job.succeeded","data":{"id":"job_1","text":"gr\xc3\xbc\xc3\x9fe"}}'


def hmac_sha256(key: bytes, text: bytes) -> bytes:
    padded = key.ljust(64, b"\0")
    inner, outer = bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
    return hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()


def signature(key: bytes, stamp: str, body: bytes = BODY, webhook_id: str = "evt_1") -> str:
    return "v1," + base64.b64encode(hmac_sha256(key, f"{webhook_id}.{stamp}.".encode() + body)).decode()


def headers(key: bytes = KEY, *, at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    return {"Webhook-Id": "evt_1", "Webhook-Timestamp": stamp, "Webhook-Signature": signature(key, stamp)}


def test_the_example_of_the_standard_verifies() -> None:
    delivery = webhooks.verify(
        '{"test": 2432232314}',
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=datetime.fromtimestamp(1614265330, UTC),
    )
    assert (delivery.id, delivery.event()) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", {"test": 2432232314})


def test_what_was_signed_with_the_secret_is_given_back_as_it_came() -> None:
    delivery = webhooks.verify(BODY, headers(), SECRET, now=NOW)
    assert (delivery.body, delivery.sent_at) == (BODY, NOW)
    assert delivery.event()["data"]["text"] == "grüße"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Webhook-Id", "evt_2"),
        ("Webhook-Timestamp", str(int(NOW.timestamp()) + 1)),
        ("Webhook-Signature", "v1," + base64.b64encode(bytes(32)).decode()),
        ("Webhook-Signature", headers()["Webhook-Signature"].replace("v1,", "v1a,")),
        ("Webhook-Signature", headers()["Webhook-Signature"].removeprefix("v1,")),
        ("Webhook-Signature", "v1,"),
        ("Webhook-Signature", "v1,schlüssel"),
    ],
)
def test_whatever_is_changed_no_longer_verifies(name: str, value: str) -> None:
    with pytest.raises(SignatureInvalid, match="No signature"):
        webhooks.verify(BODY, headers() | {name: value}, SECRET, now=NOW)


def test_another_body_or_secret_does_not_verify() -> None:
    with pytest.raises(SignatureInvalid):
        webhooks.verify(BODY + b" ", headers(), SECRET, now=NOW)
    with pytest.raises(SignatureInvalid):
        webhooks.verify(BODY, headers(), OTHER, now=NOW)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_header_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SignatureInvalid, match=name.lower()):
        webhooks.verify(BODY, {other: value for other, value in headers().items() if other != name}, SECRET, now=NOW)


@pytest.mark.parametrize(("seconds", "is_fresh"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_copy_sent_too_late_or_too_early_does_not_verify(seconds: int, *, is_fresh: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    if is_fresh:
        assert webhooks.verify(BODY, headers(), SECRET, now=now).id == "evt_1"
    else:
        with pytest.raises(SignatureInvalid, match="from now"):
            webhooks.verify(BODY, headers(), SECRET, now=now)
    assert webhooks.verify(BODY, headers(), SECRET, now=now, tolerance=timedelta(minutes=6)).id == "evt_1"


def test_the_clock_is_asked_when_nobody_says_what_time_it_is() -> None:
    assert webhooks.verify(BODY, headers(at=datetime.now(UTC)), SECRET).id == "evt_1"
    with pytest.raises(SignatureInvalid, match="from now"):
        webhooks.verify(BODY, headers(at=NOW - timedelta(days=3650)), SECRET)


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1e3", "9" * 30, "٣"])
def test_a_timestamp_that_is_none_does_not_verify(stamp: str) -> None:
    with pytest.raises(SignatureInvalid):
        webhooks.verify(BODY, headers() | {"Webhook-Timestamp": stamp}, SECRET, now=NOW)


def test_while_a_secret_is_rotated_either_side_may_know_both() -> None:
    old, stamp = headers(base64.b64decode(OTHER.removeprefix("whsec_"))), str(int(NOW.timestamp()))
    assert webhooks.verify(BODY, old, [SECRET, OTHER], now=NOW).id == "evt_1"
    both = old | {"Webhook-Signature": f"{old['Webhook-Signature']} v1a,later {signature(KEY, stamp)}"}
    assert webhooks.verify(BODY, both, SECRET, now=NOW).id == "evt_1"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", []])
def test_a_secret_that_cannot_be_one_is_the_programs_mistake(secret: str | list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        webhooks.verify(BODY, headers(), secret, now=NOW)
