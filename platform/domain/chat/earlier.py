"""What has fallen out of a conversation's window: when it is summarized, and what of it whoever replies is told.

A conversation is covered in turns: a user's message with its answer. A summary covers all turns up to one, and is made
of the summary before it and the turns since. It is made ahead of need, when the window begins to fill: replies need not
wait for it, and it is not made anew with each of them.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from msgspec import Struct

from domain.chat.conversation import ChatMessage, ChatWindow, Role, tokens_of, within

MOST_EXCERPTS: Final = 10
"""How many messages that no summary covers yet are told in their first words, the last of them."""

EXCERPT_CHARS: Final = 200
"""Of each of them."""

MOST_TRANSCRIPT_CHARS: Final = 400_000
"""Of what a summary is made of at once; what is longer takes several."""

_BEGINS: Final = 3 / 4
_LEAVES: Final = 1 / 2
_SPEAKERS: Final[dict[Role, str]] = {"user": "User", "assistant": "Assistant"}


class SaidMessage(Struct, frozen=True, kw_only=True):
    """A message where it stands: `turn` is the position of the user's message that it is, or answers.

    `is_blocked`: it was, when it was to be answered before.
    """

    id: str
    turn: int
    role: Role
    text: str
    is_blocked: bool = False


class ChatSummary(Struct, frozen=True, kw_only=True):
    """A summary as its row stands: of `messages` messages, all that were current of the turns up to `covers`."""

    covers: int
    text: str
    engine: str
    messages: int
    created_at: datetime


class Recalled(Struct, frozen=True, kw_only=True):
    """What whoever replies sees: the messages in the window, and in a few words what came before; empty: nothing."""

    messages: Sequence[ChatMessage]
    earlier: str = ""


def recall(window: ChatWindow, said: Sequence[SaidMessage], summary: ChatSummary | None, *, is_all: bool) -> Recalled:
    """What is seen of a conversation, of which `said` are the last messages, or all.

    What has fallen out is told by the summary, and what that does not cover yet by its first words.
    """
    messages = within(window, [ChatMessage(one.role, one.text) for one in said])
    fallen = said[: len(said) - len(messages)]
    if (not fallen and is_all) or not window.summary_chars:
        return Recalled(messages=messages)
    untold = [one for one in fallen if one.turn > covered_by(summary)][-MOST_EXCERPTS:]
    told = [summary.text] if summary is not None else []
    told += [f"{_SPEAKERS[one.role]}: {_excerpt(one.text)}" for one in untold]
    return Recalled(messages=messages, earlier="\n".join(told))


def due(window: ChatWindow, uncovered: Sequence[SaidMessage]) -> Sequence[SaidMessage]:
    """Of the messages that no summary covers, oldest first, those that one should cover now; none: not yet.

    Not yet while three quarters of the window hold them. Then so many turns that half of it holds the rest; the last
    turn is never among them.
    """
    if not window.summary_chars or _fits(
        window, _BEGINS, len(uncovered), sum(tokens_of(one.text) for one in uncovered)
    ):
        return ()
    count, tokens, first_left = 0, 0, uncovered[-1].turn
    for turn, messages in groupby(reversed(uncovered), lambda one: one.turn):
        sizes = [tokens_of(one.text) for one in messages]
        count, tokens = count + len(sizes), tokens + sum(sizes)
        if turn < first_left and not _fits(window, _LEAVES, count, tokens):
            break
        first_left = turn
    return [one for one in uncovered if one.turn < first_left]


def transcript(summary: ChatSummary | None, messages: Sequence[SaidMessage]) -> str:
    """What the next summary is made of."""
    told = [summary.text] if summary is not None else []
    return "\n\n".join([*told, *(f"{_SPEAKERS[one.role]}: {one.text.strip()}" for one in messages)])


def covered_by(summary: ChatSummary | None) -> int:
    """The last turn that is covered; 0: none is."""
    return 0 if summary is None else summary.covers


def _fits(window: ChatWindow, share: float, count: int, tokens: int) -> bool:
    return count <= window.messages * share and tokens <= window.tokens * share


def _excerpt(text: str) -> str:
    words = " ".join(text.split())
    if len(words) <= EXCERPT_CHARS:
        return words
    cut, _, _ = words[:EXCERPT_CHARS].rpartition(" ")
    return f"{cut or words[:EXCERPT_CHARS]}…"
