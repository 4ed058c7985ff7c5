import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.mail import INBOX, mail
from domain.emails.message import Mail
from providers.mail.inbox import open_inbox, read_raw_mail
from providers.mail.smtp import SmtpProvider
from providers.mail.smtp_url import read_smtp_url


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADRACE_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(mail, arguments)


def deliver(data_dir: Path, *subjects: str, html: str | None = None) -> None:
    async def send() -> None:
        async with open_inbox(data_dir / INBOX) as port:
            await send_to(port, *subjects, html=html)

    asyncio.run(send())


async def send_to(port: int, *subjects: str, html: str | None = None) -> None:
    provider = SmtpProvider(read_smtp_url(f"smtp://127.0.0.1:{port}"))
    for subject in subjects:
        await provider.send(
            Mail(
                message_id="msg_1",
                sender="a@b.example",
                to=("ada@example.com",),
                bcc=("da@example.com",),
                subject=subject,
                text=None if html else "Hello \x1b[2J",
                html=html,
            )
        )
    await provider.aclose()


def listed() -> list[dict[str, object]]:
    items: list[dict[str, object]] = json.loads(run("list", "-o", "json").stdout)
    return items


def test_an_empty_inbox_is_an_empty_list(data_dir: Path) -> None:
    assert listed() == []
    assert run("list", "-o", "jsonl").stdout == ""


def test_the_list_shows_the_newest_first(data_dir: Path) -> None:
    deliver(data_dir, "one", "two", "=cmd|' /C calc'!A0")
    assert [each["subject"] for each in listed()] == ["=cmd|' /C calc'!A0", "two", "one"]
    table = run("list", "--limit", "2").stdout
    assert "two" in table
    assert "one" not in table
    assert "'=cmd" in run("list", "-o", "csv").stdout


def test_an_email_is_shown_for_reading_with_its_hidden_recipients_and_harmless_to_the_terminal(data_dir: Path) -> None:
    deliver(data_dir, "Grüße")
    (each,) = listed()
    shown = run("show", str(each["id"])).stdout
    assert "Subject: Grüße\n" in shown
    assert "Bcc: da@example.com\n" in shown
    assert "\n\nHello " in shown
    assert "\x1b" not in shown


def test_html_is_shown_where_there_is_no_text(data_dir: Path) -> None:
    deliver(data_dir, "Hi", html="<p>Hello</p>")
    assert "<p>Hello</p>" in run("show", str(listed()[0]["id"])).stdout


def test_an_email_is_given_as_json_and_raw(data_dir: Path) -> None:
    deliver(data_dir, "Hi")
    mail_id = str(listed()[0]["id"])
    as_json = run("show", mail_id, "--json").stdout
    assert json.loads(as_json)["summary"] == listed()[0]
    assert as_json == run("show", mail_id, "-o", "json").stdout
    assert run("show", mail_id, "--raw").stdout_bytes == read_raw_mail(data_dir / INBOX, mail_id)


@pytest.mark.parametrize("flags", [(), ("--raw",), ("--json",)])
def test_an_email_that_is_not_there_exits_3(data_dir: Path, flags: tuple[str, ...]) -> None:
    result = run("show", "0" * 32, *flags)
    assert result.exit_code == 3
    assert result.stdout == ""


async def test_the_inbox_served_by_the_command_takes_mail_until_sigterm(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": "platform", "HEADRACE_DATA_DIR": str(tmp_path)}
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from cli.mail import mail; mail()", "serve", "--port", "0",
        env=environ, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert serving.stderr is not None
        line = (await asyncio.wait_for(serving.stderr.readline(), 20)).decode()
        await send_to(int(line.rstrip(".\n").rpartition(":")[2]), "Hi")
    finally:
        serving.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(serving.wait(), 10)
    assert code == 0
    assert len(list((tmp_path / INBOX).glob("*.eml"))) == 1
