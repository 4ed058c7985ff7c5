"""Lines of JSON (NDJSON), written and read."""

from collections.abc import Iterable, Iterator

from headrace.errors import Unreachable
from headrace.requests import encoded


def ndjson(things: Iterable[object]) -> bytes:
    """Each thing as JSON on a line of its own."""
    body = bytearray()
    for each in things:
        body += encoded(each)
        body += b"\n"
    return bytes(body)


class Lines:
    """Makes lines of the pieces a body comes in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that are complete with this piece; empty ones are none."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return (line for line in whole if line.strip())

    def end(self) -> None:
        """Go on only if the last line was whole.

        Raises:
            Unreachable: the body broke off.
        """
        if self._rest.strip():
            raise Unreachable("The answer broke off in the middle of a line.")
