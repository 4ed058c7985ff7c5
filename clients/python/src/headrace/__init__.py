"""A client of Headrace, sync and async: `Headrace` and `AsyncHeadrace`."""

from headrace import models, webhooks
from headrace._aio.batches import AsyncBatch
from headrace._aio.client import AsyncHeadrace
from headrace._aio.job import AsyncJob
from headrace._aio.listing import AsyncListing
from headrace._aio.replies import AsyncReply
from headrace._sync.batches import Batch
from headrace._sync.client import Headrace
from headrace._sync.job import Job
from headrace._sync.listing import Listing
from headrace._sync.replies import Reply
from headrace.errors import (
    ApiError,
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    HeadraceError,
    Invalid,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotSucceeded,
    LoggedOut,
    NoAnswer,
    NotFound,
    NotHeadrace,
    Overloaded,
    RateLimited,
    Refused,
    ServerFault,
    SignatureInvalid,
    TooLarge,
    Unauthenticated,
    Unreachable,
    WaitTimedOut,
)
from headrace.events import Event
from headrace.models import JobInfo, Money
from headrace.options import Input, JobConditions, JobOptions, NewJob, SubmitOptions
from headrace.replying import ReplyPart
from headrace.requests import Answer
from headrace.version import __version__

__all__ = [
    "Answer",
    "ApiError",
    "AsyncBatch",
    "AsyncHeadrace",
    "AsyncJob",
    "AsyncListing",
    "AsyncReply",
    "Batch",
    "Conflict",
    "Event",
    "FieldError",
    "Forbidden",
    "Gone",
    "Headrace",
    "HeadraceError",
    "Input",
    "Invalid",
    "Job",
    "JobCancelled",
    "JobConditions",
    "JobExpired",
    "JobFailed",
    "JobInfo",
    "JobNotSucceeded",
    "JobOptions",
    "Listing",
    "LoggedOut",
    "Money",
    "NewJob",
    "NoAnswer",
    "NotFound",
    "NotHeadrace",
    "Overloaded",
    "RateLimited",
    "Refused",
    "Reply",
    "ReplyPart",
    "ServerFault",
    "SignatureInvalid",
    "SubmitOptions",
    "TooLarge",
    "Unauthenticated",
    "Unreachable",
    "WaitTimedOut",
    "__version__",
    "models",
    "webhooks",
]
