"""The client as its user has it: the README's examples against a running `up`, and an API that is killed meanwhile."""

import asyncio
import os
import signal
import threading
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncHeadrace, Headrace, SignatureInvalid, webhooks
from headrace.models import CartLine, Money, Summarize
from tests.clients.readme import examples
from tests.support.receiver import Came, Receiver, receiver
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
    for client in names.values():
        if isinstance(client, Headrace):
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


@pytest.mark.usefixtures("environment")
async def test_the_story_of_all_jobs_goes_on_over_an_api_that_is_killed_again_and_again(up: RunningUp) -> None:
    async with AsyncHeadrace(max_retries=20) as client, aclosing(client.events(tag="told", timeout=120)) as story:
        told = [await anext(story)]
        submitted: list[str] = []
        for _ in range(_KILLS):
            jobs = await asyncio.gather(*(client.text.moderate(f"{number}", tags=["told"]) for number in range(5)))
            submitted += [job.id for job in jobs]
            told.append(await anext(story))  # in the middle of it
            await asyncio.to_thread(kill_api, up)
        while sum(event.is_end for event in told) < len(submitted):
            told.append(await anext(story))
    assert [event.type for event in told].count("snapshot") == 1
    numbers = [int(event.id) for event in told]
    assert numbers == sorted(set(numbers))
    of_each = {job_id: [event.type for event in told if event.job_id == job_id] for job_id in submitted}
    assert of_each == {job_id: ["queued", "started", "succeeded"] for job_id in submitted}


async def what_came(it: Receiver, number: int) -> Came:
    """The delivery of this number, from 0."""
    async with asyncio.timeout(60):
        while len(it.came) <= number:
            await asyncio.sleep(0.02)  # what the platform sends is waited for; nothing tells of it
    return it.came[number]


@pytest.mark.usefixtures("environment")
async def test_the_address_a_job_names_is_told_of_its_end_and_can_verify_who_tells() -> None:
    async with receiver() as it, AsyncHeadrace() as client:
        before = (await client.webhooks.signing_secret()).secret
        job = await client.text.moderate("What a lovely lamp. äöü", webhook=it.url)
        came = await what_came(it, 0)
        delivery = webhooks.verify(came.body, came.headers, before)
        told = delivery.event()
        result = await job.result(timeout=60)
        assert (told["id"], told["type"], told["subject"]) == (delivery.id, "job.succeeded", job.id)
        assert told["data"]["result"]["flagged"] == result.flagged
        with pytest.raises(SignatureInvalid):
            webhooks.verify(came.body.replace(b"lovely", b"broken"), came.headers, before)
        after = (await client.webhooks.rotate_signing_secret()).secret
        with pytest.raises(SignatureInvalid):
            webhooks.verify(came.body, came.headers, after)
        await client.text.moderate("Another.", webhook=it.url)
        came = await what_came(it, 1)
        for secret in (before, after, [after, before]):
            assert webhooks.verify(came.body, came.headers, secret).id != delivery.id


@pytest.mark.usefixtures("environment")
async def test_while_its_secret_is_rotated_an_endpoint_verifies_with_either() -> None:
    async with receiver() as it, AsyncHeadrace() as client:
        made = await client.webhooks.create(it.url, ["job.cancelled"])
        assert made.secret
        await client.webhooks.test(made.id)
        first = await what_came(it, 0)
        assert webhooks.verify(first.body, first.headers, made.secret).event()["type"] == "webhook.test"
        rotated = await client.webhooks.rotate_secret(made.id)
        assert rotated.secret
        await (await client.text.moderate("Not now.", delay="1h")).cancel()
        second = await what_came(it, 1)
        assert len(second.headers["webhook-signature"].split()) == 2
        for secret in (made.secret, rotated.secret, [rotated.secret, made.secret]):
            assert webhooks.verify(second.body, second.headers, secret).event()["type"] == "job.cancelled"
        sent = client.webhooks.deliveries(made.id)
        async with asyncio.timeout(60):
            while {each.state async for each in sent} != {"delivered"}:
                await asyncio.sleep(0.02)  # written down a moment after it came
        newest = await sent.first()
        assert newest is not None
        await client.webhooks.redeliver(made.id, newest.id)
        third = await what_came(it, 2)
        assert rotated.secret not in repr(rotated)
        again = webhooks.verify(third.body, third.headers, rotated.secret)
        assert (again.id, again.body) == (second.headers["webhook-id"], second.body)
        await client.webhooks.delete(made.id)
