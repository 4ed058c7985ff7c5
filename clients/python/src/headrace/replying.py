"""A reply as it is written, put together of what its stream tells: each word once, over however many connections."""

from msgspec import Struct

from headrace.events import TERMINAL_STATES, Event
from headrace.models import Message, State
from headrace.requests import decoded


class ReplyPart(Struct, frozen=True):
    """Words of a reply, behind those before. `is_anew`: in place of all of them, for the reply is written anew."""

    text: str
    is_anew: bool = False


class ReplyStory:
    """What has been heard of a reply."""

    def __init__(self) -> None:
        self.job_id = ""
        self.text = ""
        self.state: State | None = None
        self.message: Message | None = None
        self.last_id = ""
        self.is_over = False

    def hears(self, event: Event) -> bool:
        """Remember where to go on from; all of it is news, what was heard before is found by the words."""
        self.last_id = event.id or self.last_id
        self.is_over = event.type in TERMINAL_STATES
        return True

    def passes(self, searched_id: str) -> None:
        """Nobody searches in a reply."""

    def hears_nothing(self) -> None:
        """The stream ended without a word: there is no reply to tell of, or its end was told before."""
        self.is_over = True

    def takes(self, event: Event) -> ReplyPart | None:
        """What the event adds to the text; None: nothing."""
        if event.type in TERMINAL_STATES:
            ended = decoded(event.raw, _Ended)
            self.job_id, self.state, self.message = ended.job_id, ended.state, ended.message
            return None
        if event.type == "snapshot":
            so_far = decoded(event.raw, _SoFar)
            self.job_id, self.state = so_far.job_id, so_far.state
            return self._put(so_far.text, is_all=True)
        if event.type == "delta":
            added = decoded(event.raw, _Added)
            return self._put(self.text[: added.start] + added.text, is_all=False)
        return None

    def _put(self, text: str, *, is_all: bool) -> ReplyPart | None:
        """Have this text in place of the one there is: all there is of it, or as much as a delta reaches."""
        before = self.text
        if not is_all and before.startswith(text):
            return None  # told before
        self.text = text
        if text.startswith(before):
            return ReplyPart(text[len(before) :]) if len(text) > len(before) else None
        return ReplyPart(text, is_anew=True)


class _SoFar(Struct):
    job_id: str
    state: State
    text: str


class _Added(Struct):
    text: str
    start: int


class _Ended(Struct):
    job_id: str
    state: State
    message: Message | None = None
