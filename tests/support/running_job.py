"""A maker of a job under its first attempt, as no store has it; pure, so that tests of the domain stay so."""

from datetime import UTC, datetime
from typing import Any, Final

from domain.ids import JobId
from domain.jobs.job import Job
from domain.jobs.state import State

_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def running_job(**changes: object) -> Job:
    """The job, with these fields of it changed."""
    values: dict[str, Any] = {
        **dict.fromkeys(Job.__struct_fields__),
        "id": JobId("job_" + "0" * 32),
        "tenant_id": "tenant_" + "1" * 32,
        "caller_id": "user_" + "1" * 32,
        "kind": "tests.ask",
        "queue": "tests",
        "state": State.RUNNING,
        "priority": 0,
        "tags": (),
        "metadata": b"{}",
        "attempt": 1,
        "max_attempts": 3,
        "crashes": 0,
        "input": b"{}",
        "timeout_seconds": 5.0,
        "created_at": _MOMENT,
        "run_at": _MOMENT,
        "started_at": _MOMENT,
        "lease": "lease",
        "worker": "worker-1",
        "seq": 2,
    }
    values.update(changes)
    return Job(**values)
