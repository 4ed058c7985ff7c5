"""What operators do: bulk actions, queues, workers, figures."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

from typing import Literal, Unpack

from headrace._sync.http import Connection
from headrace._sync.listing import Listing, everything, reads
from headrace.models import BulkAction, Queue, QueueLimits, Worker
from headrace.options import JobConditions, filter_of
from headrace.requests import ask, create, segment


class BulkActions:
    """Retries or cancels all jobs that meet some conditions, so many a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(
        self,
        action: Literal["retry", "cancel"],
        *,
        dry_run: bool = False,
        rate_per_second: int = 50,
        idempotency_key: str | None = None,
        **conditions: Unpack[JobConditions],
    ) -> BulkAction:
        """Begin one; it goes on by itself, and `get` tells how far it is. A dry run only counts."""
        body = {
            "action": action,
            "filter": filter_of(conditions),
            "dry_run": dry_run,
            "rate_per_second": rate_per_second,
        }
        return (self._connection.send(create("/v1/bulk-actions", body, key=idempotency_key))).into(BulkAction)

    def get(self, action_id: str) -> BulkAction:
        """A bulk action and how far it has come."""
        return (self._connection.send(ask("GET", f"/v1/bulk-actions/{segment(action_id)}"))).into(BulkAction)

    def list(self, *, limit: int | None = None) -> Listing[BulkAction]:
        """The bulk actions, newest first; `limit` of them, or all."""
        return Listing(self._connection, ask("GET", "/v1/bulk-actions"), reads(BulkAction), limit=limit)

    def abort(self, action_id: str) -> BulkAction:
        """Stop one; what it has done stays done."""
        request = ask("POST", f"/v1/bulk-actions/{segment(action_id)}/abort")
        return (self._connection.send(request)).into(BulkAction)


class Queues:
    """Lists queues, pauses, resumes and limits them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> tuple[Queue, ...]:
        """Every queue, with what waits and what runs in it."""
        return everything(self._connection, "/v1/queues", Queue)

    def pause(self, name: str) -> Queue:
        """Hold a queue's jobs back; those that run finish."""
        return self._change("POST", f"{segment(name)}/pause")

    def resume(self, name: str) -> Queue:
        """Let a paused queue's jobs run."""
        return self._change("POST", f"{segment(name)}/resume")

    def limit(self, name: str, limits: QueueLimits) -> Queue:
        """Limit what runs at once and what starts in a time. The limits there were are replaced."""
        return self._change("PUT", f"{segment(name)}/limits", limits)

    def _change(self, method: str, path: str, body: QueueLimits | None = None) -> Queue:
        return (self._connection.send(ask(method, f"/v1/queues/{path}", body=body))).into(Queue)


class Workers:
    """Lists workers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> tuple[Worker, ...]:
        """The workers that are online."""
        return everything(self._connection, "/v1/workers", Worker)
