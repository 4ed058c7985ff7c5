"""What the stand-in Gemini says and how it looks on the wire: plausible answers to a schema, candidates, errors."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from tests.support.gemini_script import Asked, Blocks, Echoes, JsonObject, NoCandidates, NoParts, Says, Step

# The part of JSON Schema that Gemini takes; anything else in a response schema is answered 400.
KNOWN_KEYWORDS: Final = frozenset(
    {
        "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
        "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties",
        "required", "propertyOrdering",
    }
)  # fmt: skip
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


def objection(asked: Asked) -> str | None:
    """Why Gemini would refuse this request as invalid; None when it would not."""
    if asked.schema is None:
        return None
    if asked.wanted.generation_config.response_mime_type != "application/json":
        return "A response schema needs responseMimeType application/json."
    return _odd_keyword(asked.schema)


def spoken(asked: Asked, step: Step) -> Says | None:
    """The words a step amounts to; None when it says nothing."""
    match step:
        case Says():
            return step
        case Echoes():
            return echo(asked, step)
        case Blocks() | NoCandidates() | NoParts():
            return None
        case _:
            return plausible(asked)


def whole(asked: Asked, said: Says) -> JsonObject:
    """A plain answer."""
    answer: JsonObject = {"candidates": [candidate(said.text, finish=said.finish, thoughts=said.thoughts)]}
    return answer | _closing(asked, said)


def pieces(asked: Asked, said: Says) -> Iterator[JsonObject]:
    """A streamed answer: finish reason on the last event only; each event counts the tokens from the beginning."""
    if said.thoughts:
        yield _beside(asked, said, "") | {"candidates": [candidate("", finish=None, thoughts=said.thoughts)]}
    starts = range(0, max(1, len(said.text)), said.chunk)
    for start in starts:
        is_last, end = start == starts[-1], start + said.chunk
        event = _closing(asked, said) if is_last else _beside(asked, said, said.text[:end])
        yield event | {"candidates": [candidate(said.text[start:end], finish=said.finish if is_last else None)]}


def begun(asked: Asked, words: Sequence[str]) -> Iterator[JsonObject]:
    """A streamed answer that has no end."""
    for count, part in enumerate(words, start=1):
        event = _beside(asked, Says(text=""), "".join(words[:count]))
        yield event | {"candidates": [candidate(part, finish=None)]}


def silent(asked: Asked, step: Step, after: str = "") -> JsonObject:
    """An answer without words: blocked, or empty; in a stream it may come after some."""
    answer: JsonObject = {"usageMetadata": usage(asked, Says(text=after))}
    match step:
        case Blocks(reason=reason):
            answer["promptFeedback"] = {"blockReason": reason}
        case NoParts(finish=finish):
            answer["candidates"] = [candidate(None, finish=finish)]
        case _:
            pass
    return answer | {"modelVersion": asked.model}


def plausible(asked: Asked) -> Says:
    """An answer a model might give: by the response schema, else a short reply."""
    words = quoted(asked.user)
    if asked.schema is not None:
        return Says(text=json.dumps(_fill(asked.schema, "", words), ensure_ascii=False))
    return Says(text=f"You wrote {len(words.split())} words. The first thing I noticed: {_first_sentence(words, 120)}")


def echo(asked: Asked, step: Echoes) -> Says:
    """The request given back, as the schema's first text where there is a schema."""
    said = (asked.system if step.system else "") + (asked.user if step.user else "")
    if asked.schema is None:
        return Says(text=said)
    filled = _fill(asked.schema, "", "")
    first = next(name for name, value in filled.items() if isinstance(value, str))
    return Says(text=json.dumps({**filled, first: said}, ensure_ascii=False))


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


def tokens_in(said: JsonObject) -> tuple[int, int] | None:
    """What a message bills, of the prompt and of the answer; None: it tells nothing of it."""
    counted: JsonObject | None = said.get("usageMetadata")
    if counted is None:
        return None
    output = counted.get("candidatesTokenCount", 0) + counted.get("thoughtsTokenCount", 0)
    return counted.get("promptTokenCount", 0), output


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


def _beside(asked: Asked, said: Says, text: str) -> JsonObject:
    """What an event of a stream says besides its words, where `text` is what was said with it."""
    if not said.counts_tokens:
        return {"modelVersion": asked.model}
    most = tokens(text) if said.answer_tokens is None else min(said.answer_tokens, tokens(text))
    return {"modelVersion": asked.model, "usageMetadata": usage(asked, replace(said, answer_tokens=most))}


def _closing(asked: Asked, said: Says) -> JsonObject:
    closing: JsonObject = {"modelVersion": asked.model, "responseId": "resp-stand-in"}
    return closing | ({"usageMetadata": usage(asked, said)} if said.counts_tokens else {})


def _odd_keyword(schema: JsonObject) -> str | None:
    for keyword in schema:
        if keyword not in KNOWN_KEYWORDS:
            return f"Unknown name \"{keyword}\" at 'generation_config.response_json_schema': Cannot find field."
    inner: list[JsonObject] = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    if "items" in schema:
        inner.append(schema["items"])
    odd = (_odd_keyword(part) for part in inner)
    return next((found for found in odd if found), None)


def _fill(schema: JsonObject, name: str, text: str) -> Any:  # noqa: ANN401, PLR0911 - JSON; one return a type
    if "anyOf" in schema:
        return _fill(schema["anyOf"][0], name, text)
    if "enum" in schema:
        return _choose(schema["enum"], name, text)
    match schema.get("type"):
        case "object":
            properties: dict[str, JsonObject] = schema.get("properties", {})
            return {field: _fill(inner, field, text) for field, inner in properties.items()}
        case "array":
            items: JsonObject = schema["items"]
            labels: list[str] = items.get("properties", {}).get("label", {}).get("enum", [])
            each = [{**_fill(items, name, text), "label": label, "score": _score(label, text)} for label in labels]
            return each or [_fill(items, name, text)] * schema.get("minItems", 0)
        case "number" | "integer" as sort:
            score = _score(name, text)
            return round(score) if sort == "integer" else score
        case "boolean":
            return _share(text, RUDE) > 0
        case _:
            return _words(name, text)


def _choose(options: list[str], name: str, text: str) -> str:
    if "sentiment" in name:
        feeling = _feeling(text)
        wanted = "positive" if feeling > 0 else "negative" if feeling < 0 else "neutral"
        return wanted if wanted in options else options[0]
    lowered = text.lower()
    return max(options, key=lambda option: lowered.count(option.lower()))


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
