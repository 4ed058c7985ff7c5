from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Final

import pytest

from domain.emails.send_email import SEND_EMAIL, SendEmail
from domain.ids import JobId, is_id
from domain.jobs.job import Job
from domain.jobs.verdict import outcome_of
from providers.mail.provider import MailDown, MailRefused
from runtime.kill_points import KillPointReached
from runtime.resources import Resources, open_resources
from runtime.settings import Settings
from tests.support.running_job import running_job
from tests.support.smtp_server import ScriptedSmtp, run_smtp
from workers.context import Context
from workers.emails.send_email import send_email

EMAIL: Final = SendEmail(to=("ada@example.com", "bob@example.com"), subject="Hi", text="Hello")


@asynccontextmanager
async def use_of(script: ScriptedSmtp, *, kill_points: str = "") -> AsyncIterator[Resources]:
    """The real resources; only the mail server is there to be reached."""
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1",
        smtp_url=f"smtp://127.0.0.1:{script.port}",
        mail_from="Shop <shop@headrace.example>",
        gemini_api_key="unused",  # the form that loads no models
        kill_points=kill_points,
    )
    async with open_resources(settings, name="test", connections=1) as use:
        yield use


def attempt(number: int, *, job: str = "1") -> Job:
    job_id = JobId(f"job_{'0198c0de' * 3}{job:0>8}")
    return running_job(id=job_id, kind=SEND_EMAIL.name, queue=SEND_EMAIL.queue, max_attempts=5, attempt=number)


def message_ids(script: ScriptedSmtp) -> list[str]:
    return [message_from_bytes(received.content)["Message-ID"] for received in script.received]


async def test_an_email_goes_out_from_the_platforms_sender_and_the_result_says_who_got_it() -> None:
    script = ScriptedSmtp(to_recipient={"bob@example.com": "550 No such user"})
    async with run_smtp(script), use_of(script) as use:
        sent = await send_email(EMAIL, Context(attempt(1), use))
    assert is_id("msg", sent.message_id)
    assert sent.accepted == ("ada@example.com",)
    assert sent.refused == {"bob@example.com": "550 No such user"}
    assert script.received[0].sender == "shop@headrace.example"
    assert message_ids(script) == [f"<{sent.message_id}@headrace>"]


async def test_every_attempt_at_a_job_sends_under_one_id_and_other_jobs_under_others() -> None:
    async with run_smtp() as script, use_of(script) as use:
        first = await send_email(EMAIL, Context(attempt(1), use))
        again = await send_email(EMAIL, Context(attempt(2), use))
        other = await send_email(EMAIL, Context(attempt(1, job="2"), use))
    assert first == again
    assert first.message_id != other.message_id


async def test_an_attempt_that_dies_after_the_server_took_the_email_repeats_it_recognisably() -> None:
    async with run_smtp() as script:
        async with use_of(script, kill_points="smtp.after_250=raise") as use:
            with pytest.raises(KillPointReached):
                await send_email(EMAIL, Context(attempt(1), use))
        async with use_of(script) as use:
            await send_email(EMAIL, Context(attempt(2), use))
    first, second = message_ids(script)
    assert first == second


@pytest.mark.parametrize(
    ("answer", "error", "is_tried_again"), [("451 Later", MailDown, True), ("554 Spam", MailRefused, False)]
)
async def test_the_servers_answer_decides_whether_the_job_is_tried_again(
    answer: str, error: type[Exception], *, is_tried_again: bool
) -> None:
    script = ScriptedSmtp(to_content=answer)
    async with run_smtp(script), use_of(script) as use:
        with pytest.raises(error) as raised:
            await send_email(EMAIL, Context(attempt(1), use))
    assert outcome_of(raised.value).error.retryable is is_tried_again
