"""What a change of the API's description breaks for clients that were made for the one before.

What a client sends must still be taken; what it reads must still be there, and be nothing it was not told of.
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def breaks(before: Json, now: Json) -> list[str]:
    """What of `before` no longer holds in `now`, a sentence each."""
    return list(dict.fromkeys(_Comparison(before, now).all()))


class _Comparison:
    def __init__(self, before: Json, now: Json) -> None:
        self._before = before
        self._now = now

    def all(self) -> Iterator[str]:
        for path, methods in self._before["paths"].items():
            for method, operation in methods.items():
                name = f"{method.upper()} {path}"
                after = self._now["paths"].get(path, {}).get(method)
                if after is None:
                    yield f"{name} is gone."
                else:
                    yield from self._operation(name, operation, after)

    def _operation(self, name: str, before: Json, now: Json) -> Iterator[str]:
        if before["operationId"] != now["operationId"]:
            yield f"{name}: the operation {before['operationId']} is now called {now['operationId']}."
        yield from self._parameters(name, before, now)
        yield from self._body(name, before, now)
        yield from self._answers(name, before, now)
        if before.get("security") != now.get("security"):
            yield f"{name}: what it takes to be let in has changed."

    def _parameters(self, name: str, before: Json, now: Json) -> Iterator[str]:
        stood = {(one["in"], one["name"]): one for one in before.get("parameters", ())}
        stand = {(one["in"], one["name"]): one for one in now.get("parameters", ())}
        for key, parameter in stood.items():
            where = f"{name}: the parameter {key[1]} in the {key[0]}"
            if key not in stand:
                yield f"{where} is gone."
            else:
                if stand[key]["required"] and not parameter["required"]:
                    yield f"{where} is now needed."
                yield from self._taken(where, parameter["schema"], stand[key]["schema"])
        for key, parameter in stand.items():
            if key not in stood and parameter["required"]:
                yield f"{name}: the parameter {key[1]} in the {key[0]} is new, and needed."

    def _body(self, name: str, before: Json, now: Json) -> Iterator[str]:
        stood, stands = before.get("requestBody"), now.get("requestBody")
        if stood is None:
            if stands is not None and stands.get("required"):
                yield f"{name}: a body is now needed."
            return
        if stands is not None and stands.get("required") and not stood.get("required"):
            yield f"{name}: a body is now needed."
        for media_type, media in stood["content"].items():
            after = (stands or {"content": {}})["content"].get(media_type)
            if after is None:
                yield f"{name}: a body of {media_type} is taken no more."
            else:
                yield from self._taken(f"{name}: the body", media["schema"], after["schema"])

    def _answers(self, name: str, before: Json, now: Json) -> Iterator[str]:
        for status, response in before["responses"].items():
            after = now["responses"].get(status)
            if status >= "400":
                continue  # fewer errors break nobody, and all of them are problems
            if after is None:
                yield f"{name}: the answer {status} is gone."
                continue
            for media_type, media in response.get("content", {}).items():
                given = after.get("content", {}).get(media_type)
                if given is None:
                    yield f"{name}: the answer {status} is {media_type} no more."
                else:
                    yield from self._given(f"{name}: the answer {status}", media["schema"], given["schema"])
        new = sorted(set(now["responses"]) - set(before["responses"]))
        yield from (f"{name}: the answer {status} is new." for status in new if status < "400")

    def _taken(self, where: str, before: Json, now: Json, seen: tuple[str, ...] = ()) -> Iterator[str]:
        """What was taken and is no more."""
        yield from self._compare(where, before, now, seen, is_taken=True)

    def _given(self, where: str, before: Json, now: Json, seen: tuple[str, ...] = ()) -> Iterator[str]:
        """What was given and is no more, or is given and was not told of."""
        yield from self._compare(where, before, now, seen, is_taken=False)

    def _compare(self, where: str, before: Json, now: Json, seen: tuple[str, ...], *, is_taken: bool) -> Iterator[str]:
        mark = f"{before.get('$ref')} {now.get('$ref')}"
        if "$ref" in before and mark in seen:
            return
        seen = (*seen, mark)
        before, now = _resolved(before, self._before), _resolved(now, self._now)
        stood, stands = _members(before), _members(now)
        if len(stood) > 1 or len(stands) > 1:
            yield from self._union(where, stood, stands, seen, is_taken=is_taken)
            return
        narrower, wider = (now, before) if is_taken else (before, now)
        if _types(before) != _types(now) and not _types(narrower) >= _types(wider):
            yield f"{where} was {_spelled(before)} and is {_spelled(now)}."
            return
        yield from _values(where, before, now, is_taken=is_taken)
        if is_taken:
            yield from _bounds(where, before, now)
        fields, after = before.get("properties", {}), now.get("properties", {})
        for name, field in fields.items():
            if name not in after:
                yield f"{where}: the field {name} is gone."
            else:
                yield from self._compare(f"{where}: {name}", field, after[name], seen, is_taken=is_taken)
        needed, was_needed = set(now.get("required", ())), set(before.get("required", ()))
        if is_taken:
            yield from (f"{where}: the field {name} is now needed." for name in sorted(needed - was_needed))
        else:
            gone = sorted((was_needed - needed) & after.keys())
            yield from (f"{where}: the field {name} is not always there any more." for name in gone)
        for word in ("items", "additionalProperties"):
            if isinstance(before.get(word), dict) and isinstance(now.get(word), dict):
                yield from self._compare(f"{where}: each of {word}", before[word], now[word], seen, is_taken=is_taken)

    def _union(
        self, where: str, before: list[Json], now: list[Json], seen: tuple[str, ...], *, is_taken: bool
    ) -> Iterator[str]:
        stood = {_known_by(one): one for one in before}
        stand = {_known_by(one): one for one in now}
        missing = stood.keys() - stand.keys() if is_taken else stand.keys() - stood.keys()
        said = "is taken no more" if is_taken else "was not told of before"
        yield from (f"{where}: {name} {said}." for name in sorted(missing))
        for name in sorted(stood.keys() & stand.keys()):
            yield from self._compare(where, stood[name], stand[name], seen, is_taken=is_taken)


def _resolved(schema: Json, description: Json) -> Json:
    while "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _members(schema: Json) -> list[Json]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _known_by(member: Json) -> str:
    return str(member.get("$ref", "").rpartition("/")[2] or _spelled(member))


def _types(schema: Json) -> set[str]:
    given = schema.get("type", _ANY)
    found = set(given) if isinstance(given, list) else {given}
    return _ALL if _ANY in found else found | ({"integer"} if "number" in found else set())


def _spelled(schema: Json) -> str:
    return str(schema.get("type") or ("one of its values" if "enum" in schema else "anything"))


def _values(where: str, before: Json, now: Json, *, is_taken: bool) -> Iterator[str]:
    stood, stands = before.get("enum"), now.get("enum")
    if stood is None and stands is None:
        return
    if is_taken:
        lost = [] if stands is None else [one for one in stood or () if one not in stands]
        yield from (f"{where}: the value {one!r} is taken no more." for one in lost)
        if stood is None:
            yield f"{where}: only certain values are taken now."
    elif stands is None:
        yield f"{where}: other values than {stood} may be given."
    else:
        yield from (
            f"{where}: the value {one!r} may be given, and was not told of."
            for one in stands
            if stood and one not in stood
        )


def _bounds(where: str, before: Json, now: Json) -> Iterator[str]:
    for word in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
        if word in now and now[word] < before.get(word, float("inf")):
            yield f"{where}: {word} fell from {before.get(word, 'none')} to {now[word]}."
    for word in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
        if word in now and now[word] > before.get(word, float("-inf")) and (word in before or now[word] != 0):
            yield f"{where}: {word} rose from {before.get(word, 'none')} to {now[word]}."
    if "pattern" in now and now["pattern"] != before.get("pattern"):
        yield f"{where}: the pattern is another: {now['pattern']}."
    if now.get("additionalProperties") is False and before.get("additionalProperties", True) is not False:
        yield f"{where}: fields that it does not know are refused now."


_ANY = "anything"
_ALL = {"array", "boolean", "integer", "null", "number", "object", "string"}
