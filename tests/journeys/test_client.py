"""The client as its user has it: the README's examples against a running `up`, and an API that is killed meanwhile."""

import asyncio
import os
import signal
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncHeadrace, Headrace
from headrace.models import CartLine, Money, Summarize
from tests.clients.readme import examples
from tests.support.running_up import RunningUp, own_data_dir, running_up, wait_for

pytestmark = pytest.mark.timeout(300)

_KILLS = 3


@pytest.fixture(scope="module")
def up() -> Generator[RunningUp]:
    with own_data_dir() as folder, running_up(folder, "--no-flower") as up:
        yield up


@pytest.fixture
def environment(up: RunningUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the README has its reader export, in a folder to write to."""
    monkeypatch.setenv("HEADRACE_URL", up.ready["api"])
    monkeypatch.setenv("HEADRACE_API_KEY", up.ready["api_key"])
    monkeypatch.chdir(tmp_path)


def kill_api(up: RunningUp) -> None:
    """Kill it, and wait until another is there and answers."""
    before = up.pid_now("api")
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: up.pid_now("api") not in {None, before})


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("number", range(len(examples())))
def test_an_example_of_the_readme_does_what_it_says(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(examples()[number], f"example {number}", "exec"), names)  # noqa: S102 - our own page
    if isinstance(client := names.get("client"), Headrace):
        client.close()
    assert capsys.readouterr().out.strip()


@pytest.mark.usefixtures("environment")
def test_an_order_is_placed_paid_and_found_again() -> None:
    with Headrace() as client:
        product = client.products.list(in_stock=True).first()
        assert product is not None
        client.customers.deposit(Money(amount=product.price.amount, currency=product.price.currency))
        placed = client.orders.place([CartLine(product_id=product.id, quantity=1)]).result(timeout=60)
        assert (placed.status, placed.total) == ("paid", product.price)
        assert client.orders.get(placed.order_id).lines[0].name == product.name
        assert client.orders.cancel(placed.order_id).result(timeout=60).refunded == product.price


@pytest.mark.usefixtures("environment")
def test_something_said_is_answered() -> None:
    with Headrace() as client:
        conversation = client.conversations.create()
        job = client.conversations.say(conversation.id, "Hello! What can you do for me?")
        assert [event.type for event in job.events(timeout=60)][-1] == "succeeded"
        reply = job.result(timeout=60)
        assert {each.id: each.text for each in client.conversations.messages(conversation.id)}[
            reply.message_id
        ] == reply.text


@pytest.mark.usefixtures("environment")
def test_a_wait_and_a_story_outlive_an_api_that_is_killed_again_and_again(up: RunningUp) -> None:
    with Headrace() as client:
        client.queues.pause("text")
        job = client.text.summarize("The council voted to rebuild the old mill race. Water will run.", max_chars=60)
        other = client.jobs.get(job.id, Summarize)
        told: list[tuple[str, str]] = []
        summaries: list[str] = []

        def listen() -> None:
            told.extend((event.type, event.id) for event in job.events(timeout=120))

        def wait() -> None:
            summaries.append(other.result(timeout=120).summary)

        threads = [threading.Thread(target=each) for each in (listen, wait)]
        for thread in threads:
            thread.start()
        for _ in range(_KILLS):
            kill_api(up)
        client.queues.resume("text")  # sent again until the new one listens
        for thread in threads:
            thread.join(120)
        assert [kind for kind, _ in told] == ["snapshot", "queued", "started", "succeeded"]
        assert [number for _, number in told] == ["", "1", "2", "3"]
        assert summaries == [job.result(timeout=0).summary]


@pytest.mark.usefixtures("environment")
async def test_jobs_submitted_while_the_api_is_killed_are_made_once_each(up: RunningUp) -> None:
    async with AsyncHeadrace(max_retries=20) as client:
        submissions = [
            asyncio.create_task(client.text.moderate(f"Comment {number}.", tags=["killed"])) for number in range(40)
        ]
        await asyncio.to_thread(kill_api, up)
        jobs = await asyncio.gather(*submissions)
        assert sorted([job.id async for job in client.jobs.list(tag="killed")]) == sorted(job.id for job in jobs)
        assert len({job.id for job in jobs}) == 40
        assert {(await job.wait(timeout=120)).state for job in jobs} == {"succeeded"}
