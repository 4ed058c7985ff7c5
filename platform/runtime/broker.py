"""The Celery app, its queues and settings, and the sender of job ids. The API never imports this."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from celery import Celery
from kombu.entity import Queue
from kombu.messaging import Producer
from msgspec import Struct

from domain.errors import Unavailable
from runtime.settings import Settings

RUN: Final = "headrace.run"
"""The one Celery task. What it is given: job ids, and the trace."""

FRONT: Final = 0
BACK: Final = 3
"""The two lines of every queue. What stands in the front is fetched before all that stands in the back."""

_MOST_BATCHED: Final = 500
_VISIBILITY_SECONDS: Final = 3600
_MARK: Final = "mark"
_MARKED_BY: Final = "relay"


class BrokerDown(Unavailable):
    """The broker does not take messages now; what was to be sent stays in the outbox."""

    code = "broker_unavailable"
    title = "The broker does not answer"


class Bell(Struct, frozen=True, kw_only=True):
    """What a message carries: ids of jobs of one kind, and the trace of the first. Nothing else ever.

    `line` is where it stands: `FRONT` or `BACK`.
    """

    kind: str
    ids: tuple[str, ...]
    traceparent: str | None = None
    line: int = FRONT


def make_celery(settings: Settings, *, broker_url: str, queues: Sequence[str], client: str) -> Celery:
    """Celery as Headrace uses it: JSON only, no result backend, no retries, no clocks. It carries ids out."""
    app = Celery("headrace", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        # a job that kills its worker is counted in Postgres; the broker must not loop it
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        task_queues=[Queue(name) for name in queues],
        task_default_queue=queues[0],
        task_create_missing_queues=False,
        task_publish_retry=False,
        worker_send_task_events=True,
        worker_enable_remote_control=settings.wants_remote_control,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "global_keyprefix": "hr:",
            "client_name": f"headrace-{client}",
            "priority_steps": [FRONT, BACK],
            "visibility_timeout": _VISIBILITY_SECONDS,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        enable_utc=True,
        timezone="UTC",
    )
    return app


def celery_url(redis_url: str) -> str:
    """The broker URL kombu wants for a Redis that redis-py knows as `redis_url`: sockets are spelled differently."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"


def canary_queue(worker: str, *, keep_seconds: float) -> Queue:
    """The queue in which a worker puts what it is to hear itself. What is left in it goes after `keep_seconds`."""
    return Queue(f"canary.{worker}", expires=keep_seconds)


class Sender:
    """Hands bells to the broker, pipelined, from a thread of its own; a producer belongs to one thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sender")
        self._producer: Producer | None = None

    async def send(self, queue: str, bells: Sequence[Bell]) -> None:
        """Put `bells` into `queue`.

        Raises:
            BrokerDown: some or all may not have arrived; sending them again is harmless.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, queue, bells)

    async def send_canary(self, queue: Queue, nonce: str) -> None:
        """Put a canary into a worker's own queue, in place of any that lies there unheard.

        Raises:
            BrokerDown: it may not have arrived.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send_canary, queue, nonce)

    async def has_mark(self) -> bool:
        """Whether the broker still has the mark it was given; not, if it was emptied since, or is new.

        Raises:
            BrokerDown: it does not answer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._has_mark)

    async def mark(self) -> None:
        """Leave a mark that goes when the broker's messages go.

        Raises:
            BrokerDown: it may not be there.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._set_mark)

    def close(self) -> None:
        """Let go of the connection."""
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=True)

    def _send(self, queue: str, bells: Sequence[Bell]) -> None:
        try:
            producer = self._producer or self._connect()
            with producer.batch(max_size=_MOST_BATCHED):
                for bell in bells:
                    self._publish(producer, queue, bell)
        except Exception as error:
            # kombu lets through what its transport raises, and the transports raise what their clients raise
            self._drop()
            raise BrokerDown(f"The broker did not take {len(bells)} messages ({type(error).__name__}).") from error

    def _send_canary(self, queue: Queue, nonce: str) -> None:
        try:
            producer = self._producer or self._connect()
            own = queue.bind(producer.channel)
            own.declare()
            own.purge()
            producer.publish({"canary": nonce}, exchange="", routing_key=queue.name, retry=False)
        except Exception as error:
            self._drop()
            raise BrokerDown(f"The broker did not take a canary ({type(error).__name__}).") from error

    def _has_mark(self) -> bool:
        try:
            # kombu's own client, with its prefix: only what reads and writes hashes is prefixed both ways
            return bool((self._producer or self._connect()).channel.client.hget(_MARK, _MARKED_BY))
        except Exception as error:
            self._drop()
            raise BrokerDown(f"The broker does not tell of its mark ({type(error).__name__}).") from error

    def _set_mark(self) -> None:
        try:
            (self._producer or self._connect()).channel.client.hset(_MARK, _MARKED_BY, "1")
        except Exception as error:
            self._drop()
            raise BrokerDown(f"The broker did not take a mark ({type(error).__name__}).") from error

    def _publish(self, producer: Producer, queue: str, bell: Bell) -> None:
        first = bell.ids[0]
        more = f"+{len(bell.ids) - 1}" if len(bell.ids) > 1 else ""
        message: Any = self._app.amqp.as_task_v2(
            f"{first}{more}",
            RUN,
            (list(bell.ids), bell.traceparent),
            {},
            ignore_result=True,
            shadow=bell.kind,
            argsrepr=f"{first}{more}",
            kwargsrepr="",
        )
        self._app.amqp.send_task_message(
            producer, RUN, message, queue=queue, priority=bell.line, retry=False, declare=[]
        )

    def _connect(self) -> Producer:
        connection = self._app.connection_for_write()
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2, interval_max=0.5)
        producer = Producer(connection, auto_declare=False)
        self._producer = producer
        return producer

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            connection: Any = producer.connection
            connection.release()
