"""Conversations."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

from headrace._sync.http import Connection
from headrace._sync.job import Job
from headrace._sync.jobs import job_in
from headrace._sync.listing import Listing, reads
from headrace._sync.replies import Reply
from headrace.models import Conversation, Message, Replied
from headrace.requests import Duration, as_seconds, ask, create, given, segment


class Conversations:
    """Begins conversations and carries them on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, title: str | None = None, *, idempotency_key: str | None = None) -> Conversation:
        """Begin one; without a title, its first message gives it one."""
        request = create("/v1/conversations", given(title=title), key=idempotency_key)
        return (self._connection.send(request)).into(Conversation)

    def get(self, conversation_id: str) -> Conversation:
        """A conversation by its id.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return (self._connection.send(ask("GET", _path(conversation_id)))).into(Conversation)

    def list(self, *, limit: int | None = None) -> Listing[Conversation]:
        """The caller's conversations, newest first; `limit` of them, or all."""
        return Listing(self._connection, ask("GET", "/v1/conversations"), reads(Conversation), limit=limit)

    def rename(self, conversation_id: str, title: str) -> Conversation:
        """Give one another title."""
        request = ask("PATCH", _path(conversation_id), body={"title": title})
        return (self._connection.send(request)).into(Conversation)

    def delete(self, conversation_id: str) -> None:
        """Delete one with all its messages."""
        self._connection.send(ask("DELETE", _path(conversation_id), is_repeatable=False))

    def messages(self, conversation_id: str, *, limit: int | None = None) -> Listing[Message]:
        """What was said, newest first."""
        request = ask("GET", f"{_path(conversation_id)}/messages")
        return Listing(self._connection, request, reads(Message), limit=limit)

    def say(
        self, conversation_id: str, text: str, *, wait: Duration | None = None, idempotency_key: str | None = None
    ) -> Job[Replied]:
        """Say something. The job writes the reply: its `events` bring the words as they come, its `result` all."""
        path = f"{_path(conversation_id)}/messages"
        request = create(path, {"text": text}, key=idempotency_key, wait=as_seconds(wait))
        return job_in(self._connection, self._connection.send(request), Replied)

    def ask(
        self, conversation_id: str, text: str, *, timeout: Duration | None = None, idempotency_key: str | None = None
    ) -> Reply:
        """Say something, and iterate the reply as it is written, part by part.

        However often the connection breaks, the message is said once. `timeout` bounds all of the reading.

        Raises:
            NotFound: there is no such conversation.
        """
        request = create(f"{_path(conversation_id)}/stream", {"text": text}, key=idempotency_key)
        reply = Reply(self._connection, request, timeout=as_seconds(timeout), what="The reply")
        return reply.begin()

    def follow(self, conversation_id: str, *, timeout: Duration | None = None) -> Reply | None:
        """The reply under way, or the last there was, from its first word; None: there is none.

        Raises:
            NotFound: there is no such conversation.
        """
        request = ask("GET", f"{_path(conversation_id)}/stream")
        reply = Reply(self._connection, request, timeout=as_seconds(timeout), what="The reply")
        reply.begin()
        return reply if reply.job_id else None

    def edit(self, conversation_id: str, message_id: str, text: str, *, wait: Duration | None = None) -> Job[Replied]:
        """Say something else in place of one of your messages. The job replies to it; what came after is superseded.

        Raises:
            Conflict: a reply is under way, or the message is none that can be edited.
        """
        path = f"{_path(conversation_id)}/messages/{segment(message_id)}"
        request = ask("PATCH", path, body={"text": text}, is_repeatable=False, wait=as_seconds(wait))
        return job_in(self._connection, self._connection.send(request), Replied)

    def regenerate(
        self,
        conversation_id: str,
        message_id: str,
        *,
        wait: Duration | None = None,
        idempotency_key: str | None = None,
    ) -> Job[Replied]:
        """Have an answer written anew, named by its id or by that of the message it answers.

        Raises:
            Conflict: a reply is under way, or the message was superseded.
        """
        path = f"{_path(conversation_id)}/messages/{segment(message_id)}/regenerate"
        request = create(path, None, key=idempotency_key, wait=as_seconds(wait))
        return job_in(self._connection, self._connection.send(request), Replied)


def _path(conversation_id: str) -> str:
    return f"/v1/conversations/{segment(conversation_id)}"
