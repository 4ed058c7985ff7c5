"""The one Celery task, shown in Flower under its kind."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from celery import Celery

from domain.ids import is_id
from runtime.broker import FRONT, RUN

log: Final = structlog.get_logger()


class Ring(Protocol):
    """Runs the jobs named, which stood in the front line or not; answers with the codes of those that failed."""

    def __call__(self, ids: list[str], /, *, in_front: bool) -> list[str]: ...  # noqa: D102 - said above


class AttemptFailed(Exception):
    """Tells Flower, and nobody else, that an attempt failed: its code. What becomes of the job is written already."""


def bind_run(app: Celery, ring: Ring, heard: Callable[[str], None] = lambda _: None) -> None:
    """Register `headrace.run` on `app`: it hands the ids of a message to `ring`, and whether it stood in the front.

    `heard` is told of each message: `taken`, `refused` or `broke`.

    What becomes of the jobs is written in Postgres; Celery is told how the attempt ended only for Flower's sake, and
    only where a message carries one job.
    """

    @app.task(  # type: ignore[untyped-decorator]
        name=RUN,
        bind=True,
        shared=False,
        ignore_result=True,
        acks_late=True,
        max_retries=0,
        typing=False,
        throws=(AttemptFailed,),
    )
    def run(celery: Any, ids: Any = None, traceparent: Any = None) -> None:  # noqa: ANN401, ARG001 - whatever somebody put there
        if not isinstance(ids, list) or not all(isinstance(one, str) and is_id("job", one) for one in ids):
            log.warning("message.refused", reason="it does not carry job ids")
            heard("refused")
            return
        heard("taken")
        try:
            failed = ring(ids, in_front=(celery.request.delivery_info or {}).get("priority") == FRONT)
        except Exception as error:
            # Celery could only lose it; the outbox sends the ids again
            log.exception("message.broke", jobs=len(ids), error=type(error).__name__)
            heard("broke")
            return
        if failed and len(ids) == 1:
            raise AttemptFailed(failed[0])
