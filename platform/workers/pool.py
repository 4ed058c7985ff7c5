"""Threads for Celery's tracer, one asyncio loop for the handlers.

Celery 5.7 has no pool for coroutines. Its tracer is synchronous, so each message holds a thread that waits while the
jobs it named run on the loop; a waiting thread costs a few kilobytes.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import uvloop
from celery.concurrency.thread import TaskPool as ThreadPool

T = TypeVar("T")

_JOIN_SECONDS: Final = 10.0
_CANCEL_SECONDS: Final = 5.0


class LoopThread:
    """One event loop in a thread of its own, for as long as the process works."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="handlers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and wait for it; called from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def stop(self) -> None:
        """Cancel what still runs, and end the loop; what ignores that for 5 s ends with the process."""
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_JOIN_SECONDS)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @staticmethod
    async def _cancel_all() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            ended, _ = await asyncio.wait(others, timeout=_CANCEL_SECONDS)
            await asyncio.gather(*ended, return_exceptions=True)


class TaskPool(ThreadPool):  # type: ignore[misc]  # Celery ships no types
    """Celery's thread pool, which cannot terminate a task: we never ask it to; cancelling goes through leases."""

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """Do nothing: a revoke with terminate is no way to stop a job of ours, and must not raise in the worker."""
