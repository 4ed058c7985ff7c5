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
        "Send it again over a better connection, or split a batch into smaller ones.",
    ),
    "body_too_large": ProblemCode(
        413, "The body is too large", "A body has at most 1 MiB, a batch 16 MiB.", "Send less, or in several requests."
    ),
    "url_too_long": ProblemCode(414, "The URL is too long", "Path and query have at most 16 KiB.", _FIX),
    "media_type_unsupported": ProblemCode(
        415,
        "The Content-Type is not understood",
        "The Content-Type is missing, or is not the one this route takes: mostly application/json, in UTF-8.",
        "Send the header that `detail` names, mostly Content-Type: application/json.",
    ),
    "encoding_unsupported": ProblemCode(
        415,
        "The Content-Encoding is not understood",
        "The body is said to be packed, by gzip or otherwise. Bodies are taken as they are.",
        "Send it without Content-Encoding: a batch has room for 16 MiB.",
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
        404,
        "No such bulk action",
        "There is no bulk action of this id, or it is another tenant's.",
        "Check the id: GET /v1/bulk-actions lists those there are.",
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
        404,
        "No such order",
        "There is no order of this id, or none that the caller may see.",
        "Check the id: GET /v1/orders lists the orders that you may see.",
    ),
    "unknown_product": ProblemCode(
        404,
        "No such product",
        "The catalogue has no product of an id that was given.",
        "Check the ids: GET /v1/products lists the products there are.",
    ),
    "sku_taken": ProblemCode(
        409,
        "The SKU is taken",
        "The catalogue has a product of this SKU.",
        "Change that one, by PATCH, or take another SKU.",
    ),
    "stock_full": ProblemCode(
        409,
        "Too much in stock",
        "Of a product at most 1,000,000,000 pieces are in stock.",
        "Receive fewer; the detail tells how many there are.",
    ),
    "unknown_category": ProblemCode(
        404,
        "No such category",
        "The catalogue has no category of this slug.",
        "Check the slug: GET /v1/categories lists the categories there are.",
    ),
    "category_taken": ProblemCode(
        409,
        "The slug is taken",
        "The catalogue has a category of this slug.",
        "Rename that one, by PATCH, or take another slug.",
    ),
    "review_not_found": ProblemCode(
        404,
        "There is no such review",
        "The product has no review of this id.",
        "Check the id: GET /v1/products/{id}/reviews lists those there are.",
    ),
    "already_reviewed": ProblemCode(
        409,
        "The product is reviewed already",
        "A customer has one review of a product; the detail names it.",
        "PATCH that review, or DELETE it and write another.",
    ),
    "review_of_another": ProblemCode(
        403,
        "The review is somebody else's",
        "Nobody changes what somebody else says of a product.",
        "Change your own. With reviews:manage, DELETE removes anybody's.",
    ),
    "unknown_customer": ProblemCode(
        404, "No such customer", "There is no customer of this id in the tenant.", "Check the id; `me` is the caller."
    ),
    "unknown_currency": ProblemCode(
        422, "Unknown currency", "The currency is not one of ISO 4217 that the platform knows.", _FIX
    ),
    "mixed_currencies": ProblemCode(
        422,
        "More than one currency",
        "The products of one order must be priced in one currency.",
        "Place one order for each currency.",
    ),
    "balance_full": ProblemCode(
        409,
        "The balance is full",
        "The deposit would make the balance larger than can be kept: 10**15 minor units.",
        "Deposit less, or let some of the balance be spent first.",
    ),
    "out_of_stock": ProblemCode(
        409,
        "Out of stock",
        "There are fewer of a product than were ordered. Nothing was taken and nothing was charged.",
        "Order fewer, or wait until the product is back in stock.",
    ),
    "order_already_cancelled": ProblemCode(
        409,
        "The order is cancelled",
        "The order was cancelled before; its stock and its money were given back then.",
        "Nothing is to be done.",
    ),
    "order_already_shipped": ProblemCode(
        409, "The order is shipped", "What has been shipped cannot be cancelled.", "Nothing is to be done."
    ),
    "order_not_paid": ProblemCode(
        409, "The order is not paid", "Only a paid order is shipped.", "Deposit store credit, and order again."
    ),
    # schedules and conversations
    "schedule_not_found": ProblemCode(
        404,
        "No such schedule",
        "There is no schedule of this id, or it is another tenant's.",
        "Check the id: GET /v1/schedules lists the schedules there are.",
    ),
    "backfill_too_large": ProblemCode(
        422,
        "The window holds too many firings",
        "A backfill runs the firings of a window, which may hold 1,000.",
        "Take a shorter window, and the rest after it; the detail says where to end the first.",
    ),
    "scheduled_job_refused": ProblemCode(
        409, "The schedule's job is not acceptable", "The job that a schedule repeats would be refused.", _FIX
    ),
    "cron_invalid": ProblemCode(
        422,
        "Not a cron expression",
        "The expression is not one of cron's, or describes a time that never comes.",
        "Write five fields, as in `0 7 * * MON-FRI`, or one of @hourly, @daily, @weekly, @monthly and @yearly.",
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
        "The token in the query has expired, was not signed here, opens other events, or its key or login was ended.",
        "Ask POST /v1/event-tokens for a new one, with a key or an access token.",
    ),
    "batch_not_found": ProblemCode(
        404,
        "No such batch",
        "There is no batch of this id, or it is another tenant's.",
        "Check the id: GET /v1/batches lists the batches there are.",
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
    "kind_not_found": ProblemCode(
        404,
        "No such kind",
        "The platform runs no kind of jobs of this name.",
        "Check the name: GET /v1/kinds lists the kinds there are.",
    ),
    "movement_not_found": ProblemCode(
        404,
        "No such movement",
        "Nothing of this id moved the product's stock.",
        "Check the ids: GET /v1/products/{id}/movements lists what did.",
    ),
    "audit_entry_not_found": ProblemCode(
        404,
        "No such entry",
        "The audit log has no entry of this number.",
        "Check it: GET /v1/audit lists the entries, each with its seq.",
    ),
    "queue_not_found": ProblemCode(
        404,
        "No such queue",
        "No kind of job goes through a queue of this name.",
        "Check the name: GET /v1/queues lists the queues there are.",
    ),
    "conversation_not_found": ProblemCode(
        404,
        "No such conversation",
        "There is no conversation of this id, or it is somebody else's.",
        "Check the id: GET /v1/conversations lists your own conversations.",
    ),
    "message_not_found": ProblemCode(
        404,
        "No such message",
        "The conversation has no message of this id.",
        "Check the id: GET /v1/conversations/{id}/messages lists them, with superseded=true the superseded ones too.",
    ),
    "message_not_current": ProblemCode(
        409,
        "Not a message this can be done to",
        "The message was superseded, or it is an answer, which cannot be edited.",
        "Edit what the user said; have an answer written anew by POST on its path followed by /regenerate.",
    ),
    "reply_under_way": ProblemCode(
        409,
        "A reply is under way",
        "While a reply of the conversation is being written, no message is edited and no answer written anew.",
        "Wait for the end of the reply, or cancel its job, and send the request again.",
    ),
    "email_taken": ProblemCode(
        409,
        "The address is taken",
        "Another user has this e-mail address; one belongs to one user only.",
        "Use another address, or ask an administrator which tenant has it.",
    ),
    # users, keys and sessions
    "user_not_found": ProblemCode(
        404, "No such user", "The tenant has no user of this id.", "GET /v1/users lists those there are."
    ),
    "user_state_conflict": ProblemCode(
        409,
        "The user's state does not allow this",
        "Who is disabled cannot be banned, and who is banned is let in by unbanning; and so on.",
        "GET /v1/users/{id} shows the state.",
    ),
    "own_account": ProblemCode(
        409,
        "Not on one's own account",
        "Nobody changes their own role, shuts themselves out, or resets their own password.",
        "Ask somebody else who manages users. PUT /v1/me/password changes one's own password.",
    ),
    "email_invalid": ProblemCode(422, "Not an e-mail address", "The address is not one that mail can reach.", _FIX),
    "password_weak": ProblemCode(
        422,
        "The password cannot be used",
        "A password has 12 to 128 characters, and is not among those that are tried first.",
        "Take four or more words that nobody would expect together, or let a password manager make one.",
    ),
    "password_wrong": ProblemCode(
        403, "The password is wrong", "The current password that was given is not the user's.", "Give the right one."
    ),
    "registration_closed": ProblemCode(
        403,
        "Registration is closed",
        "No tenant is open to whoever registers.",
        "Ask an administrator for an account. Operators: HEADRACE_REGISTRATION_TENANT opens one.",
    ),
    "grant_refused": ProblemCode(
        400,
        "The token request is refused",
        "What was asked of POST /v1/auth/token is not given; `error` says why, as RFC 6749 names it.",
        _FIX,
    ),
    "grant_malformed": ProblemCode(
        400,
        "The token request is malformed",
        "The form lacks a field, has one twice, or is no form; `error` is invalid_request.",
        "Send application/x-www-form-urlencoded as RFC 6749 has it.",
    ),
    "grant_unsupported": ProblemCode(
        400,
        "No such grant type",
        "Grant types are password and refresh_token; `error` is unsupported_grant_type.",
        _FIX,
    ),
    "grant_invalid": ProblemCode(
        400,
        "Login or refresh token not accepted",
        "The password is wrong, the account may not log in, or the refresh token is unknown, expired or used; `error` "
        "is invalid_grant.",
        "Log in again. A refresh token is good once: keep the one that came with the last answer.",
    ),
    "scope_invalid": ProblemCode(
        400,
        "The scope is not valid",
        "The scope names what does not exist or what the user may not do; `error` is invalid_scope.",
        "GET /v1/me lists what the user may do.",
    ),
    "login_throttled": ProblemCode(
        429,
        "Too many failed logins",
        "Of an account 10 logins may fail in 15 minutes, from an address 30, unless the operator has set otherwise.",
        "Try again after the seconds that Retry-After names. Sessions and keys go on as before.",
    ),
    "logins_busy": ProblemCode(503, "Too many logins at once", "As many passwords wait to be checked as may.", _LATER),
    "api_key_not_found": ProblemCode(
        404, "No such API key", "There is no key of this id, or it is somebody else's.", "GET /v1/api-keys lists them."
    ),
    "api_keys_full": ProblemCode(
        409,
        "Too many API keys",
        "The user has 50 live keys, which is as many as may be.",
        "Revoke those that are used no more, then make the new one.",
    ),
    "api_key_dead": ProblemCode(
        409, "The API key is revoked or expired", "Only a live key is rotated.", "Make a new one: POST /v1/api-keys."
    ),
    "role_not_found": ProblemCode(
        404, "No such role", "Roles are admin, operator, moderator, user and viewer.", "Name one of these in the path."
    ),
    "role_needed": ProblemCode(
        409,
        "The role cannot do without it",
        "The role admin keeps users:manage: without it nobody could give anything back.",
        _FIX,
    ),
    "conflict": ProblemCode(
        409,
        "Conflicts with the present state",
        "The thing is in a state that does not allow this.",
        "Read the thing again, see how it stands now, and decide anew.",
    ),
    "gone": ProblemCode(410, "Gone", "It was there, and its retention has passed.", "It cannot be had any more."),
    "domain_event_not_found": ProblemCode(
        404,
        "There is no such domain event",
        "No domain event of the tenant has this id; they are kept as long as jobs are.",
        "GET /v1/domain-events lists those that are kept.",
    ),
    # webhooks
    "webhook_not_found": ProblemCode(
        404,
        "There is no such webhook endpoint",
        "No endpoint of the tenant has this id.",
        "GET /v1/webhooks lists the endpoints there are.",
    ),
    "delivery_not_found": ProblemCode(
        404,
        "There is no such delivery",
        "No delivery to this endpoint has this id; they are kept as long as jobs are.",
        "GET /v1/webhooks/{id}/deliveries lists those that are kept.",
    ),
    "webhook_inactive": ProblemCode(
        409,
        "The webhook endpoint is not active",
        "It was paused by hand, or disabled since deliveries failed: `reason` of the endpoint says which.",
        'Set it right, and PATCH it with {"state": "active"}.',
    ),
    "too_many_webhooks": ProblemCode(
        409, "Too many webhook endpoints", "A tenant has at most 50.", "Delete those that are not needed."
    ),
    "webhook_url_refused": ProblemCode(
        422,
        "The URL cannot be an endpoint's",
        "Webhooks go to https on the public Internet, without user and password; the detail says what is wrong.",
        _FIX,
    ),
    "secret_key_missing": ProblemCode(
        503,
        "The platform has no secret key",
        "Secrets are sealed under the platform's own, which this process was started without.",
        "Whoever runs the platform sets HEADRACE_SECRET_KEY, the same for every process.",
    ),
    "secret_unreadable": ProblemCode(
        503,
        "A secret cannot be read",
        "It was sealed under another HEADRACE_SECRET_KEY than the present one.",
        "Set the key of then again, or rotate the secret.",
    ),
    # who calls
    "unauthenticated": ProblemCode(
        401,
        "Authentication required",
        "The request carries no API key or access token, or none that is valid.",
        "Send the key or token as Authorization: Bearer …, or as X-API-Key. A token is had from POST /v1/auth/token.",
    ),
    "forbidden": ProblemCode(
        403,
        "Not allowed",
        "The caller is known, and may not do this.",
        "Ask an administrator of your tenant whether you may.",
    ),
    "permission_missing": ProblemCode(
        403,
        "Permission missing",
        "The user's role does not bundle the permission that the detail names, or the key does not carry it.",
        "Use another key, or ask an administrator for the permission. GET /v1/me lists what the caller may do.",
    ),
    "permission_beyond": ProblemCode(
        403,
        "Beyond the caller's own permissions",
        "Nobody gives others, or a key, more than they may do themselves, or rules over those who may do more.",
        "Ask somebody who holds the permissions that the detail names.",
    ),
    # load and failure
    "limited": ProblemCode(429, "Limit reached", "A limit or a budget is used up.", _LATER),
    "rate_limited": ProblemCode(
        429,
        "Too many requests",
        "The key's requests for this minute are used up; RateLimit and RateLimit-Policy tell how many there are.",
        _LATER,
    ),
    "texts_too_many": ProblemCode(
        422,
        "More texts than a minute's limit",
        "A user who logs in may have so many texts read or written in a minute, and this batch has more.",
        "Send smaller batches, some in each minute, or use an API key, whose limit counts requests.",
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
    "budget_exhausted": ProblemCode(
        429,
        "The budget is used up",
        "The tenant's budget for such texts is used up for this day of UTC. In a job's `error`: it was so when the job "
        "ran, and the job waits.",
        "Wait until the day ends, as Retry-After tells, or raise it by PUT /v1/budgets; GET /v1/usage tells its use.",
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
    "error": ProblemCode(
        500,
        "Something went wrong",
        "The platform said what went wrong in the detail, and has no code of its own for it.",
        "Read the detail; if it does not help, report it with the `request_id`.",
    ),
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
        0,
        "The text was blocked",
        "The text engine refused for reasons of safety.",
        "Change the text so that it asks for nothing harmful; the same text is refused again.",
    ),
    "input_blocked": ProblemCode(
        0,
        "The input was blocked",
        "The text reads like a prompt injection or a request for something unsafe, and the tenant blocks such texts.",
        "Change the text, or what the tenant does about such texts: PUT /v1/safety. The same text is blocked again.",
    ),
    "input_too_long": ProblemCode(
        0,
        "The input is too long for the model",
        "Texts are asked about in parts; a brief, a chat message or the labels of a classification cannot be.",
        "Say it shorter, or give fewer labels and examples.",
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
        0,
        "The mail server refused",
        "It did not take the e-mail for any of its recipients.",
        "Check the addresses; the detail says what the server answered.",
    ),
    "mail_unavailable": ProblemCode(0, "The mail server does not answer", "It is down, or asks to come later.", _JOB),
    "address_refused": ProblemCode(
        0,
        "The host's address is refused",
        "A webhook's host name has no address, or one that is not of the public Internet. Nothing was sent.",
        "Set right what the name resolves to, and send the delivery again.",
    ),
    "http_error": ProblemCode(
        0,
        "The endpoint did not take it",
        "A webhook was answered with something else than 2xx; redirects are not followed.",
        "Look at the answer among the endpoint's deliveries, and mend the receiver.",
    ),
    "endpoint_gone": ProblemCode(
        0,
        "The endpoint is gone",
        "It was deleted before the webhook was sent, or answered 410, which disables it.",
        "Nothing is to be done; or make it active again, and send the delivery again.",
    ),
    "endpoint_paused": ProblemCode(
        0,
        "The endpoint is paused",
        "It was paused by hand before the webhook was sent.",
        "Resume it, and send it again.",
    ),
    "endpoint_disabled": ProblemCode(
        0, "The endpoint is disabled", "It took nothing for days, or answered 410.", "Mend it, and send it again."
    ),
    "delivery_gone": ProblemCode(
        0, "The delivery is gone", "It is older than deliveries are kept.", "Nothing is to be done."
    ),
    "no_answer": ProblemCode(
        0,
        "The endpoint did not answer",
        "No connection, no valid certificate, or no answer within 15 s.",
        "See whether it can be reached from elsewhere, and send the delivery again.",
    ),
    # what the command and the processes say
    "role_differs": ProblemCode(
        0, "The user has another role", "A key does no more than its user's role.", "Name that role, or change it."
    ),
    "mail_not_found": ProblemCode(
        0,
        "No such e-mail",
        "The local inbox has no e-mail of this name.",
        "`headrace mail list` shows the e-mails there are.",
    ),
    "api_key_misspelt": ProblemCode(
        0,
        "The API key is misspelt",
        "It has not the shape of a key, or its checksum does not fit: a character is wrong or missing.",
        "Copy the key whole, from `hr_` to its last character.",
    ),
    "streams_unavailable": ProblemCode(
        0, "Redis does not answer", "Domain events wait in Postgres until it takes them.", _LATER
    ),
    "broker_unavailable": ProblemCode(0, "The broker does not answer", "Jobs wait in Postgres until it does.", _LATER),
    "data_dir_in_use": ProblemCode(
        0,
        "The data directory is in use",
        "Another `headrace up` runs on this data directory, and two would destroy it.",
        "Stop the other one first, or name another by --data-dir.",
    ),
    "data_dir_refused": ProblemCode(
        0,
        "The data directory cannot be used",
        "The directory cannot be made, written or kept private; the detail says why.",
        "Choose another by --data-dir, or mend its owner and its mode.",
    ),
    "port_taken": ProblemCode(
        0,
        "The port is in use",
        "Another program listens on this port of this machine already.",
        "Choose another by --port, or stop the program that listens.",
    ),
    "server_unavailable": ProblemCode(
        0,
        "No embedded server",
        "No wheel with a Postgres or a Redis exists for this operating system or processor.",
        "Set HEADRACE_DATABASE_URL and HEADRACE_REDIS_URL to servers of your own.",
    ),
    "smtp_url_invalid": ProblemCode(
        0,
        "Not the address of a mail server",
        "HEADRACE_SMTP_URL is not the address of a mail server; the detail says what is wrong with it.",
        "Write it as smtp://user:password@host:587, or smtps:// for TLS from the first byte.",
    ),
    "start_failed": ProblemCode(
        0,
        "A process did not start",
        "A process of `headrace up` ended before it was ready; the detail names it.",
        "Read its log in the folder `logs` of the data directory; `headrace doctor` looks for usual causes.",
    ),
    "setting_invalid": ProblemCode(
        0,
        "A setting is not acceptable",
        "A HEADRACE_ variable has a value that is not acceptable, or a name that is not known.",
        "Correct the variable that the detail names; docs/operations.md lists all of them.",
    ),
    "redis_evicts": ProblemCode(
        0, "Redis evicts", "The Redis throws keys away when it is full.", "Set its maxmemory-policy to noeviction."
    ),
    "setting_missing": ProblemCode(
        0,
        "A setting is missing",
        "A HEADRACE_ variable is needed here and has no value.",
        "Set the variable that the detail names; docs/operations.md tells what it is for.",
    ),
    "wall_refused": ProblemCode(
        0,
        "The wall cannot be raised",
        "The migration that walls tenants off from each other needs a role that this user may not make or grant.",
        "Let a superuser run what the detail says, and migrate again; docs/operations.md tells why.",
    ),
    "kill_point_unknown": ProblemCode(
        0,
        "Unknown kill point",
        "HEADRACE_KILL_POINTS arms a point that is not in the code; only tests set it.",
        "Correct the name, or leave the variable out.",
    ),
}
