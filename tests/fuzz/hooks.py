"""What Schemathesis is told of the API besides its description. It loads this by SCHEMATHESIS_HOOKS.

No check is switched off. A failure of one of them, that what the description allows was refused, is dropped where a rule
refused it that JSON Schema has no words for: each such rule stands here, by what the API says of it, with the reason.
"""

import json
import re
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response, SerializationContext

_RULES: Final[dict[str, str]] = {
    # codes
    "cursor_invalid": "a cursor is opaque: only one that an answer gave is taken",
    "idempotency_key_reused": "it depends on what came before",
    "idempotency_key_invalid": "a quoted key counts without its quotes",
    # sentences about a field
    r"^Expected a duration from ": "lengths are bounded by what they come to, which no pattern tells",
    r"^Expected a time (at most|from) ": "times are bounded by now",
    r"duration such as|longer than": "a duration that no clock can count",
    r"^delay and run_at exclude each other": "one field excludes another",
    r"^A schedule has either cron or every": "one field excludes another",
    r"^The end is not after the start": "one field bounds another",
    r"^[Ss]ubject is needed, or a template|text or html is needed|template": "fields that need each other",
    r"cron|never comes true": "whether an expression is one, and ever comes true, takes reading it",
    r"time zone": "the names of the tz database",
    r"^A job of a batch cannot be unique": "a batch takes the same form of a job as a single one",
    r"^To (retry|cancel) is possible only from": "one field bounds another",
    r"^At least one condition is needed": "which fields count as one",
    r"^No such kind goes through this queue": "it depends on the queue in the path",
    r"^The text contains the character NUL|A name contains the character NUL": "no column could hold it",
    r"e-mail|address|domain": "an address has more rules than a pattern has room for",
    r"^(Expected|Give|Name|Labels?)\b.*\b(twice|once|different|distinct)": "no two alike, by more than equality",
    r"currency": "ISO 4217 as the platform knows it",
    r"product|quantity": "a product stands once in an order",
    r"This one is written by the platform": "a name that is taken",
    r"blank|only spaces|nothing but": "text of which nothing is left",
    r"^Expected at most .* (in all|together)": "sums over fields",
}

_PATTERNS: Final = [re.compile(rule) for rule in _RULES if not rule.isidentifier()]


@schemathesis.serializer("application/x-ndjson")
def spell_lines(_: SerializationContext, value: Any) -> bytes:
    """A line for each value, of which there is one where it is no list."""
    values = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(one).encode() + b"\n" for one in values)


@schemathesis.hook
def map_headers(_: HookContext, headers: dict[str, Any]) -> dict[str, Any]:
    """Ask for no wait: a thousand cases that each wait for half a minute tell nothing more."""
    for name in headers or {}:
        if name.lower() == "prefer" and "wait" in str(headers[name]):
            headers[name] = "wait=0"
    return headers


@schemathesis.hook
def filter_failure(_: HookContext, failure: Any, case: Case, response: Response) -> bool:
    """Whether a failure counts."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 422:
        return True
    problem = response.json()
    if problem["code"] in _RULES:
        return False
    said = [error["detail"] for error in problem["errors"]]
    return not said or not all(any(pattern.search(one) for pattern in _PATTERNS) for one in said)


@schemathesis.check
def told_by_number(_: CheckContext, response: Response, case: Case) -> bool | None:
    """The description names the status itself: that it names a default counts for nothing here."""
    told = case.operation.definition.raw["responses"]
    # a method that the path has not is no operation, and 405 is told of none
    if response.status_code != 405 and str(response.status_code) not in told:
        raise AssertionError(f"{response.status_code} is not told of: {response.text[:300]}")
    return None
