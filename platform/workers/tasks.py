"""The one Celery task, shown in Flower under its kind."""

from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery

from domain.ids import is_id
from runtime.broker import RUN

log: Final = structlog.get_logger()

Ring = Callable[[list[str]], None]


def bind_run(app: Celery, ring: Ring) -> None:
    """Register `headrace.run` on `app`: it hands the ids of a message to `ring`, and never fails.

    What becomes of the jobs is written in Postgres. A message Celery saw succeed says only that it was read.
    """

    @app.task(name=RUN, ignore_result=True, acks_late=True, max_retries=0, typing=False)  # type: ignore[untyped-decorator]
    def run(ids: Any = None, traceparent: Any = None) -> None:  # noqa: ANN401, ARG001 - whatever somebody put there
        if not isinstance(ids, list) or not all(isinstance(one, str) and is_id("job", one) for one in ids):
            log.warning("message.refused", reason="it does not carry job ids")
            return
        try:
            ring(ids)
        except Exception as error:
            # Celery could only lose it; the outbox sends the ids again
            log.exception("message.broke", jobs=len(ids), error=type(error).__name__)
