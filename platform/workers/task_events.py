"""What Flower is told of tasks goes out together, up to 50 ms later, and not beside what the tasks do first.

Celery sends each event on the next round of its loop: just when the handlers' thread claims the job the event tells of,
and waits for the interpreter that the sending holds.
"""

from typing import Any, Final

from celery import bootsteps
from celery.worker.consumer.events import Events

WITHIN_SECONDS: Final = 0.05


class TaskEventsStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Has the events of Celery's dispatcher wait for each other; set up anew with every connection to the broker."""

    requires = (Events,)

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's consumer
        """Put a timer in place of the next round of Celery's loop."""
        dispatcher, hub = parent.event_dispatcher, parent.hub
        is_coming = False

        def flush() -> None:
            nonlocal is_coming
            is_coming = False
            dispatcher.flush()

        def wait() -> None:
            hub.call_later(WITHIN_SECONDS, flush)

        def note() -> None:
            nonlocal is_coming
            if not is_coming:
                is_coming = True
                hub.call_soon(wait)  # an event may come from any thread; timers are for the loop's own

        dispatcher.on_send_buffered = note

    def stop(self, parent: Any) -> None:  # noqa: ANN401 - Celery's consumer
        """Put Celery's own way back, and send what waits: timers run no more, but jobs may end yet, and are told of."""
        dispatcher = parent.event_dispatcher
        if dispatcher is not None:  # none where the broker was never reached
            dispatcher.on_send_buffered = parent.on_send_event_buffered
            dispatcher.flush(errors=False)  # what could not be sent before is for the next connection
