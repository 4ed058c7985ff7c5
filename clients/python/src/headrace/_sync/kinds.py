"""Jobs of the platform's own kinds. Made by `python -m tools.client`: do not edit."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from headrace._sync.job import Job
from headrace._sync.jobs import Jobs
from headrace.models import (
    Address,
    CancelOrder,
    CartLine,
    Classification,
    Classify,
    EmailSent,
    Generate,
    Generated,
    GenerateFormat,
    Label,
    Moderate,
    Moderation,
    OrderCancelled,
    OrderPlaced,
    OrderShipped,
    PlaceOrder,
    SendEmail,
    ShipOrder,
    Summarize,
    Summary,
)
from headrace.options import SubmitOptions, listed


class OrdersKinds:
    """Submits the jobs of `orders`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def place(
        self,
        lines: Sequence[CartLine],
        *,
        ship_to: Address | None = None,
        customer_id: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job[OrderPlaced]:
        """Buy products with store credit: `orders.place`.

        What to buy. The buyer is the caller, unless a caller with `orders:manage` names another customer.
        """
        return self._jobs.submit(PlaceOrder(lines=listed(lines), ship_to=ship_to, customer_id=customer_id), **options)

    def cancel(self, order_id: str, **options: Unpack[SubmitOptions]) -> Job[OrderCancelled]:
        """Call off a paid order that has not been shipped: stock and money are given back, once: `orders.cancel`.

        Which order to call off: one's own, or with `orders:manage` anybody's.
        """
        return self._jobs.submit(CancelOrder(order_id=order_id), **options)

    def ship(self, order_id: str, **options: Unpack[SubmitOptions]) -> Job[OrderShipped]:
        """Send a paid order on its way and tell the customer: `orders.ship`.

        Which order to send. A paid order submits this by itself, once its buyer has had time to cancel.
        """
        return self._jobs.submit(ShipOrder(order_id=order_id), **options)


class EmailsKinds:
    """Submits the jobs of `emails`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def send(
        self,
        to: Sequence[str],
        *,
        cc: Sequence[str] = (),
        bcc: Sequence[str] = (),
        reply_to: str | None = None,
        subject: str | None = None,
        text: str | None = None,
        html: str | None = None,
        template: str | None = None,
        values: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job[EmailSent]:
        """Send an e-mail, written out or by template: `emails.send`.

        An e-mail to send: either `subject` with `text`, `html` or both, or `template` with its `values`.

        - `bcc`: Not named in the mail
        - `reply_to`: A bare e-mail address; its domain may be international
        - `template`: `name` or `name@version`
        - `values`: What the template is filled with
        """
        return self._jobs.submit(
            SendEmail(
                to=listed(to),
                cc=listed(cc),
                bcc=listed(bcc),
                reply_to=reply_to,
                subject=subject,
                text=text,
                html=html,
                template=template,
                values=None if values is None else dict(values),
            ),
            **options,
        )


class TextKinds:
    """Submits the jobs of `text`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def summarize(
        self, text: str, *, max_chars: int = 100, language: str | None = None, **options: Unpack[SubmitOptions]
    ) -> Job[Summary]:
        """Say a text in at most max_chars characters: `text.summarize`.

        A text to be said in at most `max_chars` characters; `language` is the text's own, where the caller knows it.

        - `text`: the text, up to 500,000 characters
        - `max_chars`: the most characters the summary may have
        - `language`: a language tag (BCP 47), such as en or pt-BR
        """
        return self._jobs.submit(Summarize(text=text, max_chars=max_chars, language=language), **options)

    def moderate(self, text: str, **options: Unpack[SubmitOptions]) -> Job[Moderation]:
        """Judge whether a text is toxic, and name its issues: `text.moderate`.

        A text to be judged.

        - `text`: the text, up to 500,000 characters
        """
        return self._jobs.submit(Moderate(text=text), **options)

    def classify(
        self, text: str, *, labels: Sequence[str | Label] | None = None, **options: Unpack[SubmitOptions]
    ) -> Job[Classification]:
        """Find the topic, sentiment and language of a text: `text.classify`.

        A text to be put under one of `labels`, or under one of the platform's own when none are given.

        - `text`: the text, up to 500,000 characters
        """
        return self._jobs.submit(Classify(text=text, labels=None if labels is None else listed(labels)), **options)

    def generate(
        self,
        format: GenerateFormat,
        brief: str,
        *,
        tone: str | None = None,
        max_words: int | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job[Generated]:
        """Write an e-mail, a blog post or a product description from a brief: `text.generate`.

        A brief to be written out in a format.

        - `brief`: what the text shall say, facts included
        - `tone`: how it shall sound: formal, friendly, playful …
        - `max_words`: the most words the text may have
        """
        return self._jobs.submit(Generate(format=format, brief=brief, tone=tone, max_words=max_words), **options)
