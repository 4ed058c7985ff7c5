"""What Schemathesis is told of the API besides its description. It loads this by SCHEMATHESIS_HOOKS.

No check is switched off. A failure of one of them, that what the description allows was refused, is dropped where a
rule refused it that JSON Schema has no words for: `tests.fuzz.rules` has them.
"""

import json
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response, SerializationContext

from tests.fuzz.asked import holds_for_all_who_ask
from tests.fuzz.rules import is_excused

__all__ = ["holds_for_all_who_ask"]  # a check, found by Schemathesis as those below are


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
            # wrong, and a body past a MiB besides or a URL past 16 KiB: it was refused for that
            return response.status_code not in {413, 414}
        case "IgnoredAuth":
            # who has no key is counted by address, and 600 a minute later told so before anything else
            return "got `429 Too Many Requests`" not in str(getattr(failure, "message", ""))
        case "RejectedPositiveData" if response.status_code in {400, 422}:
            # NUL in a URL: any string of JSON Schema may hold it, and no column could
            if "%00" in (response.request.url or ""):
                return False
            return not is_excused(case.operation.definition.raw.get("operationId", ""), response.json())
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
