"""What we sign, others verify: with the library that Standard Webhooks publishes."""

import base64
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from domain.webhooks.signature import sign, spell_secret

_SECRET = bytes(range(32))
_ALPHABET = "aZ09 \t\"\\/<>&'éßøЖ中文🌊\u2028\ufeff"


def _bodies() -> list[bytes]:
    chance = random.Random(17)  # noqa: S311 - a seed, so that bodies repeat
    found: list[bytes] = [b"{}", b'""', b"0", b'"' + b"x" * (1 << 20) + b'"', b"[1.0, 1e-300, 0.1, -0.0]"]
    while len(found) < 2000:
        text = "".join(chance.choices(_ALPHABET, k=chance.randrange(200)))
        found.append(msgspec.json.encode({"text": text, "number": chance.uniform(-1e9, 1e9), "n": len(found)}))
    return found


@pytest.mark.parametrize("length", [24, 32, 64])
def test_two_thousand_bodies_verify_with_the_public_library(length: int) -> None:
    secret = random.Random(length).randbytes(length)  # noqa: S311 - as above
    public = Webhook(spell_secret(secret))
    for number, body in enumerate(_bodies()):
        headers = sign([secret], f"evt_{number}", datetime.now(UTC), body)
        assert public.verify(body.decode(), headers) == msgspec.json.decode(body)


def test_a_changed_body_id_or_time_does_not_verify() -> None:
    public, now = Webhook(spell_secret(_SECRET)), datetime.now(UTC)
    headers = sign([_SECRET], "evt_1", now, b'{"a": 1}')
    later = str(int(headers["webhook-timestamp"]) + 1)
    for body, changed in (
        (b'{"a": 2}', {}),
        (b'{"a":1}', {}),
        (b'{"a": 1}', {"webhook-id": "evt_2"}),
        (b'{"a": 1}', {"webhook-timestamp": later}),
    ):
        with pytest.raises(WebhookVerificationError):
            public.verify(body.decode(), headers | changed)


@pytest.mark.parametrize(("seconds", "is_taken"), [(-301, False), (-295, True), (295, True), (301, False)])
def test_receivers_refuse_what_was_signed_over_five_minutes_away(*, seconds: int, is_taken: bool) -> None:
    headers = sign([_SECRET], "evt_1", datetime.now(UTC) + timedelta(seconds=seconds), b"{}")
    try:
        Webhook(spell_secret(_SECRET)).verify("{}", headers)
    except WebhookVerificationError:
        assert not is_taken
    else:
        assert is_taken


def test_with_two_secrets_either_verifies_and_no_third_does() -> None:
    secrets = [_SECRET, bytes(range(32, 64))]
    headers = sign(secrets, "evt_1", datetime.now(UTC), b"{}")
    for secret in secrets:
        Webhook(spell_secret(secret)).verify("{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(spell_secret(bytes(32))).verify("{}", headers)


def test_a_secret_is_shown_as_the_standard_spells_it() -> None:
    assert spell_secret(_SECRET) == "whsec_" + base64.b64encode(_SECRET).decode()
