"""What Schemathesis is told of the API besides its description. It loads this by SCHEMATHESIS_HOOKS.

No check is switched off. A failure of one of them, that what the description allows was refused, is dropped where a
rule refused it that JSON Schema has no words for: each such rule stands here, by what the API says of it, with the
reason.
"""

import json
import re
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response, SerializationContext

_CODES: Final[dict[str, str]] = {
    "cursor_invalid": "a cursor is opaque: only one that an answer gave is taken",
    "idempotency_key_reused": "it depends on what came before",
    "idempotency_key_invalid": "a quoted key counts without its quotes",
    "malformed": "NUL in a URL: any string of JSON Schema may hold it, and no column could",
    "password_weak": "whether a password is long enough, known to everybody, or says who it is takes reading it",
    "grant_malformed": "which fields a grant needs depends on its type",
    "grant_invalid": "whether a password or a refresh token is somebody's",
    "grant_unsupported": "types of grants are answered by RFC 6749, with 400",
    "scope_invalid": "it depends on what the user may do",
    "webhook_url_refused": "where webhooks may go takes reading the URL, and resolving its host",
    "backfill_too_large": "how many firings a window holds depends on the schedule",
    "unknown_currency": "ISO 4217 as the platform knows it",
}

_SENTENCES: Final[dict[str, str]] = {
    r"^Expected a whole number( or null)?, not one with a fraction": "to JSON Schema 1.0 is an integer",
    r"^Expected a duration (from|of at most) |duration such as|longer than": "lengths are bounded by what they come to",
    r"^A token is good for 1s to 1h": "lengths are bounded by what they come to",
    r"^There is no such (event|permission|category)": "the API lists which there are, and each release has more",
    r"^Expected a time (at most|from) |names its zone": "times are bounded by now, and an offset may be past a day",
    r"^Expected pieces more or fewer": "a whole number that is not nought",
    r"^Runs are kept for": "times are bounded by now, and by how long runs are kept",
    r"^Expected https?://": "where webhooks may go takes reading the URL, and resolving its host",
    r"^Expected a time to come": "times are bounded by now",
    r"^delay and run_at exclude each other": "one field excludes another",
    r"^A schedule has either cron or every": "one field excludes another",
    r"^The end is not after the start": "one field bounds another",
    r"is needed, or a template|template": "fields that need each other",
    r"cron|never comes true": "whether an expression is one, and ever comes true, takes reading it",
    r"time zone": "the names of the tz database",
    r"^A job of a batch cannot be unique": "a batch takes the same form of a job as a single one",
    r"^To (retry|cancel) is possible only from": "one field bounds another",
    r"^At least one condition is needed": "which fields count as one",
    r"^No such kind goes through this queue": "it depends on the queue in the path",
    r"contains the character NUL": "no column could hold it",
    r"does not fit into 64 bits": "where any JSON is taken, its integers are still within 64 bits",
    r"domain|address": "an address has more rules than a pattern has room for",
    r"twice|differ|distinct": "no two alike, by more than equality",
    r"currency": "ISO 4217 as the platform knows it",
    r"This one is written by the platform": "a name that is taken",
    r"blank|nothing but": "text of which nothing is left",
}

_PATTERNS: Final = [re.compile(sentence) for sentence in _SENTENCES]
_LINE: Final = re.compile(r"^Line [0-9]+: ")


@schemathesis.serializer("application/x-ndjson")
def spell_lines(_: SerializationContext, value: object) -> bytes:
    """A line for each value, of which there is one where it is no list."""
    values = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(one).encode() + b"\n" for one in values)


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], kwargs: object) -> None:
    """Ask for no wait: a thousand cases that each wait for half a minute tell nothing more."""
    for name in case.headers or ():
        if name.lower() == "prefer" and "wait" in str(case.headers[name]):
            case.headers[name] = "wait=0"


@schemathesis.hook
def filter_failure(_: HookContext, failure: object, case: Case[Any], response: Response) -> bool:
    """Whether a failure counts."""
    match type(failure).__name__:
        case "AcceptedNegativeData":
            # wrong, and past a MiB besides: it was refused for that
            return response.status_code != 413
        case "RejectedPositiveData" if response.status_code in {400, 422}:
            problem = response.json()
            said = [_LINE.sub("", error["detail"]) for error in problem["errors"]]
            is_ruled = bool(said) and all(any(pattern.search(one) for pattern in _PATTERNS) for one in said)
            return problem["code"] not in _CODES and not is_ruled
        case _:
            return True


@schemathesis.check
def told_by_number(_: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """The description names the status itself: that it names a default counts for nothing here."""
    told = case.operation.definition.raw["responses"]
    # another method than the operation's is another question
    if case.method.upper() == case.operation.method.upper() and str(response.status_code) not in told:
        raise AssertionError(f"{response.status_code} is not told of: {response.text[:300]}")
    return None
