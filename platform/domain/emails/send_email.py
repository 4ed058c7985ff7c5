"""The contract of `emails.send`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from msgspec import Meta

from domain.emails.header import LONGEST_ADDRESS, LONGEST_SUBJECT, check_address, check_subject
from domain.emails.templates import choose_template, read_values
from domain.errors import FieldFault, WrongFields
from domain.jobs.kind import Input, Kind, Result
from domain.jobs.retry import RetryPolicy

T = TypeVar("T")

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
            WrongFields: they do not make an e-mail; every field that is wrong is named.
        """
        faults = [*_address_faults(self), *_content_faults(self)]
        if faults:
            raise WrongFields(faults)


class EmailSent(Result, frozen=True):
    """Who the mail server took the e-mail for. `refused` gives its reason for each address it did not."""

    message_id: str
    accepted: tuple[str, ...]
    refused: dict[str, str]


def _address_faults(email: SendEmail) -> Iterator[FieldFault]:
    if len(email.to) + len(email.cc) + len(email.bcc) > MOST_RECIPIENTS:
        yield FieldFault(("to",), f"to, cc and bcc have at most {MOST_RECIPIENTS} addresses together")
    for field, addresses in (("to", email.to), ("cc", email.cc), ("bcc", email.bcc)):
        for index, address in enumerate(addresses):
            yield from _faults((field, index), check_address, address)
    if email.reply_to is not None:
        yield from _faults(("reply_to",), check_address, email.reply_to)


def _content_faults(email: SendEmail) -> Iterator[FieldFault]:
    if email.template is not None:
        for name in ("subject", "text", "html"):
            if getattr(email, name) is not None:
                yield FieldFault((name,), f"{name} cannot stand beside template, which writes it")
        yield from _template_faults(email.template, email.values or {})
        return
    if email.values is not None:
        yield FieldFault(("values",), "values fill a template, and none is named")
    if email.subject is None:
        yield FieldFault(("subject",), "subject is needed, or a template")
    else:
        yield from _faults(("subject",), check_subject, email.subject)
    if email.text is None and email.html is None:
        yield FieldFault(("text",), "text or html is needed, or a template")


def _template_faults(name: str, values: Mapping[str, Any]) -> Iterator[FieldFault]:
    try:
        template = choose_template(name)
    except ValueError as error:
        yield FieldFault(("template",), str(error))
        return
    yield from _faults(("values",), lambda given: read_values(template, given), values)


def _faults(path: tuple[str | int, ...], check: Callable[[T], object], value: T) -> Iterator[FieldFault]:
    try:
        check(value)
    except ValueError as error:
        yield FieldFault(path, str(error))


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
