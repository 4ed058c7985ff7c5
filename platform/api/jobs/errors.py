"""What can be wrong with asking for a job, or for a change of one."""

from domain.errors import Conflict, NotFound


class JobNotFound(NotFound):
    """There is no such job, or it is another tenant's."""

    code = "job_not_found"
    title = "No such job"


class JobUnfinished(Conflict):
    """A result is asked of a job that is not finished."""

    code = "job_unfinished"
    title = "The job is not finished"
    retryable = True


class JobWithoutResult(Conflict):
    """A result is asked of a job that did not succeed."""

    code = "job_without_result"
    title = "The job has no result"


class JobFinished(Conflict):
    """A finished job is to be cancelled."""

    code = "job_finished"
    title = "The job is finished"


class JobNotRetryable(Conflict):
    """A job is to be queued again that is not at its end, or succeeded."""

    code = "job_not_retryable"
    title = "The job cannot be queued again"
