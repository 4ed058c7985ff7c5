"""Rules of the API that JSON Schema has no words for. What one of them refuses is no failure of the description.

Each holds for the operations and the places it is meant for, and nowhere else: the same words said of another field are
a failure. A problem is excused where each of its errors is.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

ANY: Final = ".*"
_SCHEDULES: Final = "(create|update)_schedule"
_WEBHOOKS: Final = "(create|update)_webhook"
_PASSWORDS: Final = "register_user|create_user|change_password|set_user_password"
_JOBS: Final = f"submit_(job|batch|email|order)|(classify|generate|moderate|summarize)_text|{_SCHEDULES}"
_EMAIL: Final = r"((/.*)?/input)?"
_EMAILS: Final = f"submit_(email|job|batch)|{_SCHEDULES}"


class Rule(Struct, frozen=True):
    """Words that refuse, by regular expressions: of sentences or codes, of operations, and of where they point."""

    reason: str
    says: str
    of: str = ANY
    at: str = ANY

    def excuses(self, operation: str, said: str, pointer: str) -> bool:
        """Whether an operation may say this of what stands there."""
        return all(
            re.fullmatch(pattern, text, re.DOTALL)
            for pattern, text in ((self.of, operation), (self.says, said), (self.at, pointer))
        )


CODES: Final = (
    Rule("how many firings a window holds depends on the schedule", "backfill_too_large", "backfill_schedule"),
    Rule("a cursor is opaque: only one that an answer gave is taken", "cursor_invalid", ANY, "query:cursor"),
    Rule(
        "whether a key came before depends on what came before",
        "idempotency_key_reused",
        ANY,
        "header:Idempotency-Key",
    ),
    Rule("a quoted key counts without its quotes", "idempotency_key_invalid", ANY, "header:Idempotency-Key"),
    Rule(
        "whether a password is long enough, known to everybody, or says who it is takes reading it",
        "password_weak",
        _PASSWORDS,
        "/(new_)?password",
    ),
    Rule("which fields a grant needs depends on its type", "grant_malformed", "create_token|revoke_token"),
    Rule("whether a password or a refresh token is somebody's", "grant_invalid", "create_token"),
    Rule("types of grants are answered by RFC 6749, with 400", "grant_unsupported", "create_token"),
    Rule("it depends on what the user may do", "scope_invalid", "create_token"),
    Rule(
        "where webhooks may go takes reading the URL, and resolving its host",
        "webhook_url_refused",
        f"{_WEBHOOKS}|{_JOBS}",
        "/(.*/)?url|",
    ),
    Rule("ISO 4217 as the platform knows it", "unknown_currency", "create_customer_deposit|get_customer_balance"),
)
"""What refuses by its code, of which there is one for a whole problem."""

SENTENCES: Final = (
    Rule(
        "ISO 4217 as the platform knows it",
        "Expected a currency of ISO 4217 such as USD, not .*",
        "(create|update)_product|create_customer_deposit",
        "/(price|amount)/currency",
    ),
    Rule("it depends on what there is", "There is no such category.*", "(create|update)_product", r"/categories/\d+"),
    Rule("a whole number that is not nought", "Expected pieces more or fewer.*", "create_product_movement", "/change"),
    Rule("one field bounds another", "The end is not after the start", "backfill_schedule", "/ends_at"),
    Rule("times are bounded by now, and by what is kept", "Runs are kept for .*", "backfill_schedule", "/starts_at"),
    Rule(
        "to JSON Schema 1.0 is an integer", r"Expected a whole number( or null)?, not one with a fraction", ANY, "/.*"
    ),
    Rule(
        "lengths are bounded by what they come to",
        r"Expected a duration (from|of at most) .*|.* is not a duration such as 30s, 5m or 1h30m",
        f"{_JOBS}|rotate_.*|set_queue_limits",
        "query:(delay|timeout|expires_in)|/(.*/)?(delay|timeout|expires_in|every|jitter|overlap|for|per)",
    ),
    Rule(
        "lengths are bounded by what they come to", r"A token is good for 1s to 1h", "create_event_token", "/expires_in"
    ),
    Rule(
        "GET /v1/permissions lists them, and each release has more",
        "There is no such permission. .*",
        "create_api_key|set_role_permissions",
        r"/(scopes|permissions)/\d+",
    ),
    Rule(
        "the answer lists which there are, and each release has more",
        "There is no such event. .*",
        _WEBHOOKS,
        r"/events/\d+",
    ),
    Rule("times are bounded by now", "Expected a time at most 100 years ahead", _JOBS, "query:run_at|/(.*/)?run_at"),
    Rule(
        "times are bounded, and an offset may be past a day",
        "Expected a time from 2000 to 2200",
        _SCHEDULES,
        "/(starts|ends)_at",
    ),
    Rule("times are bounded by now", "Expected a time to come, within .*", "create_api_key", "/expires_at"),
    Rule(
        "an offset may be past a day",
        "Expected a time that names its zone: .*|A time names its zone, .*",
        ANY,
        "query:(run_at|.*_after|.*_before|after|before|from|to)|/(.*/)?(run_at|starts_at|ends_at|expires_at|.*_after|.*_before)",
    ),
    Rule(
        "where webhooks may go takes reading the URL",
        "Expected (https|a port|the port|an address|a host name).*",
        f"{_WEBHOOKS}|{_JOBS}",
        "/(.*/)?url",
    ),
    Rule("one field excludes another", r"delay and run_at exclude each other", _JOBS, "query:delay|/(.*/)?delay"),
    Rule("one field excludes another", "A schedule has either cron or every.*", _SCHEDULES, "/(cron|every)?"),
    Rule("one field excludes another", "A token opens the events of one job, or .*", "create_event_token", "/job_id"),
    Rule("one field bounds another", r"The end is not after the start", _SCHEDULES, "/ends_at"),
    Rule("one field bounds another", "Give 1 to 400 days, the first one first", "get_usage", "query:from"),
    Rule("fields that need each other", "Give tokens, cost_micros, or both", "set_budgets", r"/budgets/\d+"),
    Rule(
        "no two alike, by more than equality",
        "Another budget here is for the same",
        "set_budgets",
        r"/budgets/\d+/kind",
    ),
    Rule("it depends on what there is", "There is no such (job|batch)", "create_event_token", "/(job|batch)_id"),
    Rule(
        "fields that need each other",
        "(Subject|Text or html) is needed, or a template|Values fill a template, and none is named|"
        "(Subject|Text|Html) cannot stand beside template, which writes it",
        _EMAILS,
        f"{_EMAIL}/(subject|text|html|values)",
    ),
    Rule("templates and what they take", "There is no template .*", _EMAILS, f"{_EMAIL}/template"),
    Rule(
        "templates and what they take",
        "(The values of .* are not right|An? (subject|name) ).*",
        _EMAILS,
        f"{_EMAIL}/values",
    ),
    Rule(
        "an address has more rules than a pattern has room for",
        r"(?i:each part of the domain has .*|the domain has at most 253 characters|"
        r"the domain is a name, not an address of a machine|an e-mail address has at most 254 characters, .*)",
        f"{_EMAILS}|register_user|create_user",
        rf"{_EMAIL}/((to|cc|bcc)/\d+|reply_to)|/email",
    ),
    Rule("lists that share a bound", "To, cc and bcc have at most 50 addresses together", _EMAILS, f"{_EMAIL}/to"),
    Rule("text of which nothing is left", "A subject (is not blank|has no .*)", _EMAILS, f"{_EMAIL}/subject"),
    Rule("no two alike, by more than equality", "Labels must have distinct names", _JOBS, f"{_EMAIL}/labels"),
    Rule("whether an expression is one, and ever comes true, takes reading it", ".*", _SCHEDULES, "/cron"),
    Rule("the names of the tz database", ".*", _SCHEDULES, "/timezone"),
    Rule(
        "a batch takes the same form of a job as a single one",
        "A job of a batch cannot be unique: .*",
        "submit_batch",
        "/(.*/)?unique",
    ),
    Rule(
        "one field bounds another",
        "To (retry|cancel) is possible only from .*",
        "submit_bulk_action",
        r"/filter/state/\d+",
    ),
    Rule("which fields count as one", "At least one condition is needed; .*", "submit_bulk_action", "/filter"),
    Rule(
        "it depends on the queue in the path",
        "No such kind goes through this queue. .*",
        "set_queue_limits",
        "/per_kind/.*",
    ),
    Rule("no column could hold it", "(The text|A name) contains the character NUL", ANY, "/.*"),
    Rule(
        "where any JSON is taken, its integers are still within 64 bits",
        "The number does not fit into 64 bits",
        ANY,
        "/.*",
    ),
    Rule(
        "a name that is taken", "This one is written by the platform: the batch's id", "submit_batch", "/.*metadata/.*"
    ),
)
"""What refuses by its words, one sentence of an error each."""

_LINE: Final = re.compile(r"^Line [0-9]+: ")


def is_excused(operation: str, problem: Mapping[str, Any]) -> bool:
    """Whether rules that JSON Schema has no words for, and nothing else, made the API refuse."""
    errors: list[tuple[str, str]] = [(error["pointer"], error["detail"]) for error in problem.get("errors", ())]
    pointers = [pointer for pointer, _ in errors] or [""]
    if any(all(rule.excuses(operation, problem["code"], pointer) for pointer in pointers) for rule in CODES):
        return True
    return bool(errors) and all(
        _is_said(operation, _LINE.sub("", detail).removesuffix("."), pointer) for pointer, detail in errors
    )


def _is_said(operation: str, detail: str, pointer: str) -> bool:
    return any(rule.excuses(operation, detail, pointer) for rule in SENTENCES)
