"""What the demo does: a story for each kind, told with the API alone."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from cli.client import Client, Refused
from cli.exits import CommandFailed, Exit
from cli.replies import Identified, JobReply, KindReply, text_at
from cli.watching import why_not
from domain.jobs.state import State

_ARTICLE: Final = (
    "The town council of Bad Quellen voted on Tuesday to restore the old watermill at the edge of the park. For forty "
    "years the wheel has stood still and the channel that once fed it has been dry. Engineers will first clear the "
    "headrace, then replace the wooden gate and fit a small generator. The mill is expected to light the park and the "
    "school from next spring on. Most of the money comes from a fund for historic buildings; neighbours have promised "
    "to help with the planting. Critics had feared for the trout in the stream, but a fish ladder is now planned."
)
_REVIEW: Final = "The delivery was quick and the lamp is lovely. I am very happy with it and will order here again!"
_COMMENT: Final = "Thanks for the article. I disagree with the second half, but it was a pleasure to read."
_BRIEF: Final = "Tell Ada Byron that her order 1843 ships on Friday and that delivery is free."
_QUESTION: Final = "Hello! What can you do for me?"
_DEPOSIT_AMOUNT: Final = 100_000

INPUTS: Final[dict[str, dict[str, Any]]] = {
    "emails.send": {
        "to": ["ada@example.com"],
        "subject": "Headrace says hello: ein Gruß, 一封信 ✉",
        "text": "Hello Ada,\n\nthis e-mail was sent by a job of the demo.\n",
        "html": "<p>Hello Ada,</p><p>this e-mail was sent by a job of <b>the demo</b>.</p>",
    },
    "text.summarize": {"text": _ARTICLE, "max_chars": 100},
    "text.moderate": {"text": _COMMENT},
    "text.classify": {"text": _REVIEW},
    "text.generate": {"format": "email", "brief": _BRIEF, "tone": "friendly", "max_words": 120},
}


class Teller(Struct, frozen=True):
    """What a story is told with: the API, and a place to say which job is on (kind, id)."""

    client: Client
    submitted: Callable[[str, str], None]
    finished: Callable[[JobReply], None]
    watch: Callable[[str], None]


class Story(Struct, frozen=True):
    """One thing the demo does, and the kind it shows."""

    kind: str
    tell: Callable[[Teller], None]


def stories(client: Client) -> Iterator[Story]:
    """A story for every kind an outside caller can bring about, and one for the schedule.

    Raises:
        CommandFailed: the API does not say which kinds there are.
    """
    for kind in client.kinds():
        match kind.name:
            case "orders.place":
                yield Story(kind.name, _ordering)
            case "orders.ship" | "orders.cancel":
                yield Story(kind.name, _on_an_order(kind.name))
            case "chat.reply":
                yield Story(kind.name, talk)
            case "webhooks.deliver":
                continue
            case _ if kind.internal:
                continue
            case _:
                yield Story(kind.name, _simple(kind))
    try:
        schedule = next(client.items("/v1/schedules", at_most=1), None)
    except Refused as refusal:
        if refusal.exit_code != Exit.NOT_FOUND:
            raise
        return
    if schedule is not None:
        name, schedule_id = text_at(schedule, "name"), text_at(schedule, "id")
        yield Story(f"schedule {name}", _triggered(schedule_id))


def do_job(teller: Teller, kind: str, given: dict[str, Any] | Raw) -> JobReply:
    """Submit a job and follow it to its end.

    Raises:
        CommandFailed: it did not succeed.
    """
    body = msgspec.json.encode({"kind": kind, "input": given, "tags": ["demo"]})
    return see_job(teller, teller.client.create("/v1/jobs", body).into(JobReply))


def see_job(teller: Teller, job: JobReply) -> JobReply:
    """Follow a job to its end; raises as `do_job`."""
    teller.submitted(job.kind, job.id)
    teller.watch(job.id)
    ended = teller.client.get(f"/v1/jobs/{job.id}").into(JobReply)
    teller.finished(ended)
    if ended.state is not State.SUCCEEDED:
        raise CommandFailed(why_not(ended))
    return ended


def place_order(teller: Teller) -> str:
    """Buy the cheapest product in stock with store credit; the order's id.

    Raises:
        CommandFailed: nothing is in stock, or the order was not paid.
    """
    products = [
        msgspec.json.decode(each, type=Product)
        for each in teller.client.items("/v1/products", {"in_stock": "true"}, at_most=100)
    ]
    product = min((each for each in products if each.stock > 0), key=lambda each: each.price.amount, default=None)
    if product is None:
        raise CommandFailed("No product is in stock.")
    credit = {"amount": {"amount": max(_DEPOSIT_AMOUNT, product.price.amount), "currency": product.price.currency}}
    teller.client.create("/v1/customers/me/deposits", msgspec.json.encode(credit))
    done = do_job(teller, "orders.place", {"lines": [{"product_id": product.id, "quantity": 1}]})
    result = done.result
    if text_at(result, "status") != "paid":
        raise CommandFailed(f"{done.id} (orders.place) ended as {text_at(result, 'status') or 'unpaid'}.")
    return text_at(result, "order_id")


def talk(teller: Teller) -> None:
    """Say something in a new conversation and wait for the reply."""
    conversation = teller.client.create("/v1/conversations", b"{}").into(Identified)
    path = f"/v1/conversations/{conversation.id}/messages"
    reply = teller.client.create(path, msgspec.json.encode({"text": _QUESTION}))
    see_job(teller, started_job(teller.client, reply.body, reply.headers.get("location", "")))


def started_job(client: Client, body: bytes, location: str) -> JobReply:
    """The job an answer tells of: itself, its `job`, its `job_id`, or where it points.

    Raises:
        CommandFailed: it tells of none.
    """
    ids = (text_at(body, "id"), text_at(body, "job", "id"), text_at(body, "job_id"), location.rpartition("/")[2])
    for each in ids:
        if each.startswith("job_"):
            return client.get(f"/v1/jobs/{each}").into(JobReply)
    raise CommandFailed("The answer names no job.")


class Price(Struct, frozen=True):
    """Money, in minor units."""

    amount: int
    currency: str


class Product(Struct, frozen=True):
    """A product, as far as a buyer of one looks."""

    id: str
    price: Price
    stock: int


def _simple(kind: KindReply) -> Callable[[Teller], None]:
    def tell(teller: Teller) -> None:
        given = INPUTS.get(kind.name) or (kind.example if bytes(kind.example) else None)
        if given is None:
            raise CommandFailed(f"{kind.name} has no example the demo could submit.")
        do_job(teller, kind.name, given)

    return tell


def _ordering(teller: Teller) -> None:
    place_order(teller)


def _on_an_order(kind: str) -> Callable[[Teller], None]:
    def tell(teller: Teller) -> None:
        do_job(teller, kind, {"order_id": place_order(teller)})

    return tell


def _triggered(schedule_id: str) -> Callable[[Teller], None]:
    def tell(teller: Teller) -> None:
        reply = teller.client.create(f"/v1/schedules/{schedule_id}/trigger")
        see_job(teller, started_job(teller.client, reply.body, reply.headers.get("location", "")))

    return tell
