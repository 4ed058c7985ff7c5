"""A user as the API shows one, and as it takes what is said of one."""

from typing import Annotated

from msgspec import Meta, Struct

from api.job_view import Time
from domain.accounts.permissions import Role
from domain.accounts.user import User, UserState
from domain.emails.header import check_address
from domain.emails.send_email import EmailAddress
from domain.errors import Invalid

UserId = Annotated[str, Meta(pattern="^user_[0-9a-f]{32}$")]
Email = EmailAddress
Name = Annotated[str, Meta(max_length=200)]
Password = Annotated[str, Meta(max_length=1000, description="12 to 128 characters")]


class EmailInvalid(Invalid):
    """No e-mail address."""

    code = "email_invalid"
    title = "Not an e-mail address"


class UserView(Struct, frozen=True, kw_only=True):
    """Somebody of the tenant. `state_reason` is why they were disabled or banned, if that was said."""

    id: UserId
    tenant_id: Annotated[str, Meta(pattern="^tenant_[0-9a-f]{32}$")]
    email: str
    name: str
    role: Role
    state: UserState
    state_reason: str | None
    has_password: bool
    created_at: Time
    last_login_at: Time | None


def view_user(user: User) -> UserView:
    """The user as the API shows one."""
    return UserView(**{name: getattr(user, name) for name in UserView.__struct_fields__})


def read_email(email: str) -> str:
    """An address that somebody gives as theirs.

    Raises:
        EmailInvalid: it is none.
    """
    try:
        check_address(email)
    except ValueError as error:
        raise EmailInvalid(f"{error}.", pointer="/email") from None
    return email
