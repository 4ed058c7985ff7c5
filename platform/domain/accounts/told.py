"""What is told of users when something happens to them: who, and never their secrets or addresses."""

from msgspec import Struct

from domain.accounts.permissions import Role
from domain.accounts.user import User
from domain.domain_event import DomainEvent, EventName


class UserTold(Struct, frozen=True, kw_only=True):
    """A user as they were when something happened to them."""

    user_id: str
    name: str
    role: Role


def user_event(name: EventName, user: User) -> DomainEvent:
    """That a user registered, or was banned."""
    about = UserTold(user_id=user.id, name=user.name, role=user.role)
    return DomainEvent(tenant_id=user.tenant_id, type=name, source="/v1/users", subject=user.id, about=about)
