"""Fresh ids: UUIDv7, sortable by time of creation."""

from uuid_utils.compat import uuid7

from domain.ids import prefixed


def new_id(prefix: str) -> str:
    """A fresh id of the kind of thing `prefix` names; ids made by one process only grow."""
    return prefixed(prefix, uuid7())
