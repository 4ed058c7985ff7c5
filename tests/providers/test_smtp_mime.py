from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.emails.message import Mail
from providers.mail.mime import bare_address, to_bytes

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PRINTABLE = st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))


def written(  # the fields a test cares about
    *, subject: str = "News", text: str | None = "Hello", html: str | None = None, sender: str = "a@b.example"
) -> bytes:
    mail = Mail(message_id="msg_1", sender=sender, to=("ada@example.com",), subject=subject, text=text, html=html)
    return to_bytes(mail, now=NOW)


def parse(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


@settings(max_examples=200, deadline=None)
@given(st.text(PRINTABLE, min_size=1, max_size=998))
def test_any_subject_is_read_as_it_was_written(subject: str) -> None:
    content = written(subject=subject)
    assert parse(content)["Subject"] == subject


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('ab =?_-"<>'), min_size=1, max_size=300))
def test_any_plain_subject_is_read_as_it_was_written(subject: str) -> None:
    assert parse(written(subject=subject))["Subject"] == subject


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(PRINTABLE | st.just("\n"), max_size=400),
    html=st.none() | st.text(PRINTABLE | st.just("\n"), max_size=400),
)
def test_every_line_is_ascii_and_short_and_the_bodies_are_read_as_written(text: str, html: str | None) -> None:
    content = written(text=text, html=html)
    assert all(len(line) <= 78 for line in content.split(b"\r\n"))
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    message = parse(content)
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")


def test_plain_english_is_not_encoded() -> None:
    subject = "Your order of the first of March has been shipped and will reach you on Thursday at the latest"
    content = written(subject=subject)
    assert b"=?" not in content
    assert b"Subject: Your order of the first" in content
    assert parse(content)["Subject"] == subject


def test_a_subject_that_looks_encoded_is_not_decoded_by_the_reader() -> None:
    subject = "=?utf-8?q?a=0D=0ABcc:_eve@example.com?="
    message = parse(written(subject=subject))
    assert message["Subject"] == subject
    assert message["Bcc"] is None


def test_text_and_html_are_alternatives_the_richer_last() -> None:
    message = parse(written(text="Grüße", html="<p>Grüße</p>"))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Grüße", "<p>Grüße</p>"]


def test_html_alone_stands_alone() -> None:
    assert parse(written(text=None, html="<p>Hi</p>")).get_content_type() == "text/html"


def test_the_senders_name_may_be_in_any_script() -> None:
    message = parse(written(sender='"Müller, Söhne" <post@bücher.example>'))
    (address,) = message["From"].addresses
    assert address.display_name == "Müller, Söhne"
    assert address.addr_spec == "post@xn--bcher-kva.example"


def test_the_headers_are_complete() -> None:
    mail = Mail(
        message_id="msg_1",
        sender="Headrace <a@b.example>",
        to=("ada@example.com", "bob@example.com"),
        cc=("cy@example.com",),
        bcc=("eve@example.com",),
        reply_to="desk@example.com",
        subject="News",
        text="Hi",
    )
    message = parse(to_bytes(mail, now=NOW))
    assert {name: str(message[name]) for name in ("From", "To", "Cc", "Bcc", "Reply-To", "Message-ID", "Date")} == {
        "From": "Headrace <a@b.example>",
        "To": "ada@example.com, bob@example.com",
        "Cc": "cy@example.com",
        "Bcc": "None",
        "Reply-To": "desk@example.com",
        "Message-ID": "<msg_1@headrace>",
        "Date": "Sun, 01 Mar 2026 12:30:00 +0000",
    }


def test_a_sender_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="no e-mail address"):
        bare_address("Headrace")
