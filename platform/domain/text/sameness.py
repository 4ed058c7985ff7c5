"""When two inputs of a text kind ask for the same answer: what a cached answer is found by."""

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from domain.jobs.kind import Input, Kind

_ENCODER: Final = msgspec.json.Encoder()
_READ: Final = ("text", "brief")
"""The fields that are read as prose: how their letters are composed and their lines end changes no answer."""


def fingerprint(
    kind: Kind[Any, Any], given: Input, *, engine: str, tenant_id: str | None, screened: Sequence[str]
) -> str:
    """The SHA-256, in hex, of what an answer depends on; `tenant_id` None: tenants share their answers.

    `screened` are the detectors, and which version of them, that had nothing to say of the input: for others, there is
    no answer.

    Two inputs are the same if they are equal with defaults filled in, with their prose in Unicode's composed form
    (NFC), its lines ended by a line feed, and no white space around it.
    """
    shape = _shape(kind.result)  # type: ignore[arg-type] # classes can be hashed, which mypy does not see
    parts = [engine, kind.name, shape, tenant_id, _normalized(given), screened]
    return hashlib.sha256(_ENCODER.encode(parts)).hexdigest()


def _normalized(given: Input) -> Input:
    prose = {name: getattr(given, name) for name in _READ if name in given.__struct_fields__}
    changed = {name: new for name, old in prose.items() if (new := _prose(old)) != old}
    return replace(given, **changed) if changed else given


def _prose(text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return plain if plain.isascii() else unicodedata.normalize("NFC", plain)


@lru_cache(maxsize=64)
def _shape(result: type[Any]) -> str:
    """What names the version of a result's schema: a release that changes it finds no answer of the one before."""
    return hashlib.sha256(_ENCODER.encode(msgspec.json.schema(result))).hexdigest()
