"""What nobody gave out opens nothing, and what is misspelt costs no query."""

import base64
import json
import random

import httpx
import pytest
from sqlalchemy import event, text

from api.key_ring import KeyRing
from domain.accounts.api_key import make_key, parse_key
from domain.accounts.permissions import Role
from domain.accounts.token import TokenUse, make_token, parse_token
from domain.errors import Unauthenticated
from storage.database import open_database
from tests.api.conftest import House
from tests.support.people import PASSWORD

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def jwt(header: object, claims: object, signature: str = "") -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header)}.{part(claims)}.{signature}"


def forged(access: str, refresh: str, key: str, user_id: str) -> list[str]:
    """What an attacker might try who has seen tokens, or has tokens that are not good for this."""
    claims = {"sub": user_id, "exp": 4102444800, "iat": 0, "iss": "headrace", "aud": "headrace"}
    jwts = [jwt({"alg": alg, "typ": "JWT"}, claims) for alg in ("none", "None", "nOnE", "NONE", "", "HS256", "RS256")]
    jwts += [
        jwt({"alg": "HS256", **header}, claims, "c2lnbmF0dXJl")
        for header in (
            {"kid": "../../dev/null"},
            {"kid": "' OR 1=1 --"},
            {"kid": "\0"},
            {"jwk": {"kty": "oct", "k": "AA"}},
            {"jku": "http://127.0.0.1/keys"},
            {"x5u": "http://127.0.0.1/keys"},
            {"crit": ["exp"]},
        )
    ]
    jwts += [
        jwt({"alg": "none"}, {**claims, name: value})
        for name, value in (("exp", "never"), ("exp", 1e30), ("aud", ["a", "headrace"]), ("nbf", 0), ("iss", None))
    ]
    body, checksum = access[:-6], access[-6:]
    spelled = [
        "", " ", "null", "undefined", "true", "0", "Bearer", f"Bearer {access}", f"{access},{access}", f'"{access}"',
        refresh, refresh.replace("hrr_", "hra_"), access.replace("hra_", "hrr_"), access.replace("hra_", "hr_"),
        access.replace("hra_", "HRA_"), access.replace("hra_", "hrt_"), access.replace("_", "-"),
        access.swapcase(), access.upper(), access.lower(), access[::-1], access[:-1], access[1:],
        access + "0", access + "=", access + "\\n",
        body, body + checksum[::-1], body + "000000", body[:-1] + ("0" if body[-1] != "0" else "1") + checksum,
        f"{access}\t", f"{access[:20]} {access[20:]}", f"{access}.{access}", access.replace("hra_", "hra__"),
        f"hra_{'0' * 46}", f"hra_{'A' * 46}", f"hra_{user_id}", f"hra_{'%00' * 15}0", "hra_" + "x" * 7_000,
        str(make_token(TokenUse.ACCESS, bytes(40))), str(make_token(TokenUse.ACCESS, bytes(range(40)))),
        str(make_token(TokenUse.REFRESH, bytes(40))),
        key[:-1], key + "0", key.replace("hr_", "hra_"), key[:12] + key[12:].swapcase(), key.upper(),
        str(make_key(bytes(40))), f"{key}' OR '1'='1", base64.b64encode(access.encode()).decode(), user_id,
    ]  # fmt: skip
    return jwts + spelled


async def test_no_forged_token_opens(house: House) -> None:
    ada = await house.person(Role.ADMIN)
    tokens = await house.log_in(ada)
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    tried = forged(access, refresh, ada.key, ada.id)
    assert len(set(tried)) >= 60
    accepted = []
    for one in tried:
        for header in ({"Authorization": f"Bearer {one}"}, {"Authorization": "", "X-API-Key": one}):
            try:
                answer = await house.client.get("/v1/me", headers=header)
            except httpx.LocalProtocolError:
                continue
            if answer.status_code != 401:
                accepted.append((one, answer.status_code))
    # blanks around it are no part of a header's value
    assert [one for one in accepted if one[0].strip() != access] == []
    assert (await house.as_(access, "GET", "/v1/me")).status_code == 200
    ends = [(await house.ask_tokens(grant_type="refresh_token", refresh_token=one or "x")).status_code for one in tried]
    assert ends.count(200) == 1  # the one that is good, among them
    assert set(ends) == {200, 400}


async def test_100_000_forged_keys_and_tokens_open_nothing_and_cost_no_query(house: House, database_url: str) -> None:
    ada = await house.person(Role.ADMIN)
    database = open_database(database_url, name="ring", size=1)
    asked: list[str] = []
    event.listen(
        database._engine.sync_engine,  # noqa: SLF001 - what goes to the driver
        "before_cursor_execute",
        lambda *told: asked.append(told[2]),
    )
    ring = KeyRing(database, user_requests_per_minute=600)
    dice = random.Random(7)  # noqa: S311 - the same each time
    public_id, rest = ada.key.split("_")[1:]
    accepted = 0
    for n in range(100_000):
        # of a key that is somebody's, the public part is no secret
        noise = "".join(dice.choices(ALPHABET, k=len(rest)))
        one = (f"hr_{public_id}_{noise}", f"hra_{noise + noise}"[:50], f"hr_{noise[:8]}_{rest}")[n % 3]
        if parse_key(one) or parse_token(one):
            continue  # one in four thousand million has the right checksum by chance
        try:
            await ring.caller(one)
        except Unauthenticated:
            continue
        accepted += 1
    assert accepted == 0
    assert asked == []
    assert (await ring.caller(ada.key)).user_id == ada.id
    assert asked
    await database.close()


async def test_nothing_that_opens_is_in_the_database(house: House) -> None:
    ada = await house.person(Role.ADMIN)
    first = await house.log_in(ada)
    second = (await house.ask_tokens(grant_type="refresh_token", refresh_token=first["refresh_token"])).json()
    made = (await house.as_(ada.key, "POST", "/v1/api-keys", {"name": "k"}, headers={"Idempotency-Key": "k"})).json()
    turned = (await house.as_(ada.key, "POST", f"/v1/api-keys/{made['id']}/rotate", {})).json()
    fresh = {"email": "anne@example.com", "password": "a heron waits for rain"}
    created = await house.as_(ada.key, "POST", "/v1/users", fresh, headers={"Idempotency-Key": "u"})
    assert created.status_code == 201
    async with house.database.read() as tx:
        tables = (
            await tx.execute(text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"))
        ).scalars()
        rows = [
            row
            for table in list(tables)
            for row in (await tx.execute(text(f"SELECT CAST(t.* AS text) FROM {table} AS t"))).scalars()  # noqa: S608
        ]
    dump = "\n".join(rows)
    assert ada.id in dump
    assert made["public_id"] in dump
    opens = [PASSWORD, fresh["password"], ada.key, made["key"], turned["key"]]
    opens += [pair[name] for pair in (first, second) for name in ("access_token", "refresh_token")]
    for one in opens:
        secret = one if " " in one else one.split("_")[-1]
        assert secret not in dump
        assert secret.encode().hex() not in dump


@pytest.mark.parametrize("bad", ["hr_AAAAAAAA_" + "A" * 38, "hra_" + "A" * 46, "x" * 100_000, "\udcff"])
def test_what_is_misspelt_is_no_key_and_no_token(bad: str) -> None:
    assert parse_key(bad) is None
    assert parse_token(bad) is None
