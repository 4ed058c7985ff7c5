"""What the processes of the platform log when personal data comes by in every way we know of."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.support.running_up import RunningUp, own_data_dir, running_up, wait_for
from tests.support.smtp_server import ScriptedSmtp, run_smtp

pytestmark = pytest.mark.timeout(180)

TO = "grace.hopper@example.org"
PHONE = "+44 20 7946 0018"
CARD = "4111 1111 1111 1111"
PERSONAL = (TO, PHONE, CARD)
ECHO = ScriptedSmtp(to_recipient={TO: f"550 5.1.1 <{TO}> ({PHONE}, card {CARD}) is unknown"})


async def test_no_line_of_any_process_holds_personal_data_that_a_provider_a_caller_or_postgres_said() -> None:
    async with run_smtp(ECHO) as smtp:
        await asyncio.to_thread(say_it_everywhere, smtp.port)


def say_it_everywhere(port: int) -> None:
    environ = {"HEADRACE_SMTP_URL": f"smtp://127.0.0.1:{port}"}
    with own_data_dir() as folder, running_up(folder, "--no-flower", "--workers", "1", **environ) as up:
        detail = refuse_an_email(up)
        wait_for(lambda: "attempt.failed" in logged(folder) and "55P" in postgres_says_it(up, folder))
        said = logged(folder)
    assert TO in detail  # who is told which address was refused is who gave it
    assert "is unknown" in said
    assert "/v1/jobs/[EMAIL_1]" in said
    assert [value for value in PERSONAL if value in said] == []


def refuse_an_email(up: RunningUp) -> str:
    letter = {"to": [TO], "subject": f"About {CARD}", "text": f"Call {PHONE}"}
    with up.client() as client:
        client.get(f"/v1/jobs/{TO}", params={"phone": PHONE})
        answer = client.post("/v1/jobs", json={"kind": "emails.send", "input": letter}, headers={"Prefer": "wait=30"})
        assert answer.json()["state"] == "failed", answer.text
        detail: str = answer.json()["error"]["detail"]
    return detail


def postgres_says_it(up: RunningUp, folder: Path) -> str:
    """A program that is not ours, and logs what it was given."""
    with psycopg.connect(up.ready["database_url"], autocommit=True) as connection:
        connection.execute(f"DO $$ BEGIN RAISE WARNING '55P {', '.join(PERSONAL)}'; END $$".encode())
    return (folder / "logs/postgres.log").read_text()


def logged(folder: Path) -> str:
    return "".join(path.read_text() for path in [folder / "up.err", *sorted((folder / "logs").iterdir())])
