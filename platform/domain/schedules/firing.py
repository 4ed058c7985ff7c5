"""The job a schedule submits."""

import msgspec

from domain.accounts.user import Caller
from domain.catalog import kind_named
from domain.errors import Conflict
from domain.ids import JobId
from domain.jobs.job import JobOptions, NewJob, new_job
from domain.schedules.schedule import Schedule


class ScheduledJobRefused(Conflict):
    """The kind does not take any more what the schedule gives it."""

    code = "scheduled_job_refused"
    title = "The schedule's job is refused"


def make_job(schedule: Schedule, job_id: JobId, options: JobOptions) -> NewJob:
    """The job `schedule` submits, for the caller who made the schedule.

    Raises:
        UnknownKind: the kind is gone.
        ScheduledJobRefused: the kind does not take this input any more.
    """
    kind = kind_named(schedule.job.kind)
    try:
        given = msgspec.json.decode(schedule.job.input, type=kind.input)
    except msgspec.ValidationError as error:
        raise ScheduledJobRefused(f"{kind.name} does not take the schedule's input: {error}.") from None
    # permissions are asked at the door, where the schedule was made
    caller = Caller(tenant_id=schedule.tenant_id, user_id=schedule.caller_id, permissions=frozenset())
    return new_job(kind, given, caller, job_id=job_id, options=options, schedule_id=schedule.id)
