"""What the stand-in Gemini says and how it looks on the wire: plausible answers to a schema, candidates, errors."""

import json
import re
from typing import Final

from tests.support.gemini_script import Asked, JsonObject, Says

# The part of JSON Schema that Gemini takes; anything else in a response schema is answered 400.
KNOWN_KEYWORDS: Final = frozenset(
    {
        "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
        "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties",
        "required", "propertyOrdering",
    }
)  # fmt: skip
KNOWN_FIELDS: Final = frozenset(
    {"contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent"}
)
STATUS_OF: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
GOOD: Final = frozenset({"good", "great", "excellent", "love", "happy", "wonderful", "best", "win", "won", "thanks"})
BAD: Final = frozenset(
    {"bad", "terrible", "awful", "hate", "sad", "worst", "broken", "angry", "lost", "idiot", "stupid"}
)
RUDE: Final = frozenset({"idiot", "idiots", "stupid", "hate", "moron", "trash", "scum", "kill"})


def objection(body: JsonObject) -> str | None:
    """Why Gemini would refuse this request as invalid; None when it would not."""
    for field in body:
        if field not in KNOWN_FIELDS:
            return f'Invalid JSON payload received. Unknown name "{field}": Cannot find field.'
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        return "* GenerateContentRequest.contents: contents is not specified"
    if any(not isinstance(content, dict) or content.get("role") not in {"user", "model", None} for content in contents):
        return "Please use a valid role: user, model."
    config = body.get("generationConfig")
    if isinstance(config, dict) and "responseJsonSchema" in config:
        if config.get("responseMimeType") != "application/json":
            return "responseJsonSchema needs responseMimeType application/json."
        return _odd_keyword(config["responseJsonSchema"])
    return None


def plausible(asked: Asked) -> Says:
    """An answer a model might give: by the response schema, else a short reply."""
    words = quoted(asked.user)
    if asked.schema is not None:
        return Says(text=json.dumps(_fill(asked.schema, "", words), ensure_ascii=False))
    return Says(text=f"You wrote {len(words.split())} words. The first thing I noticed: {_first_sentence(words, 120)}")


def echo(asked: Asked, *, system: bool, user: bool) -> Says:
    """The request given back, as the schema's first text where there is a schema."""
    said = (asked.system if system else "") + (asked.user if user else "")
    if asked.schema is None:
        return Says(text=said)
    filled = _fill(asked.schema, "", quoted(asked.user))
    if isinstance(filled, dict):
        first = next(name for name, value in filled.items() if isinstance(value, str))
        filled[first] = said
    return Says(text=json.dumps(filled, ensure_ascii=False))


def quoted(user: str) -> str:
    """What a prompt puts into its last section `<<<name …` to `name …>>>`, or all of it where it has none."""
    sections: list[str] = re.findall(r"^<<<(?:\w+ \w+)\n(.*?)\n\w+ \w+>>>$", user, re.DOTALL | re.MULTILINE)
    return (sections[-1] if sections else user).strip()


def candidate(text: str | None, *, finish: str | None, thoughts: str = "") -> JsonObject:
    """One candidate, with content unless `text` is None."""
    made: JsonObject = {"index": 0}
    if text is not None:
        parts: list[JsonObject] = [{"text": thoughts, "thought": True}] if thoughts else []
        made["content"] = {"role": "model", "parts": [*parts, {"text": text}]}
    if finish is not None:
        made["finishReason"] = finish
    return made


def usage(asked: Asked, said: Says) -> JsonObject:
    """Token counts: as told, else about a token for every four characters."""
    prompt = said.prompt_tokens if said.prompt_tokens is not None else tokens(asked.system + asked.user)
    answer = said.answer_tokens if said.answer_tokens is not None else tokens(said.text)
    counts: JsonObject = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + answer + said.thought_tokens,
    }
    if said.thought_tokens:
        counts["thoughtsTokenCount"] = said.thought_tokens
    return counts


def tokens(text: str) -> int:
    """Roughly how many tokens a text has."""
    return (len(text) + 3) // 4


def error_body(code: int, status: str, message: str, retry_delay: str | None = None) -> JsonObject:
    """An error as Google's APIs write it."""
    error: JsonObject = {"code": code, "message": message, "status": status or STATUS_OF.get(code, "UNKNOWN")}
    if retry_delay is not None:
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay},
        ]
    return {"error": error}


def _odd_keyword(schema: object) -> str | None:
    if not isinstance(schema, dict):
        return None
    for keyword, value in schema.items():
        if keyword not in KNOWN_KEYWORDS:
            return f"Unknown name \"{keyword}\" at 'generation_config.response_json_schema': Cannot find field."
        inner = list(value.values()) if keyword in {"properties", "$defs"} and isinstance(value, dict) else [value]
        for part in inner:
            for one in part if isinstance(part, list) else [part]:
                odd = _odd_keyword(one) if keyword != "enum" else None
                if odd is not None:
                    return odd
    return None


def _fill(schema: JsonObject, name: str, text: str) -> object:  # noqa: PLR0911 - one return a type
    for choice in ("anyOf", "oneOf"):
        options = schema.get(choice)
        if isinstance(options, list) and options:
            return _fill(options[0], name, text)
    options = schema.get("enum")
    if isinstance(options, list):
        return _choose(options, name, text)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties")
            given = properties if isinstance(properties, dict) else {}
            return {field: _fill(inner, field, text) for field, inner in given.items()}
        case "array":
            items, least = schema.get("items"), schema.get("minItems", 0)
            return [_fill(items, name, text)] * least if isinstance(items, dict) and isinstance(least, int) else []
        case "number" | "integer" as sort:
            score = _score(name, text)
            return round(score) if sort == "integer" else score
        case "boolean":
            return _share(text, RUDE) > 0
        case _:
            return _words(name, text)


def _choose(options: list[object], name: str, text: str) -> object:
    if "sentiment" in name:
        feeling = _feeling(text)
        wanted = "positive" if feeling > 0 else "negative" if feeling < 0 else "neutral"
        return wanted if wanted in options else options[0]
    lowered = text.lower()
    return max(options, key=lambda option: lowered.count(str(option).lower()))


def _score(name: str, text: str) -> float:
    if "sentiment" in name:
        return _feeling(text)
    if name and text.lower().count(name.lower()):
        return 0.9
    return min(1.0, 0.02 + 4 * _share(text, RUDE))


def _words(name: str, text: str) -> str:
    match name:
        case "language":
            return "en"
        case "summary":
            return _first_sentence(text, 90)
        case _:
            return f"About this: {_first_sentence(text, 200)}"


def _first_sentence(text: str, most: int) -> str:
    sentence = re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]
    if len(sentence) <= most:
        return sentence
    return sentence[: most - 1].rpartition(" ")[0] or sentence[:most]


def _feeling(text: str) -> float:
    return max(-1.0, min(1.0, 5 * (_share(text, GOOD) - _share(text, BAD))))


def _share(text: str, words: frozenset[str]) -> float:
    found = re.findall(r"\w+", text.lower())
    return sum(word in words for word in found) / max(1, len(found))
