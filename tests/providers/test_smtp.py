import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from domain.emails.message import Mail
from providers.mail.provider import MailDown, MailProvider, MailRefused
from providers.mail.smtp import MOST_MAILS_PER_CONNECTION, SmtpProvider
from providers.mail.smtp_url import StartTls, read_smtp_url
from tests.support.certificates import make_tls
from tests.support.smtp_server import ScriptedSmtp, run_smtp

MAIL = Mail(
    message_id="msg_01",
    sender="Headrace <noreply@headrace.example>",
    to=("ada@example.com",),
    cc=("bob@example.com",),
    bcc=("eve@example.com",),
    subject="News",
    text="Hello\n.\n..dots\n",
)


@asynccontextmanager
async def provider_for(
    script: ScriptedSmtp,
    *,
    timeout_seconds: float = 5.0,
    starttls: StartTls = "never",
    tls: ssl.SSLContext | None = None,
    most_connections: int = 4,
) -> AsyncIterator[MailProvider]:
    user = "mailer:open%20sesame@" if script.users else ""
    provider = SmtpProvider(
        read_smtp_url(f"smtp://{user}127.0.0.1:{script.port}?starttls={starttls}"),
        timeout_seconds=timeout_seconds,
        most_connections=most_connections,
        tls_context=tls,
    )
    try:
        yield provider
    finally:
        await provider.aclose()


def parse(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


async def test_an_email_reaches_all_recipients_and_names_only_the_visible_ones() -> None:
    async with run_smtp() as script, provider_for(script) as provider:
        delivered = await provider.send(MAIL)
    assert delivered.accepted == ("ada@example.com", "bob@example.com", "eve@example.com")
    assert delivered.refused == {}
    (received,) = script.received
    assert received.sender == "noreply@headrace.example"
    assert received.recipients == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert b"eve@" not in received.content
    message = parse(received.content)
    assert message["Message-ID"] == "<msg_01@headrace>"
    assert message["Date"] is not None
    assert message.get_content().replace("\r\n", "\n") == MAIL.text  # dots alone on a line survive


async def test_a_recipient_turned_away_is_reported_with_the_servers_reason() -> None:
    script = ScriptedSmtp(to_recipient={"bob@example.com": "550 5.1.1 No such user"})
    async with run_smtp(script), provider_for(script) as provider:
        delivered = await provider.send(MAIL)
    assert delivered.accepted == ("ada@example.com", "eve@example.com")
    assert delivered.refused == {"bob@example.com": "550 5.1.1 No such user"}


async def test_all_recipients_turned_away_for_good_is_a_refusal() -> None:
    script = ScriptedSmtp(to_recipient=dict.fromkeys(MAIL.recipients, "550 No such user"))
    async with run_smtp(script), provider_for(script) as provider:
        with pytest.raises(MailRefused, match=r"ada@example\.com: 550 No such user"):
            await provider.send(MAIL)
    assert script.received == []


async def test_a_greylisted_email_is_worth_another_try() -> None:
    script = ScriptedSmtp(
        to_recipient={
            "ada@example.com": "451 Come back later",
            "bob@example.com": "550 No such user",
            "eve@example.com": "550 No such user",
        }
    )
    async with run_smtp(script), provider_for(script) as provider:
        with pytest.raises(MailDown, match="451 Come back later"):
            await provider.send(MAIL)
        script.to_recipient = {}
        await provider.send(MAIL)
    assert len(script.received) == 1


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (ScriptedSmtp(greeting="421 Too busy"), MailDown),
        (ScriptedSmtp(greeting="554 Not here"), MailDown),
        (ScriptedSmtp(to_sender="421 Closing"), MailDown),
        (ScriptedSmtp(to_sender="451 Later"), MailDown),
        (ScriptedSmtp(to_sender="550 Not you"), MailRefused),
        (ScriptedSmtp(to_content="451 Disk full"), MailDown),
        (ScriptedSmtp(to_content="554 Looks like spam"), MailRefused),
        (ScriptedSmtp(to_content="gibberish"), MailDown),
        (ScriptedSmtp(to_content="250-half an answer"), MailDown),
        (ScriptedSmtp(drops_after_content=1), MailDown),
    ],
    ids=lambda value: "" if isinstance(value, type) else f"{value.greeting or value.to_sender or value.to_content}",
)
async def test_an_answer_of_the_server_is_mapped_to_what_it_means(script: ScriptedSmtp, error: type[Exception]) -> None:
    async with run_smtp(script), provider_for(script, timeout_seconds=0.3) as provider:
        with pytest.raises(error):
            await provider.send(MAIL)
        script.greeting = script.to_sender = script.to_content = None
        assert (await provider.send(MAIL)).refused == {}


async def test_an_email_whose_answer_got_lost_comes_again_under_the_same_id() -> None:
    script = ScriptedSmtp(drops_after_content=1)
    async with run_smtp(script), provider_for(script) as provider:
        with pytest.raises(MailDown):
            await provider.send(MAIL)
        await provider.send(MAIL)
    assert [parse(received.content)["Message-ID"] for received in script.received] == ["<msg_01@headrace>"] * 2


async def test_a_server_that_says_nothing_is_down_after_the_timeout() -> None:
    script = ScriptedSmtp(is_silent=True)
    async with run_smtp(script), provider_for(script, timeout_seconds=0.1) as provider:
        with pytest.raises(MailDown):
            await provider.send(MAIL)


