"""Finds secrets by what they are given to: `api_key = …`, `"password": "…"`, `Authorization: Basic …`.

Such a value has no shape of its own. So it must stand behind a name that says what it is, and be mixed as secrets are:
letters and digits, or a mark among a password's letters. What code calls or looks up (`token = read(x1)`) is none.
"""

import re
from collections.abc import Iterator
from typing import Final

from domain.text.openings import matches_from

_BASIC: Final = re.compile(r"[Bb]asic[ ]{1,4}+([A-Za-z0-9+/]{8,}+={0,2})(?![A-Za-z0-9])")
_BASIC_OPENS: Final = re.compile(r"[Bb](?=asic [A-Za-z0-9+/]{8})")
_AUTHORIZATION: Final = re.compile(r"(?i)authorization[\"']?[ ]{0,2}[:=]?[ ]{0,2}[\"']?\Z")

_GIVEN: Final = re.compile(r"(?<=[YNTDEyntde \"'`])[:=][=>]?[ ]{0,3}[\"'`]?(?=[^\s\"'`]{6})")
_NAME: Final = re.compile(
    r"(?i)(?<![a-z])(?:"
    r"(?:api|access|secret|auth|client|private|encryption|signing|service|account|refresh|session|bot|master|webhook)"
    r"(?:[_ -]?(?:access|api|auth|secret)){0,2}[_ -]?(?:key|token|secret)"
    r"|(?P<password>password|passwd|passphrase|pwd))[\"'`]?[ ]{0,3}\Z"
)
_LONGEST_NAME: Final = 64
_SECRET: Final = re.compile(
    r"(?=[^\s]{0,120}?[0-9])(?=[^\s]{0,120}?[A-Za-z])[A-Za-z0-9_+/.~-]{16,200}+={0,2}(?![A-Za-z0-9@(\[{])"
)
_PASSWORD: Final = re.compile(
    r"(?![/~.])(?=[^\s\"'`]{0,60}?[0-9!@#$%^&*])(?=[^\s\"'`]{0,60}?[A-Za-z])[^\s\"'`<>()\[\]{},;]{6,64}+(?![<>()\[\]{}])"
)


def given_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Where the secrets of a text begin and end that are told by the names they are given to."""
    for hit in matches_from(_BASIC_OPENS, _BASIC, text):
        if _AUTHORIZATION.search(text, max(0, hit.start() - _LONGEST_NAME), hit.start()):
            yield hit.span(1)
    for given in _GIVEN.finditer(text):
        named = _NAME.search(text, max(0, given.start() - _LONGEST_NAME), given.start())
        secret = named and (_PASSWORD if named["password"] else _SECRET).match(text, given.end())
        if secret:
            yield secret.start(), secret.start() + len(secret[0].rstrip(".!?:"))
