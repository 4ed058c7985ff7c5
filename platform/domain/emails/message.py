"""One e-mail, ready to be handed to a mail server."""

from msgspec import Struct

from domain.emails.send_email import SendEmail
from domain.emails.templates import choose_template, fill_template, read_values


class Mail(Struct, frozen=True, kw_only=True):
    """An e-mail complete with sender and id. `message_id` is the same on every attempt to send it.

    `sender` may carry a display name (`Headrace <noreply@example.com>`); all other addresses are bare.
    At least one of `text` and `html` is there.
    """

    message_id: str
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: str | None = None
    subject: str
    text: str | None = None
    html: str | None = None

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everyone it goes to, each once, in the order given."""
        return tuple(dict.fromkeys(self.to + self.cc + self.bcc))


def compose(email: SendEmail, *, message_id: str, sender: str) -> Mail:
    """The e-mail as it is to be sent: its template filled, its sender and id put in.

    Raises:
        ValueError: its template no longer takes its values.
    """
    subject, text, html = email.subject, email.text, email.html
    if email.template is not None:
        template = choose_template(email.template)
        filled = fill_template(template, read_values(template, email.values or {}))
        subject, text, html = filled.subject, filled.text, filled.html
    return Mail(
        message_id=message_id,
        sender=sender,
        to=email.to,
        cc=email.cc,
        bcc=email.bcc,
        reply_to=email.reply_to,
        subject=subject or "",
        text=text,
        html=html,
    )
