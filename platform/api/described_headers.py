"""What the description says of request headers that several routes honour."""

from typing import Any, Final

Json = dict[str, Any]

HEADERS: Final[dict[str, Json]] = {
    "waits": {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "`wait=N` holds the answer back until the job is finished, for at most N seconds (0 to 60).",
        "schema": {"type": "string", "examples": ["wait=30"]},
    },
    "once": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same request with the same key within 7 days is the first answer again, and is done once. "
        "With `Prefer: wait` the job is shown as it is by then.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": "^[!-~]([ -~]*[!-~])?$",
            "description": "visible ASCII, with spaces only between; quoted as in the IETF draft, or bare",
            "examples": ["order-42"],
        },
    },
    "anew": {
        "name": "Cache-Control",
        "in": "header",
        "required": False,
        "description": "`no-cache` asks a text engine anew, whatever answer is kept from before. The answer is kept.",
        "schema": {"type": "string", "examples": ["no-cache"]},
    },
}
"""By the name in `opt` that says a route honours them."""
