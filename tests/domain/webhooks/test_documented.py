"""What docs/webhooks.md says in other languages verifies what we sign, and nothing else: run as it stands there."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import Struct

from domain.webhooks.signature import sign, spell_secret

PAGE = Path(__file__).parents[3] / "docs/webhooks.md"
SECRET, OTHER = bytes(range(32)), bytes(range(1, 25))
BODY = '{"text":"a heron, 中文 🌊 \\u2028", "n": 1.0}\n'.encode()

_NODE = """
let said = "";
for await (const piece of process.stdin) said += piece;
for (const one of JSON.parse(said)) console.log(isOurs(one.secret, one.headers, Buffer.from(one.body, "hex")));
"""


class Delivery(Struct, frozen=True):
    """What may have arrived, and whether it is ours."""

    secret: str
    headers: dict[str, str]
    body: bytes
    is_ours: bool


def arriving() -> Iterator[Delivery]:
    now = datetime.now(UTC)
    headers, secret = sign([SECRET], "evt_1", now, BODY), spell_secret(SECRET)
    yield Delivery(secret, headers, BODY, is_ours=True)
    yield Delivery(secret, sign([OTHER, SECRET], "evt_1", now, BODY), BODY, is_ours=True)
    yield Delivery(secret, sign([OTHER], "evt_1", now, BODY), BODY, is_ours=False)
    yield Delivery(secret, headers, BODY + b" ", is_ours=False)
    yield Delivery(secret, {**headers, "webhook-id": "evt_2"}, BODY, is_ours=False)
    yield Delivery(secret, {**headers, "webhook-signature": "v1,"}, BODY, is_ours=False)
    for minutes in (-6, 6):
        yield Delivery(secret, sign([SECRET], "evt_1", now + timedelta(minutes=minutes), BODY), BODY, is_ours=False)


def documented(language: str) -> str:
    """The piece of the page in this language."""
    [piece] = [part for part in PAGE.read_text().split("```") if part.startswith(f"{language}\n")]
    return piece.removeprefix(f"{language}\n")


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}; there is none on this machine")
    return found


def test_what_the_page_says_for_node_tells_what_is_ours(tmp_path: Path) -> None:
    deliveries = list(arriving())
    script = tmp_path / "verify.mjs"
    script.write_text(documented("javascript") + _NODE)
    given = [{"secret": one.secret, "headers": one.headers, "body": one.body.hex()} for one in deliveries]
    done = subprocess.run(  # noqa: S603 - what our own page says
        [program("node"), script], input=json.dumps(given), text=True, capture_output=True, check=True
    )
    assert done.stdout.split() == [str(one.is_ours).lower() for one in deliveries]


def test_what_the_page_says_for_a_shell_tells_what_is_ours(tmp_path: Path) -> None:
    program("openssl")
    (tmp_path / "verify.sh").write_text(documented("sh") + 'is_ours "$@"\n')
    (tmp_path / "body").touch()
    for one in arriving():
        (tmp_path / "body").write_bytes(one.body)
        words = [one.secret, *(one.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")), "body"]
        done = subprocess.run([program("sh"), "verify.sh", *words], cwd=tmp_path, check=False)  # noqa: S603 - as above
        assert (done.returncode == 0) == one.is_ours, one
