"""Reads the text of a reply as it is written, for the streams that tell of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct

from api.sse import frame
from runtime.news import News
from runtime.streams import Piece, Place, ReplyStreams

_MOST_HEARD: Final = 1_000  # of who reads slowly; then the stream is read, which keeps the text anyway
_ENCODER: Final = msgspec.json.Encoder()


class Delta(Struct, frozen=True, kw_only=True):
    """What was added to the text; `start` is how many characters (code points) came before."""

    text: str
    start: int


class Reader:
    """Reads the text of one reply as it is written: knows how much was read, and what is missing.

    Of one that `is_new` nothing was written yet; of any other what is heard is believed only when once was read.
    """

    def __init__(self, streams: ReplyStreams, job_id: str, *, is_new: bool = False) -> None:
        self._streams = streams
        self._job_id = job_id
        self._generation: int | None = None
        self._broken = False
        self._heard: list[Piece | None] = []
        self._knows = is_new
        self.text = ""
        self.is_ended = False
        """The attempt that wrote has ended, however it did."""
        self.is_blind = False
        """Redis did not answer when it was asked last: nobody may tell that it does again."""
        self.has_grown = False
        """There was news of the text since this was last set back."""

    @contextmanager
    def hearing(self, news: News) -> Iterator[None]:
        """Inside the block `news` is told also when there is more of the text."""

        def hear(piece: Piece | None) -> None:
            self.has_grown = True
            if len(self._heard) >= _MOST_HEARD:
                self._heard, piece = [], None
            self._heard.append(piece)
            news.tell()

        with self._streams.hearing(self._job_id, hear):
            yield

    @property
    def place(self) -> Place | None:
        """How much was read; None: nothing was written yet."""
        return None if self._generation is None else Place(self._generation, len(self.text))

    @property
    def number(self) -> int | None:
        """The number of the place, for the id of a frame."""
        return None if self.place is None else self.place.number

    def delta(self, added: str, *, numbered: bool = True) -> bytes:
        """The frame that tells what was added last."""
        told = Delta(text=added, start=len(self.text) - len(added))
        return frame("delta", _ENCODER.encode(told), self.number if numbered else None)

    def back_to(self, place: Place) -> str | None:
        """Forget what was read past a place; the answer is what was forgotten, None if it is not one of the text."""
        if place.generation != self._generation or place.chars > len(self.text):
            return None
        self.text, rest = self.text[: place.chars], self.text[place.chars :]
        return rest

    async def more(self, *, is_last: bool = False) -> tuple[bool, str]:
        """What was written since, and whether it begins the text anew: as it was heard, or else is read.

        Where what was written by now is to be told at last, it is read: all of it may not have been heard yet.
        """
        begins, added = False, ""
        heard, self._heard = self._heard, []
        pieces = None if is_last else self._continuation(heard)
        if pieces is None:
            pieces = await self._streams.look(self._job_id, self.place)
            self.is_blind = pieces is None
            self._knows = self._knows or pieces is not None
        for piece in pieces or ():
            if piece.generation != self._generation:
                self._generation, self.text, self._broken, self.is_ended = piece.generation, "", False, False
                begins, added = True, ""
            added += self._taken(piece)
        return begins, added

    def _continuation(self, heard: Sequence[Piece | None]) -> list[Piece] | None:
        """What was heard, if it is all there is: it follows on what is known, without a gap."""
        if not heard or self._broken or not self._knows:
            return None
        generation, length = self._generation, len(self.text)
        pieces: list[Piece] = []
        for piece in heard:
            if piece is None:
                return None
            if generation is not None and piece.generation < generation:
                continue  # of an attempt that lost its lease: Redis took no more of it
            if piece.generation != generation:
                generation, length = piece.generation, 0
            if piece.start > length:
                return None
            length = max(length, piece.start + len(piece.text))
            pieces.append(piece)
        return pieces

    def _taken(self, piece: Piece) -> str:
        self.is_ended = self.is_ended or piece.is_end
        # one that was lost with Redis leaves a gap, which only the end can fill
        self._broken = self._broken or piece.start > len(self.text)
        new = "" if self._broken else piece.text[len(self.text) - piece.start :]
        self.text += new
        return new
