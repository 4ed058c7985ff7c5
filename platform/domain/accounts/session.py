"""Sessions: what a login opens, and what becomes of its refresh token when it is shown."""

from enum import StrEnum
from typing import ClassVar

from domain.errors import Conflict, Forbidden, HeadraceError, Limited


class SessionEnd(StrEnum):
    """Why a session was ended before its tokens expired."""

    LOGOUT = "logout"
    REUSE = "reuse"
    """A refresh token was shown again after its use: somebody else may have it."""
    PASSWORD = "password"  # noqa: S105 - the reason, not one
    SHUT_OUT = "shut_out"
    """The user was disabled or banned."""


class Refresh(StrEnum):
    """What a refresh token that was shown turned out to be."""

    GOOD = "good"
    UNKNOWN = "unknown"
    """Nobody's, expired, or of a session that has ended."""
    TWICE = "twice"
    """Used by another request that was under way at the same time: one wins, and no harm is done."""
    REUSED = "reused"
    """Used before: the session is ended."""


class GrantRefused(HeadraceError):
    """A token request that is refused; `error` is the name RFC 6749 has for it (section 5.2)."""

    code = "grant_refused"
    title = "The token request is refused"
    error: ClassVar[str] = "invalid_request"


class GrantMalformed(GrantRefused):
    """The form lacks a field, has one twice, or is no form."""

    code = "grant_malformed"
    title = "The token request is malformed"


class GrantUnsupported(GrantRefused):
    """A grant type that is not offered."""

    code = "grant_unsupported"
    title = "No such grant type"
    error = "unsupported_grant_type"


class GrantInvalid(GrantRefused):
    """The password or the refresh token does not open."""

    code = "grant_invalid"
    title = "Login or refresh token not accepted"
    error = "invalid_grant"


class ScopeInvalid(GrantRefused):
    """A scope that does not exist or goes beyond the user's."""

    code = "scope_invalid"
    title = "The scope is not valid"
    error = "invalid_scope"


class LoginThrottled(Limited):
    """Too many logins failed lately, of the account or from the address."""

    code = "login_throttled"
    title = "Too many failed logins"


class RegistrationClosed(Forbidden):
    """Nobody may register here."""

    code = "registration_closed"
    title = "Registration is closed"


class EmailTaken(Conflict):
    """The address belongs to somebody else."""

    code = "email_taken"
    title = "E-mail address taken"
