"""The e-mails the platform can write by itself: named, versioned, their values typed and escaped.

A newer version of a template must take what the older one took; if it cannot, it is another template. So a job that
waited through a deploy still finds its words. Who must have the older words asks for `name@version`.
"""

import string
from collections.abc import Mapping
from html import escape
from typing import Annotated, Any, Final, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from domain.emails.header import check_subject
from domain.patterns import END

Line: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Paragraph: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4000)]
Url: TypeAlias = Annotated[
    str, Meta(max_length=2000, pattern=rf"^https?://[^\s<>\"]+{END}", description="an http or https URL")
]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]


class Values(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template is filled with. A tuple of Structs is a list of rows, each written with the template's row."""


class WelcomeValues(Values, frozen=True):
    """Who has joined, and where they sign in."""

    name: Line
    url: Url


class OrderLine(Values, frozen=True):
    """One line of an order; prices come with their currency, as they are to be read (`12.99 USD`)."""

    name: Line
    quantity: Count
    price: Line


class OrderConfirmationValues(Values, frozen=True):
    """What was ordered."""

    order_id: Line
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=200)]
    total: Line


class OrderShippedValues(Values, frozen=True):
    """What is on its way, and where to."""

    order_id: Line
    ship_to: Line = "the address of your account"


class PaymentFailedValues(Values, frozen=True):
    """Which order could not be paid."""

    order_id: Line
    total: Line
    reason: Line


class DigestRow(Values, frozen=True):
    """One figure of the day."""

    label: Line
    value: Line


class DailyDigestValues(Values, frozen=True):
    """The figures of a day, and what to say about them."""

    day: Line
    rows: Annotated[tuple[DigestRow, ...], Meta(max_length=100)] = ()
    note: Paragraph = "Nothing else to report."


class NoticeValues(Values, frozen=True):
    """Something to tell in one paragraph."""

    title: Line
    body: Paragraph


class Template(Struct, frozen=True, kw_only=True):
    """Words with gaps: `${name}` is filled with the value of that name, escaped where it stands in HTML.

    `text_row` and `html_row` write one row of the value that is a list.
    """

    name: str
    version: int = 1
    values: type[Values]
    subject: str
    text: str
    html: str
    text_row: str = ""
    html_row: str = ""


class Filled(Struct, frozen=True, kw_only=True):
    """What a template says, once filled."""

    subject: str
    text: str
    html: str


TEMPLATES: Final = (
    Template(
        name="welcome",
        values=WelcomeValues,
        subject="Welcome, ${name}",
        text="Hello ${name},\n\nyour account is ready. Start here: ${url}\n",
        html='<p>Hello ${name},</p><p>your account is ready. <a href="${url}">Start here</a>.</p>',
    ),
    Template(
        name="order_confirmation",
        values=OrderConfirmationValues,
        subject="Your order ${order_id}",
        text="Thank you for your order ${order_id}.\n\n${lines}\nTotal: ${total}\n",
        html="<p>Thank you for your order <b>${order_id}</b>.</p><table>${lines}</table><p>Total: <b>${total}</b></p>",
        text_row="${quantity} x ${name}: ${price}\n",
        html_row="<tr><td>${quantity} x</td><td>${name}</td><td>${price}</td></tr>",
    ),
    Template(
        name="order_shipped",
        values=OrderShippedValues,
        subject="Your order ${order_id} is on its way",
        text="Good news: your order ${order_id} has been shipped to ${ship_to}.\n",
        html="<p>Good news: your order <b>${order_id}</b> has been shipped to ${ship_to}.</p>",
    ),
    Template(
        name="payment_failed",
        values=PaymentFailedValues,
        subject="Your order ${order_id} could not be paid",
        text="Your order ${order_id} over ${total} could not be paid: ${reason}\nNothing was charged.\n",
        html="<p>Your order <b>${order_id}</b> over ${total} could not be paid: ${reason}</p>"
        "<p>Nothing was charged.</p>",
    ),
    Template(
        name="daily_digest",
        values=DailyDigestValues,
        subject="Your digest for ${day}",
        text="The day in figures, ${day}:\n\n${rows}\n${note}\n",
        html="<h1>${day}</h1><table>${rows}</table><p>${note}</p>",
        text_row="${label}: ${value}\n",
        html_row="<tr><td>${label}</td><td>${value}</td></tr>",
    ),
    Template(
        name="notice",
        values=NoticeValues,
        subject="${title}",
        text="${body}\n",
        html="<h1>${title}</h1><p>${body}</p>",
    ),
)

NAMES: Final = tuple(dict.fromkeys(template.name for template in TEMPLATES))


def choose_template(name: str) -> Template:
    """The newest template called `name`, or the one asked for as `name@version`.

    Raises:
        ValueError: there is none; the sentence names those there are.
    """
    wanted, at, version = name.partition("@")
    found = [t for t in TEMPLATES if t.name == wanted and (not at or str(t.version) == version)]
    if not found:
        raise ValueError(f"there is no template {name!r}; there are {', '.join(NAMES)}")
    return max(found, key=lambda template: template.version)


def read_values(template: Template, values: Mapping[str, Any]) -> Values:
    """What `template` is to be filled with, checked against its type; the subject they make is a good one.

    Raises:
        ValueError: a value is missing, unknown or not acceptable; the sentence names it.
    """
    try:
        typed = msgspec.convert(values, template.values)
    except msgspec.ValidationError as error:
        raise ValueError(f"the values of {template.name} are not right: {error}") from None
    check_subject(_fill_line(template.subject, typed))
    return typed


def fill_template(template: Template, values: Values) -> Filled:
    """What `template` says with `values`, which came from `read_values` for the same template."""
    return Filled(
        subject=_fill_line(template.subject, values),
        text=_fill(template.text, template.text_row, values, html=False),
        html=_fill(template.html, template.html_row, values, html=True),
    )


def _fill_line(pattern: str, values: Values) -> str:
    return _fill(pattern, "", values, html=False)


def _fill(pattern: str, row: str, values: Values, *, html: bool) -> str:
    said = {name: _say(getattr(values, name), row, html=html) for name in values.__struct_fields__}
    return string.Template(pattern).substitute(said)  # a gap without a value raises: the tests fill every template


def _say(value: object, row: str, *, html: bool) -> str:
    if isinstance(value, tuple):
        rows = cast("tuple[Values, ...]", value)
        return "".join(_fill(row, "", each, html=html) for each in rows)
    return escape(str(value)) if html else str(value)
