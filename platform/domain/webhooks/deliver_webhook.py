"""The contract of `webhooks.deliver`: one notice, sent to one address until it is taken."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct

from domain.jobs.kind import Input, Kind, Result
from domain.jobs.retry import RetryPolicy, backoff

LONGEST_ASKED: Final = timedelta(hours=24)
"""For how long at most a receiver's Retry-After puts a delivery off."""

MOST_ANSWER: Final = 1000
"""Characters that are kept of an answer."""

LANES: Final = 16
"""How many deliveries to one address may be under way at once: one that is slow holds no more of a worker."""

_GONE: Final = 410
_TAKEN: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)


class DeliverWebhook(Input, frozen=True):
    """What is to be delivered."""

    delivery_id: Annotated[str, Meta(pattern="^dlv_[0-9a-f]{32}$")]


class WebhookDelivered(Result, frozen=True):
    """How it was taken."""

    status_code: int
    duration_ms: int


DELIVER_WEBHOOK: Final = Kind(
    name="webhooks.deliver",
    input=DeliverWebhook,
    result=WebhookDelivered,
    queue="webhooks",
    summary="Tell an endpoint what happened",
    example=DeliverWebhook(delivery_id="dlv_" + "0" * 32),
    timeout=timedelta(seconds=30),
    max_attempts=10,
    # the timetable that Standard Webhooks shows: ten tries in three days and three and a half hours
    retry=RetryPolicy(
        delays=(
            timedelta(seconds=5),
            timedelta(minutes=5),
            timedelta(minutes=30),
            timedelta(hours=2),
            timedelta(hours=5),
            timedelta(hours=10),
            timedelta(hours=14),
            timedelta(hours=20),
            timedelta(hours=24),
        ),
        jitter=0.1,
    ),
    internal=True,
)


class Try(Struct, frozen=True, kw_only=True):
    """How one try at a delivery went. Where there was no answer, `status_code` is null and `code` says why."""

    status_code: int | None = None
    duration_ms: int
    answer: str = ""
    code: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took it: nothing but 2xx says so."""
        return self.status_code in _TAKEN

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status_code == _GONE

    @property
    def said(self) -> str:
        """What went wrong, for people."""
        if self.status_code is None:
            return self.answer
        redirected = " Redirects are not followed." if self.status_code in _REDIRECTS else ""
        return f"The endpoint answered {self.status_code}.{redirected}"


def wait_asked(asked: timedelta | None, attempt: int) -> timedelta | None:
    """How long to wait before the next try because the receiver asked to; None: as the timetable says.

    Who asks for less than the timetable gives is not tried sooner, and nobody puts a delivery off for over a day.
    """
    if asked is None or asked <= backoff(DELIVER_WEBHOOK.retry, attempt, 0.5):
        return None
    return min(asked, LONGEST_ASKED)


def lane_of(address: str, delivery_id: str) -> str:
    """The concurrency key of a delivery to an endpoint, or to the URL of a job."""
    return f"webhook:{address}:{int(delivery_id[-4:], 16) % LANES}"
