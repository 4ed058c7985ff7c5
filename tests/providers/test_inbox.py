import asyncio
import os
import signal
import stat
from pathlib import Path

import pytest
from aiosmtplib import SMTP, SMTPResponseException, SMTPServerDisconnected

from domain.emails.message import Mail
from providers.mail.inbox import (
    LARGEST_MAIL_BYTES,
    MailNotFound,
    list_mails,
    open_inbox,
    read_mail,
    read_raw_mail,
    serve_inbox,
)
from providers.mail.smtp import SmtpProvider
from providers.mail.smtp_url import read_smtp_url


def mail(number: int) -> Mail:
    return Mail(
        message_id=f"msg_{number}",
        sender="Grüße <noreply@headrace.example>",
        to=("ada@example.com",),
        bcc=("eve@example.com",),
        subject=f"Größe {number}",
        text="Grüß dich\n.\n",
        html="<p>Grüß dich</p>",
    )


async def send(port: int, *mails: Mail) -> None:
    provider = SmtpProvider(read_smtp_url(f"smtp://127.0.0.1:{port}"))
    for each in mails:
        await provider.send(each)
    await provider.aclose()


def modes_of(directory: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())]


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def send_raw(port: int, content: bytes) -> None:
    async with SMTP(hostname="127.0.0.1", port=port, timeout=30) as client:
        await client.sendmail("a@b.example", ["c@d.example"], content)


async def test_what_is_sent_is_read_as_it_was_written(tmp_path: Path) -> None:
    async with open_inbox(tmp_path) as port:
        await send(port, mail(1))
    (summary,) = list_mails(tmp_path)
    assert summary.subject == "Größe 1"
    assert summary.sender == "Grüße <noreply@headrace.example>"
    assert summary.recipients == ("ada@example.com", "eve@example.com")
    assert summary.message_id == "<msg_1@headrace>"
    stored = read_mail(tmp_path, summary.id)
    assert stored.summary == summary
    assert stored.text == "Grüß dich\n.\n"
    assert stored.html == "<p>Grüß dich</p>\n"
    assert dict(stored.headers)["To"] == "ada@example.com"


async def test_the_newest_comes_first_and_a_list_has_a_limit(tmp_path: Path) -> None:
    async with open_inbox(tmp_path) as port:
        await send(port, *(mail(number) for number in range(5)))
    assert [summary.subject for summary in list_mails(tmp_path, limit=3)] == ["Größe 4", "Größe 3", "Größe 2"]


async def test_only_the_owner_can_read_a_stored_email(tmp_path: Path) -> None:
    directory = tmp_path / "inbox"
    async with open_inbox(directory) as port:
        await send(port, mail(1))
    assert modes_of(directory) == [0o700, 0o600]


async def test_an_inbox_opened_again_still_has_its_emails_and_no_halves(tmp_path: Path) -> None:
    async with open_inbox(tmp_path) as port:
        await send(port, mail(1))
    tmp_path.joinpath(f".{'0' * 32}.part").touch()
    async with open_inbox(tmp_path) as port:
        await send(port, mail(2))
    assert [summary.subject for summary in list_mails(tmp_path)] == ["Größe 2", "Größe 1"]
    assert not any(name.startswith(".") for name in names_in(tmp_path))


async def test_an_email_too_large_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    line = b"x" * 900 + b"\r\n"
    async with open_inbox(tmp_path) as port:
        with pytest.raises(SMTPResponseException) as refusal:
            await send_raw(port, line * (LARGEST_MAIL_BYTES // len(line) + 1))
    assert refusal.value.code == 552
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no headers at all",
        b"Subject: =?utf-8?q?=FF=FE?=\r\n\r\nx",
        b"Subject: \xff\xfe raw bytes\r\nFrom: @@@<<,;\r\n\r\n\xff",
        b"Content-Type: text/plain; charset=no-such\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=never\r\n\r\nx",
        b'Content-Type: multipart/alternative; boundary="a"\r\n\r\n--a\r\n\r\n--a\r\nContent-Type: x/\r\n\r\n',
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!!",
        b"From: \r\nTo: \r\nX-Envelope-To: forged@example.com\r\n\r\nx",
        b"From: =?utf-8?b?" + b"A" * 200 + b"\r\n\r\n",
    ],
)
async def test_whatever_is_sent_can_be_listed_and_read(tmp_path: Path, content: bytes) -> None:
    async with open_inbox(tmp_path) as port:
        await send_raw(port, content)
    (summary,) = list_mails(tmp_path)
    assert summary.recipients == ("c@d.example",)
    assert read_mail(tmp_path, summary.id).summary == summary
    assert content.strip() in read_raw_mail(tmp_path, summary.id)


@pytest.mark.parametrize("mail_id", ["", "..", "../secret", "0" * 32, "/etc/passwd", "0" * 31 + "\n"])
def test_what_is_not_in_the_inbox_is_not_found(tmp_path: Path, mail_id: str) -> None:
    (tmp_path / "secret.eml").write_bytes(b"x")
    with pytest.raises(MailNotFound):
        read_mail(tmp_path / "inbox", mail_id)


def test_an_inbox_that_was_never_opened_is_empty(tmp_path: Path) -> None:
    assert list_mails(tmp_path / "never") == ()


async def test_a_full_disk_is_told_to_the_sender_as_something_that_passes(tmp_path: Path) -> None:
    directory = tmp_path / "inbox"
    async with open_inbox(directory) as port:
        directory.rmdir()  # nothing can be written where there is no directory
        with pytest.raises(SMTPResponseException) as refusal:
            await send_raw(port, b"x")
    assert refusal.value.code == 451


async def test_serving_says_its_port_and_ends_on_sigterm_with_a_client_connected(tmp_path: Path) -> None:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_inbox(tmp_path, "127.0.0.1", 0, port.set_result))
    client = SMTP(hostname="127.0.0.1", port=await port, timeout=5)
    await client.connect()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)
    with pytest.raises(SMTPServerDisconnected):
        await client.noop()


async def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    async with open_inbox(tmp_path) as port:
        with pytest.raises(OSError, match="address already in use"):
            await serve_inbox(tmp_path, "127.0.0.1", port, lambda _: None)
