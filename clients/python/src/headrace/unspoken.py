"""What opens something, kept out of logs and tracebacks."""

from typing import ClassVar

from msgspec import Struct


class Unspoken(Struct, frozen=True, kw_only=True):
    """A Struct whose repr leaves out what its fields `opens` hold, wherever that stands."""

    opens: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        said = super().__repr__()
        for secret in filter(None, (getattr(self, name) for name in self.opens)):
            said = said.replace(secret, "…")
        return said
