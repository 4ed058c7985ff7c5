"""The forms OAuth 2.0 is spoken in: `application/x-www-form-urlencoded`, each field at most once."""

from typing import Annotated, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from api.bodies import ApiRequest, MediaTypeUnsupported
from api.fields import readable
from api.wording import in_words
from domain.accounts.session import GrantMalformed
from domain.unspoken import Unspoken

MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
MOST_BYTES: Final = 16 << 10
_MOST_FIELDS: Final = 20

FormT = TypeVar("FormT")


class TokenForm(Unspoken, frozen=True, kw_only=True):
    """A login, or the next pair of tokens. `scope` narrows what they may do: permissions, with spaces between."""

    grant_type: Annotated[str, Meta(max_length=100, examples=["password", "refresh_token"])]
    username: Annotated[str | None, Meta(description="with `password`: the user's e-mail address")] = None
    password: str | None = None
    refresh_token: Annotated[str | None, Meta(description="with `refresh_token`: the one last given")] = None
    scope: Annotated[str | None, Meta(description="absent: whatever the user may do")] = None


class RevokeForm(Unspoken, frozen=True, kw_only=True):
    """A token of the session to be ended (RFC 7009)."""

    token: str
    token_type_hint: str | None = None


async def read_form(request: ApiRequest, form: type[FormT]) -> FormT:
    """The request's body as a `form`. Fields it does not know are passed over, empty ones count as absent (RFC 6749).

    Raises:
        MediaTypeUnsupported: it is said to be something else.
        GrantMalformed: it is no form, or lacks a field, or has one twice.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() != MEDIA_TYPE or charset not in {"", "charset=utf-8"}:
        raise MediaTypeUnsupported(f"Send the body as Content-Type: {MEDIA_TYPE}, in UTF-8.")
    try:
        spelled = (await request.body()).decode("ascii")
        pairs = parse_qsl(
            spelled, keep_blank_values=True, strict_parsing=bool(spelled), errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise GrantMalformed("The body is not a form: name=value, percent-encoded UTF-8, with & between.") from None
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise GrantMalformed(f"The form has {twice[:64]!r} more than once.")
    if any("\0" in name + value for name, value in pairs):
        raise GrantMalformed("The form holds the character NUL.")
    try:
        return msgspec.convert({name: value for name, value in pairs if value}, form)
    except msgspec.ValidationError as error:
        raise GrantMalformed(f"The form is not complete. {in_words(readable(error), form)}") from None
