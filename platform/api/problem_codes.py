"""Every code a problem can have: what it means, and what to do. The pages under /problems/ are made of these.

Long because it is one table; a test names the codes it lacks.
"""

from typing import Final

from msgspec import Struct


class ProblemCode(Struct, frozen=True):
    """A code's documentation. `status` is HTTP's; 0 for codes that stand in a job's `error`, never in an answer."""

    status: int
    title: str
    meaning: str
    remedy: str


_FIX: Final = "Change the request; the same one will be refused again."
_LATER: Final = "Try again after the seconds that Retry-After names; the same request may then succeed."
_KEPT: Final = "Fetch results before that: the detail names the day, and who runs the platform sets how many there are."
_JOB: Final = "GET /v1/jobs/{id}/attempts tells each attempt. POST /v1/jobs/{id}/retry queues the job again."

CODES: Final[dict[str, ProblemCode]] = {
    # the request
    "malformed": ProblemCode(
        400, "Malformed request", "The request does not follow HTTP, or its URL is garbled.", _FIX
    ),
    "body_malformed": ProblemCode(
        400, "The body is not JSON", "The body is not JSON in UTF-8; the detail says where it goes wrong.", _FIX
    ),
    "body_slow": ProblemCode(
        408,
        "The body took too long to arrive",
        "The body was not complete after 15 s; that of a batch after 60 s.",
        "Send it again, faster.",
    ),
    "body_too_large": ProblemCode(
        413, "The body is too large", "A body has at most 1 MiB, a batch 16 MiB.", "Send less, or in several requests."
    ),
    "url_too_long": ProblemCode(414, "The URL is too long", "Path and query have at most 16 KiB.", _FIX),
    "media_type_unsupported": ProblemCode(
        415,
        "Only application/json is understood",
        "The Content-Type is missing, or is not application/json in UTF-8.",
        "Send the header Content-Type: application/json.",
    ),
    "body_invalid": ProblemCode(
        422,
        "The body is not valid",
        "The body is JSON, and not what is wanted. `errors` lists every field that is wrong, as a JSON pointer.",
        _FIX,
    ),
    "parameter_invalid": ProblemCode(
        422,
        "A parameter is not valid",
        "A parameter of the query, the path or a header is not acceptable; `errors` names it.",
        _FIX,
    ),
    "parameter_unknown": ProblemCode(
        422,
        "There is no such parameter",
        "The query has a parameter that the route does not take; `errors` names it, and the nearest there is.",
        _FIX,
    ),
    "cursor_invalid": ProblemCode(
        422,
        "The cursor is not valid",
        "The cursor is not one of this list, or not whole.",
        "Take `next_cursor` from an answer as it is, or start without one.",
    ),
    "idempotency_key_invalid": ProblemCode(
        422,
        "The Idempotency-Key is not valid",
        "The header Idempotency-Key is not one key of 1 to 255 printable characters of ASCII, quoted or bare.",
        "Send one such key, a fresh UUID for instance.",
    ),
    "idempotency_key_reused": ProblemCode(
        422,
        "The Idempotency-Key was used for another request",
        "In the last 7 days the key came to this route with another body, query, path or caller.",
        "Take a fresh key for a new request; send a repeated one exactly as it was.",
    ),
    "idempotency_in_progress": ProblemCode(
        409,
        "The first request with this key is under way",
        "A request with the same Idempotency-Key is not answered yet.",
        "Send it again in a moment; it will be answered as the first is.",
    ),
    "idempotency_answer_gone": ProblemCode(
        404,
        "The first answer is gone",
        "The job that the first request with this Idempotency-Key made is kept no more.",
        "Take a fresh key if the job is to be done again.",
    ),
    "invalid": ProblemCode(422, "Invalid input", "What was given is not acceptable; the detail says why.", _FIX),
    "unknown_kind": ProblemCode(
        422, "Unknown kind", "There is no kind of job of this name.", "GET /v1/kinds lists the kinds there are."
    ),
    "problem_unknown": ProblemCode(
        404, "No such problem", "There is no problem of this code.", "GET /problems lists those there are."
    ),
    "method_not_allowed": ProblemCode(
        405, "Method not allowed", "The path exists, and not for this method.", "The header Allow names the methods."
    ),
    "not_found": ProblemCode(
        404,
        "Not found",
        "There is nothing at this path, or nothing that the caller may see: of another tenant's things nobody learns.",
        "Check the path and the id.",
    ),
    "job_not_found": ProblemCode(
        404,
        "No such job",
        "There is no job of this id, or it is another tenant's.",
        "Check the id, and that the key belongs to the tenant that submitted the job.",
    ),
    "job_gone": ProblemCode(
        410, "The job is kept no more", "The job ended longer ago than jobs are kept; it went with its result.", _KEPT
    ),
    "bulk_action_gone": ProblemCode(
        410, "The bulk action is kept no more", "It was finished longer ago than bulk actions are kept.", _KEPT
    ),
    "bulk_action_not_found": ProblemCode(
        404, "No such bulk action", "There is none of this id, or it is another tenant's.", "List them."
    ),
    "job_unfinished": ProblemCode(
        409,
        "The job is not finished",
        "A job has a result once it has succeeded.",
        "Wait: with Prefer: wait=30 on GET /v1/jobs/{id}, or on its events.",
    ),
    "job_without_result": ProblemCode(
        409,
        "The job has no result",
        "The job ended without succeeding; its `error` says why.",
        "GET /v1/jobs/{id} shows it. POST /v1/jobs/{id}/retry queues it again.",
    ),
    "job_finished": ProblemCode(
        409, "The job is finished", "A finished job cannot be cancelled.", "Nothing is to be done."
    ),
    "job_not_retryable": ProblemCode(
        409,
        "The job cannot be queued again",
        "Only a job that failed, expired or was cancelled can be queued again.",
        "Wait for its end, or submit a new job.",
    ),
    # orders
    "unknown_order": ProblemCode(
        404, "No such order", "There is no order of this id, or none that the caller may see.", "Check the id."
    ),
    "unknown_product": ProblemCode(
        404, "No such product", "The catalogue has no product of an id that was given.", "GET /v1/products lists them."
    ),
    "unknown_customer": ProblemCode(
        404, "No such customer", "There is no customer of this id in the tenant.", "Check the id; `me` is the caller."
    ),
    "unknown_currency": ProblemCode(
        422, "Unknown currency", "The currency is not one of ISO 4217 that the platform knows.", _FIX
    ),
    "mixed_currencies": ProblemCode(
        422, "More than one currency", "The products of one order must be priced in one currency.", "Order them apart."
    ),
    "balance_full": ProblemCode(
        409, "The balance is full", "The deposit would make the balance larger than can be kept.", "Deposit less."
    ),
    "out_of_stock": ProblemCode(
        409,
        "Out of stock",
        "There are fewer of a product than were ordered. Nothing was taken and nothing was charged.",
        "Order fewer, or wait until the product is back in stock.",
    ),
    "order_already_cancelled": ProblemCode(
        409, "The order is cancelled", "The order was cancelled before.", "Nothing is to be done."
    ),
    "order_already_shipped": ProblemCode(
        409, "The order is shipped", "What has been shipped cannot be cancelled.", "Nothing is to be done."
    ),
    "order_not_paid": ProblemCode(
        409, "The order is not paid", "Only a paid order is shipped.", "Deposit store credit, and order again."
    ),
    # schedules and conversations
    "schedule_not_found": ProblemCode(
        404, "No such schedule", "There is no schedule of this id, or it is another tenant's.", "Check the id."
    ),
    "scheduled_job_refused": ProblemCode(
        409, "The schedule's job is not acceptable", "The job that a schedule repeats would be refused.", _FIX
    ),
    "cron_invalid": ProblemCode(
        422, "Not a cron expression", "The expression is not one, or never comes true.", "Five fields, or @daily."
    ),
    "zone_unknown": ProblemCode(
        422, "Unknown time zone", "There is no such zone in the tz database.", "Use a name such as Europe/Berlin."
    ),
    "too_many_streams": ProblemCode(
        429,
        "Too many event streams are open",
        "A key, a tenant and each process of the API hold so many event streams open; the detail says whose limit.",
        "Close streams that are of no interest any more. One stream of GET /v1/events tells of all jobs of the tenant.",
    ),
    "event_token_refused": ProblemCode(
        401,
        "The event token is not valid here",
        "The token in the query has expired, was not signed here, opens other events, or its key was revoked.",
        "Ask POST /v1/event-tokens for a new one, with a key.",
    ),
    "batch_not_found": ProblemCode(
        404, "No such batch", "There is no batch of this id, or it is another tenant's.", "Check the id."
    ),
    "batch_gone": ProblemCode(
        410,
        "The batch is kept no more",
        "The batch was finished longer ago than batches are kept; it went with its jobs.",
        _KEPT,
    ),
    "batch_finished": ProblemCode(
        409, "The batch is finished", "All of its jobs have ended; nothing is left to cancel.", "Nothing is to be done."
    ),
    "queue_not_found": ProblemCode(
        404, "No such queue", "No kind of job goes through a queue of this name.", "GET /v1/queues lists them."
    ),
    "conversation_not_found": ProblemCode(
        404, "No such conversation", "There is no conversation of this id, or it is somebody else's.", "Check the id."
    ),
    "email_taken": ProblemCode(409, "The address is taken", "Another user has this e-mail address.", "Use another."),
    "conflict": ProblemCode(
        409, "Conflicts with the present state", "The thing is in a state that does not allow this.", "Read it again."
    ),
    "gone": ProblemCode(410, "Gone", "It was there, and its retention has passed.", "It cannot be had any more."),
    # who calls
    "unauthenticated": ProblemCode(
        401,
        "Authentication required",
        "The request carries no API key, or none that is valid.",
        "Send the key as Authorization: Bearer hr_…, or as X-API-Key.",
    ),
    "forbidden": ProblemCode(403, "Not allowed", "The caller is known, and may not do this.", "Ask an administrator."),
    "permission_missing": ProblemCode(
        403,
        "Permission missing",
        "The key does not carry the permission that the detail names.",
        "Use another key, or ask an administrator for the permission.",
    ),
    # load and failure
    "limited": ProblemCode(429, "Limit reached", "A limit or a budget is used up.", _LATER),
    "rate_limited": ProblemCode(
        429,
        "Too many requests",
        "The key's requests for this minute are used up; RateLimit and RateLimit-Policy tell how many there are.",
        _LATER,
    ),
    "backlog_full": ProblemCode(
        429,
        "Too many jobs wait",
        "As many of the tenant's jobs wait to be run as may: accepted, and not yet claimed by a worker.",
        "Try again after the seconds that Retry-After names. GET /v1/queues shows what waits.",
    ),
    "bulk_actions_full": ProblemCode(
        429,
        "Too many bulk actions are unfinished",
        "As many of the tenant's bulk actions are unfinished as may be.",
        "Wait for some to be done, or abort them. One with a wider filter does the work of many.",
    ),
    "queues_full": ProblemCode(
        503, "The queues are full", "As many jobs of all tenants wait to be run as may.", _LATER
    ),
    "overloaded": ProblemCode(503, "Too much at once", "More arrives than can be taken now.", _LATER),
    "unavailable": ProblemCode(503, "Temporarily unavailable", "Something the platform needs does not answer.", _LATER),
    "not_ready": ProblemCode(503, "Not ready", "The API cannot accept jobs now; `checks` tells why.", _LATER),
    "database_unavailable": ProblemCode(
        503, "The database does not answer", "Postgres does not answer, or not in time; nothing was written.", _LATER
    ),
    "error": ProblemCode(500, "Something went wrong", "The platform said what, in the detail.", "Read the detail."),
    "internal": ProblemCode(
        500,
        "Internal error",
        "The platform has a fault. Its log tells more under the request's id.",
        "Try again; if it persists, report it with the `request_id`.",
    ),
    # why a job failed
    "attempts_exhausted": ProblemCode(0, "Out of attempts", "Every attempt failed; the detail names the last.", _JOB),
    "crashed": ProblemCode(0, "The worker died", "Several workers died while they ran this job.", _JOB),
    "handler_error": ProblemCode(0, "The handler raised an error", "A fault in the handler of the kind.", _JOB),
    "result_too_large": ProblemCode(0, "The result is too large", "A result has at most 1 MiB.", _JOB),
    "retry": ProblemCode(0, "To be tried again", "The attempt failed, and another may succeed.", _JOB),
    "rejected": ProblemCode(0, "Rejected", "The job can never succeed, and was not tried again.", _JOB),
    "timeout": ProblemCode(0, "The attempt ran out of time", "The attempt outlived the job's timeout.", _JOB),
    "input_mismatch": ProblemCode(
        0, "The input does not fit", "The kind changed after the job was submitted.", "Submit it again, as it is now."
    ),
    "cancelled_itself": ProblemCode(0, "The handler stopped", "The handler gave up its own work.", _JOB),
    "conversation_gone": ProblemCode(
        0, "The conversation is gone", "It was deleted before the reply was written.", "Nothing is to be done."
    ),
    "ai_blocked": ProblemCode(
        0, "The text was blocked", "The text engine refused for reasons of safety.", "Change the text."
    ),
    "ai_malformed": ProblemCode(
        0, "The text engine's answer was not usable", "Its answer was cut short, or not of the shape asked for.", _JOB
    ),
    "ai_refused": ProblemCode(
        0, "The text engine refused", "It did not accept the request, or the platform's key for it.", _JOB
    ),
    "ai_throttled": ProblemCode(0, "The text engine is throttled", "Its quota is used up for now.", _JOB),
    "ai_unavailable": ProblemCode(0, "The text engine does not answer", "It is down, or too slow.", _JOB),
    "mail_refused": ProblemCode(
        0, "The mail server refused", "It did not take the e-mail for any of its recipients.", "Check the addresses."
    ),
    "mail_unavailable": ProblemCode(0, "The mail server does not answer", "It is down, or asks to come later.", _JOB),
    # what the command and the processes say
    "mail_not_found": ProblemCode(0, "No such e-mail", "The local inbox has no e-mail of this name.", "List them."),
    "api_key_misspelt": ProblemCode(0, "The API key is misspelt", "It has not the shape of a key.", "Copy it whole."),
    "broker_unavailable": ProblemCode(0, "The broker does not answer", "Jobs wait in Postgres until it does.", _LATER),
    "data_dir_in_use": ProblemCode(0, "The data directory is in use", "Another `up` runs there.", "Stop it first."),
    "data_dir_refused": ProblemCode(0, "The data directory cannot be used", "See the detail.", "Choose another."),
    "port_taken": ProblemCode(0, "The port is in use", "Somebody listens there already.", "Choose another port."),
    "server_unavailable": ProblemCode(
        0, "No embedded server", "This platform carries none.", "Set HEADRACE_DATABASE_URL and HEADRACE_REDIS_URL."
    ),
    "smtp_url_invalid": ProblemCode(0, "Not the address of a mail server", "See the detail.", "Correct it."),
    "start_failed": ProblemCode(0, "A process did not start", "The detail names it.", "See its log."),
    "setting_invalid": ProblemCode(0, "A setting is not acceptable", "A HEADRACE_ variable is wrong.", "Correct it."),
    "redis_evicts": ProblemCode(
        0, "Redis evicts", "The Redis throws keys away when it is full.", "Set its maxmemory-policy to noeviction."
    ),
    "setting_missing": ProblemCode(0, "A setting is missing", "A HEADRACE_ variable is needed.", "Set it."),
    "kill_point_unknown": ProblemCode(
        0, "Unknown kill point", "A test armed a point that is not there.", "Correct it."
    ),
}
