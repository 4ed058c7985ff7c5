"""How long what has ended is kept: jobs, batches and bulk actions; and what is said of those that are kept no more."""

from datetime import datetime
from typing import Final

from domain.errors import Gone

AT_ONCE: Final = 500
"""How many jobs one step of pruning takes: some 50 ms of Postgres, and locks that nobody waits for."""


class JobGone(Gone):
    """The job ended longer ago than jobs are kept."""

    code = "job_gone"
    title = "The job is kept no more"


class BatchGone(Gone):
    """The batch was finished longer ago than batches are kept."""

    code = "batch_gone"
    title = "The batch is kept no more"


class BulkActionGone(Gone):
    """The bulk action was finished longer ago than they are kept."""

    code = "bulk_action_gone"
    title = "The bulk action is kept no more"


def kept_until(pruned_at: datetime) -> str:
    """The sentence for who asks for what was pruned then: the day, in UTC."""
    return f"It had ended, and was kept until {pruned_at:%Y-%m-%d}."
