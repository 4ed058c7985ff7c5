"""Telling everybody concerned of jobs that were moved by hand, after the commit."""

from domain.jobs.state import State
from runtime.wakeups import Wakeups
from storage.jobs import Moved


def tell_moved(wakeups: Wakeups, moved: Moved) -> None:
    """Wake who waits for these jobs or their batches, the workers that run them, and the relay where one may go now."""
    if not moved:
        return
    wakeups.tell_jobs([job.id for job in moved])
    wakeups.tell_finished(moved.finished)
    if running := [job.id for job in moved if job.state is State.RUNNING]:
        wakeups.tell_cancelled(running)
    if moved.frees or any(job.state is State.QUEUED or job.concurrency_key for job in moved):
        wakeups.ring_relay()