async def test_no_server_at_all_is_down(unused_tcp_port: int) -> None:
    provider = SmtpProvider(read_smtp_url(f"smtp://127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(MailDown, match=f"127.0.0.1:{unused_tcp_port}"):
        await provider.send(MAIL)
    await provider.aclose()


async def test_one_connection_serves_many_emails_in_turn() -> None:
    async with run_smtp() as script, provider_for(script) as provider:
        for _ in range(5):
            await provider.send(MAIL)
    assert script.connections == 1
    assert len(script.received) == 5


async def test_a_connection_is_given_up_after_a_hundred_emails() -> None:
    async with run_smtp() as script, provider_for(script) as provider:
        for _ in range(MOST_MAILS_PER_CONNECTION + 1):
            await provider.send(MAIL)
    assert script.connections == 2


async def test_a_kept_connection_the_server_has_cut_costs_nothing_but_a_new_one() -> None:
    async with run_smtp() as script, provider_for(script) as provider:
        await provider.send(MAIL)
        script.hang_up()
        await provider.send(MAIL)
    assert script.connections == 2
    assert len(script.received) == 2


async def test_many_senders_share_a_bounded_number_of_connections_and_mix_nothing_up() -> None:
    async with run_smtp() as script, provider_for(script, most_connections=3) as provider:
        mails = [
            Mail(message_id=f"msg_{n}", sender="a@b.example", to=(f"u{n}@example.com",), subject=f"{n}", text=f"{n}")
            for n in range(40)
        ]
        delivered = await asyncio.gather(*(provider.send(mail) for mail in mails))
    assert [answer.accepted for answer in delivered] == [mail.to for mail in mails]
    assert script.most_open <= 3
    for received in script.received:
        message = parse(received.content)
        assert received.recipients == [f"u{message['Subject']}@example.com"]


async def test_a_cancelled_send_spoils_no_connection_for_the_next() -> None:
    script = ScriptedSmtp(holds_content=asyncio.Event())
    async with run_smtp(script), provider_for(script) as provider:
        assert script.holds_content is not None
        sending = asyncio.create_task(provider.send(MAIL))
        await script.content_arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        script.holds_content.set()  # the answer nobody waits for any more
        script.to_recipient = {"ada@example.com": "550 No"}
        delivered = await provider.send(MAIL)
    assert list(delivered.refused) == ["ada@example.com"]
    assert script.connections == 2


async def test_closing_leaves_no_connection_open_even_one_in_use() -> None:
    script = ScriptedSmtp(holds_content=asyncio.Event())
    async with run_smtp(script), provider_for(script) as provider:
        assert script.holds_content is not None
        sending = asyncio.create_task(provider.send(MAIL))
        await script.content_arrived.wait()
        await provider.aclose()
        script.holds_content.set()
        await sending
        assert script.received
        assert script.open_now == 0


async def test_a_user_is_logged_in_over_tls(tmp_path: Path) -> None:
    server_tls, client_tls = make_tls(tmp_path)
    script = ScriptedSmtp(users={"mailer": "open sesame"}, offers_tls=server_tls)
    async with run_smtp(script), provider_for(script, starttls="required", tls=client_tls) as provider:
        await provider.send(MAIL)
    assert script.logins == ["mailer"]
    assert len(script.received) == 1


async def test_a_wrong_password_is_our_fault_and_worth_another_try() -> None:
    script = ScriptedSmtp(users={"mailer": "another"})
    async with run_smtp(script), provider_for(script) as provider:
        with pytest.raises(MailDown, match="does not let us in"):
            await provider.send(MAIL)


async def test_required_encryption_is_never_done_without() -> None:
    script = ScriptedSmtp(users={"mailer": "open sesame"})
    async with run_smtp(script), provider_for(script, starttls="required") as provider:
        with pytest.raises(MailDown, match="STARTTLS"):
            await provider.send(MAIL)
    assert script.logins == []
    assert script.received == []


@pytest.mark.parametrize("starttls", ["required", "optional"])
async def test_a_certificate_nobody_vouches_for_stops_the_email(tmp_path: Path, starttls: StartTls) -> None:
    script = ScriptedSmtp(offers_tls=make_tls(tmp_path)[0])
    async with run_smtp(script), provider_for(script, starttls=starttls) as provider:
        with pytest.raises(MailDown, match=r"(?i)certificate"):
            await provider.send(MAIL)
    assert script.received == []


async def test_smtps_encrypts_from_the_first_byte(tmp_path: Path) -> None:
    server_tls, client_tls = make_tls(tmp_path)
    async with run_smtp(tls=server_tls) as script:
        provider = SmtpProvider(read_smtp_url(f"smtps://127.0.0.1:{script.port}"), tls_context=client_tls)
        await provider.send(MAIL)
        await provider.aclose()
    assert len(script.received) == 1


async def test_the_servers_words_come_back_on_one_printable_line() -> None:
    script = ScriptedSmtp(to_recipient={"bob@example.com": "550-Go\r\n550 \x1b[31maway " + "x" * 400})
    async with run_smtp(script), provider_for(script) as provider:
        delivered = await provider.send(MAIL)
    reason = delivered.refused["bob@example.com"]
    assert reason.startswith("550 Go ?[31maway x")
    assert len(reason) == 300


async def test_an_international_domain_travels_in_ascii_and_is_reported_as_given() -> None:
    mail = Mail(message_id="msg_2", sender="a@b.example", to=("post@straße.example",), subject="Hi", text="Hi")
    async with run_smtp() as script, provider_for(script) as provider:
        delivered = await provider.send(mail)
    assert delivered.accepted == ("post@straße.example",)
    assert script.received[0].recipients == ["post@xn--strae-oqa.example"]


async def test_a_domain_that_cannot_be_spelled_refuses_the_email() -> None:
    mail = Mail(message_id="msg_2", sender="a@b.example", to=("post@-é.example",), subject="Hi", text="Hi")
    async with run_smtp() as script, provider_for(script) as provider:
        with pytest.raises(MailRefused, match="cannot be written"):
            await provider.send(mail)
