"""The contract of `emails.send`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from domain.emails.header import LONGEST_ADDRESS, LONGEST_SUBJECT, check_address, check_subject
from domain.emails.templates import choose_template, read_values
from domain.jobs.kind import Input, Kind, Result
from domain.jobs.retry import RetryPolicy

MOST_RECIPIENTS: Final = 50
LONGEST_BODY: Final = 256 * 1024

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_WORD: Final = r"[^\s\x00-/:-@\[-`{-\x9f]"  # no ASCII but letters and digits, and what letters there are besides
_LABEL: Final = rf"{_WORD}([^\s\x00-,./:-@\[-`{{-\x9f]*{_WORD})?"

# The pattern tells clients what to expect and points at the address that is wrong; `check_address` has the last word.
EmailAddress: TypeAlias = Annotated[
    str,
    Meta(
        max_length=LONGEST_ADDRESS,
        pattern=rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})+$",
        description="A bare e-mail address; its domain may be international",
        examples=["ada@example.com"],
    ),
]
Body: TypeAlias = Annotated[str, Meta(max_length=LONGEST_BODY)]


class SendEmail(Input, frozen=True):
    """An e-mail to send: either `subject` with `text`, `html` or both, or `template` with its `values`."""

    to: Annotated[tuple[EmailAddress, ...], Meta(min_length=1, max_length=MOST_RECIPIENTS)]
    cc: Annotated[tuple[EmailAddress, ...], Meta(max_length=MOST_RECIPIENTS)] = ()
    bcc: Annotated[tuple[EmailAddress, ...], Meta(max_length=MOST_RECIPIENTS, description="Not named in the mail")] = ()
    reply_to: EmailAddress | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=LONGEST_SUBJECT)] | None = None
    text: Body | None = None
    html: Body | None = None
    template: Annotated[str, Meta(max_length=64, description="`name` or `name@version`")] | None = None
    values: Annotated[Mapping[str, Any], Meta(max_length=64, description="What the template is filled with")] | None = (
        None
    )

    def __post_init__(self) -> None:
        """Hold the fields against each other.

        Raises:
            ValueError: they do not make an e-mail; the sentence names every field that is wrong.
        """
        problems = [*_address_problems(self), *_content_problems(self)]
        if problems:
            raise ValueError("; ".join(problems))


class EmailSent(Result, frozen=True):
    """Who the mail server took the e-mail for. `refused` gives its reason for each address it did not."""

    message_id: str
    accepted: tuple[str, ...]
    refused: dict[str, str]


def _address_problems(email: SendEmail) -> Iterator[str]:
    if len(email.to) + len(email.cc) + len(email.bcc) > MOST_RECIPIENTS:
        yield f"to, cc and bcc have at most {MOST_RECIPIENTS} addresses together"
    for field, addresses in (("to", email.to), ("cc", email.cc), ("bcc", email.bcc)):
        for index, address in enumerate(addresses):
            yield from _problem(f"{field}[{index}]", check_address, address)
    if email.reply_to is not None:
        yield from _problem("reply_to", check_address, email.reply_to)


def _content_problems(email: SendEmail) -> Iterator[str]:
    written = [name for name in ("subject", "text", "html") if getattr(email, name) is not None]
    if email.template is not None:
        if written:
            yield f"{' and '.join(written)} cannot stand beside template, which writes them"
        yield from _template_problem(email.template, email.values or {})
        return
    if email.values is not None:
        yield "values fill a template, and none is named"
    if email.subject is None:
        yield "subject is needed, or a template"
    else:
        yield from _problem("subject", check_subject, email.subject)
    if email.text is None and email.html is None:
        yield "text or html is needed, or a template"


def _template_problem(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    try:
        read_values(choose_template(name), values)
    except ValueError as error:
        yield f"template: {error}"


def _problem(field: str, check: Callable[[str], None], value: str) -> Iterator[str]:
    try:
        check(value)
    except ValueError as error:
        yield f"{field}: {error}"


# Last in the file, for its example goes through the checks above.
SEND_EMAIL: Final = Kind(
    name="emails.send",
    input=SendEmail,
    result=EmailSent,
    queue="emails",
    summary="Send an e-mail, written out or by template",
    example=SendEmail(
        to=("ada@example.com",),
        subject="Your order is on its way",
        text="Hello Ada,\n\nit left our house this morning.\n",
        html="<p>Hello Ada,</p><p>it left our house <b>this morning</b>.</p>",
    ),
    timeout=timedelta(seconds=60),
    # A mail server that greylists wants minutes: the waits are about 10 s, 20 s, ... up to an hour, five hours in all.
    max_attempts=14,
    retry=RetryPolicy(base=timedelta(seconds=10), ceiling=timedelta(hours=1)),
)
