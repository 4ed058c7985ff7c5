"""Who is calling."""

from msgspec import Struct

from domain.errors import Forbidden


class PermissionMissing(Forbidden):
    """The caller lacks a permission."""

    code = "permission_missing"
    title = "Permission missing"


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes a request, or on whose behalf a job runs."""

    tenant_id: str
    user_id: str
    permissions: frozenset[str]
    key_id: str | None = None
    requests_per_minute: int = 600

    def may(self, permission: str) -> bool:
        """Whether the caller holds `permission`."""
        return permission in self.permissions

    def demand(self, permission: str) -> None:
        """Go on only if the caller holds `permission`.

        Raises:
            PermissionMissing: it does not.
        """
        if permission not in self.permissions:
            raise PermissionMissing(f"This needs the permission {permission}, which your key does not carry.")
