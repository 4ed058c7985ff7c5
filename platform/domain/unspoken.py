"""Structs that carry what opens something: neither logs nor tracebacks spell them out."""

from msgspec import Struct


class Unspoken(Struct, frozen=True):
    """A Struct whose repr says what it is, and nothing of what it holds."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"
