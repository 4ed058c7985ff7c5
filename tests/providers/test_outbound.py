"""Posting to addresses that others name: never anywhere it must not, and never more than was asked for."""

import asyncio
import random
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from providers.http.addresses import Address, is_public
from providers.http.outbound import MOST_READ, AddressRefused, NoAnswer, Outbound, connect_to
from providers.http.target import Rules, UrlRefused
from tests.support.certificates import make_tls
from tests.support.receiver import answer, receiver, sentinel
from tests.support.ssrf_forms import FORMS, resolve

PUBLIC = "93.184.215.14"
HERE = Rules(loopback=True)


class Hook:
    """In place of connecting: remembers where to, and goes nowhere."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def __call__(self, address: Address, _: int) -> socket.socket:
        self.addresses.append(str(address))
        raise ConnectionRefusedError


def test_there_are_at_least_120_forms_and_no_two_are_the_same() -> None:
    assert len(set(FORMS)) == len(FORMS) >= 120


@pytest.mark.parametrize("url", FORMS, ids=range(len(FORMS)))
async def test_no_form_of_a_url_leads_inside_when_it_is_looked_at_or_sent_to(url: str) -> None:
    hook = Hook()
    outbound = Outbound(Rules(), resolve=resolve, connect=hook)
    with pytest.raises(UrlRefused):
        await outbound.check(url)
    with pytest.raises((UrlRefused, AddressRefused)):
        await outbound.post(url, b"{}", {})
    assert hook.addresses == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://hooks.example.com/a?b=c", PUBLIC),
        ("https://HOOKS.example.com", PUBLIC),
        ("https://hooks.example.com:8443/", PUBLIC),
        ("https://bücher.example.com/", PUBLIC),
        (f"https://{PUBLIC}/", PUBLIC),
        ("https://[2606:4700::1111]/", "2606:4700::1111"),
        (f"https://[::ffff:{PUBLIC}]/", PUBLIC),
    ],
)
async def test_what_is_public_is_connected_to_by_the_address_that_was_judged(url: str, address: str) -> None:
    hook = Hook()

    async def public(_: str) -> Sequence[str]:
        return [PUBLIC]

    outbound = Outbound(Rules(ports=frozenset({443, 8443})), resolve=public, connect=hook)
    await outbound.check(url)
    with pytest.raises(NoAnswer):
        await outbound.post(url, b"{}", {})
    assert hook.addresses == [address]


async def test_a_resolver_that_changes_its_mind_never_leads_inside() -> None:
    """A thousand rounds: public answers when looked at, private ones or mixtures when sent to, and any order of it."""
    chance = random.Random(20)  # noqa: S311 - a seed, so that rounds repeat
    public = (PUBLIC, "2606:4700::1111", "1.1.1.1")
    private = ("127.0.0.1", "::1", "169.254.169.254", "10.0.0.7", "::ffff:127.0.0.1", "fd00::1", "100.64.0.1")
    asked: list[list[str]] = []

    async def flipping(_: str) -> Sequence[str]:
        found: list[str] = (
            chance.choices(public, k=2) if chance.random() < 0.5 else chance.choices(public + private, k=2)
        )
        asked.append(found)
        return found

    with sentinel() as sentry:
        hook = Hook()

        async def connect(address: Address, port: int) -> socket.socket:
            # whoever was led inside would reach the sentinel
            return await (hook(address, port) if is_public(address) else connect_to(address, sentry.port))

        outbound = Outbound(Rules(), resolve=flipping, connect=connect)
        refused = 0
        for _ in range(1000):
            asked.clear()
            try:
                await outbound.post("https://hooks.example.com/", b"{}", {})
            except AddressRefused:
                refused += 1
            except NoAnswer:
                pass
            assert len(asked) == 1  # asked once: there is no second answer to be led by
        assert 100 < refused < 900
        assert sentry.connections == 0
    assert all(is_public(ip_address(address)) for address in hook.addresses)


async def test_who_answers_from_another_address_than_was_judged_hears_nothing() -> None:
    async def public(_: str) -> Sequence[str]:
        return [PUBLIC]

    with sentinel() as sentry:

        async def led_astray(_: Address, __: int) -> socket.socket:
            return await connect_to(ip_address("127.0.0.1"), sentry.port)

        outbound = Outbound(Rules(), resolve=public, connect=led_astray)
        with pytest.raises(AddressRefused):
            await outbound.post("https://hooks.example.com/", b"{}", {})
        assert sentry.heard == b""


async def test_a_request_arrives_byte_for_byte_and_its_answer_is_read() -> None:
    async with receiver() as it:
        it.answers = [answer(202, "Retry-After: 7", body=b"taken")]
        got = await Outbound(HERE).post(f"{it.url}?to=me", b'{"a": "\xc3\xa4"}', {"webhook-id": "evt_1"})
    assert (got.status, got.body, got.headers["retry-after"]) == (202, b"taken", "7")
    [came] = it.came
    assert came.line == "POST /hook?to=me HTTP/1.1"
    assert came.body == b'{"a": "\xc3\xa4"}'
    assert came.headers["host"] == f"127.0.0.1:{it.port}"
    assert came.headers["webhook-id"] == "evt_1"


async def test_over_tls_the_certificate_must_be_valid_for_the_name(tmp_path: Path) -> None:
    server, client = make_tls(tmp_path, "hooks.example.com")
    for host, is_valid in (("hooks.example.com", True), ("other.example.com", False)):
        async with receiver(server) as it:
            rules = Rules(ports=frozenset({it.port}), loopback=True)
            outbound = Outbound(rules, resolve=resolve, tls_context=client)
            posting = outbound.post(f"https://{host}:{it.port}/hook", b"{}", {})
            if is_valid:
                assert (await posting).status == 200
                assert it.came[0].headers["host"] == f"{host}:{it.port}"
            else:
                with pytest.raises(NoAnswer):
                    await posting
                assert it.came == []


async def test_a_redirect_is_an_answer_and_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    with sentinel() as sentry:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{sentry.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{sentry.port}")
        async with receiver() as it:
            it.answers = [answer(302, f"Location: http://127.0.0.1:{sentry.port}/")]
            assert (await Outbound(HERE).post(it.url, b"{}", {})).status == 302
        assert sentry.connections == 0


async def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    async with receiver() as it:
        it.answers = [answer(200, body=b"x" * 10_000_000)]
        got = await Outbound(HERE).post(it.url, b"{}", {})
    assert got.status == 200
    assert MOST_READ - 1000 < len(got.body) <= MOST_READ


async def test_a_head_that_never_ends_is_no_answer() -> None:
    async with receiver() as it:
        it.answers = [b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000]
        with pytest.raises(NoAnswer):
            await Outbound(HERE).post(it.url, b"{}", {})


async def test_what_comes_before_the_answer_is_passed_over() -> None:
    async with receiver() as it:
        it.answers = [b"HTTP/1.1 103 Early Hints\r\nRetry-After: 1\r\n\r\n" + answer(503, body=b"later")]
        got = await Outbound(HERE).post(it.url, b"{}", {})
    assert (got.status, got.body, "retry-after" in got.headers) == (503, b"later", False)


async def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    async with receiver() as it:
        it.answers = [b"HTTP/1.1 200 OK\r\n\r\nall of it"]
        assert (await Outbound(HERE).post(it.url, b"{}", {})).body == b"all of it"


async def test_who_drips_is_not_waited_for_and_a_status_that_came_counts() -> None:
    async with receiver() as it:
        it.pause_seconds = 0.02
        outbound = Outbound(HERE, total_seconds=0.3)
        it.answers = [answer(200, body=b"x" * 1000)]
        with pytest.raises(NoAnswer):
            await outbound.post(it.url, b"{}", {})
        outbound = Outbound(HERE, total_seconds=2.0)
        got = await outbound.post(it.url, b"{}", {})
    assert got.status == 200
    assert 0 < len(got.body) < 1000


async def test_a_refusal_does_not_tell_an_open_port_from_a_closed_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outbound = Outbound(HERE, total_seconds=0.2)
        said: set[str] = set()
        for port in (mute.getsockname()[1], closed.getsockname()[1]):
            for scheme in ("http", "https"):
                with pytest.raises(NoAnswer) as raised:
                    await outbound.post(f"{scheme}://127.0.0.1:{port}/", b"{}", {})
                said.add(raised.value.detail)
        async with receiver() as it:
            it.answers = [b"220 mail.example.com ESMTP\r\n"]
            with pytest.raises(NoAnswer) as raised:
                await outbound.post(it.url, b"{}", {})
            said.add(raised.value.detail)
    assert len(said) == 1


async def test_a_name_that_nobody_knows_yet_may_be_an_endpoints_and_is_not_sent_to() -> None:
    async def unknown(_: str) -> Sequence[str]:
        raise socket.gaierror

    outbound = Outbound(Rules(), resolve=unknown)
    await outbound.check("https://soon.example.com/")
    with pytest.raises(AddressRefused):
        await outbound.post("https://soon.example.com/", b"{}", {})


async def test_a_resolver_that_hangs_holds_nobody_up_for_long() -> None:
    async def hanging(_: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    outbound = Outbound(Rules(), resolve=hanging, total_seconds=0.1)
    with pytest.raises(NoAnswer):
        await outbound.post("https://slow.example.com/", b"{}", {})


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "http://10.0.0.1/", "https://10.0.0.1/", "http://[fd00::1]/"]
)
async def test_a_developers_leave_to_send_to_this_machine_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(UrlRefused):
        await Outbound(HERE, resolve=resolve).check(url)
