from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.emails.header import check_address, check_subject
from domain.emails.message import Mail, compose
from domain.emails.send_email import SEND_EMAIL, SendEmail


def decode(**fields: Any) -> SendEmail:  # noqa: ANN401 - JSON
    return msgspec.json.decode(msgspec.json.encode({"to": ["ada@example.com"]} | fields), type=SendEmail)


def refusal(**fields: Any) -> str:  # noqa: ANN401 - JSON
    with pytest.raises(msgspec.ValidationError) as error:
        decode(**fields)
    return str(error.value)


def test_an_email_is_written_out() -> None:
    email = decode(cc=["b@x.example"], bcc=["c@x.example"], reply_to="d@x.example", subject="Hi", text="T", html="H")
    assert compose(email, message_id="msg_1", sender="me@x.example") == Mail(
        message_id="msg_1",
        sender="me@x.example",
        to=("ada@example.com",),
        cc=("b@x.example",),
        bcc=("c@x.example",),
        reply_to="d@x.example",
        subject="Hi",
        text="T",
        html="H",
    )


def test_an_email_is_written_by_a_template() -> None:
    email = decode(template="welcome", values={"name": "Ada & Co", "url": "https://x.example/a?b=1&c=2"})
    mail = compose(email, message_id="msg_1", sender="me@x.example")
    assert mail.subject == "Welcome, Ada & Co"
    assert mail.text is not None
    assert "Start here: https://x.example/a?b=1&c=2" in mail.text
    assert mail.html is not None
    assert "Hello Ada &amp; Co" in mail.html
    assert 'href="https://x.example/a?b=1&amp;c=2"' in mail.html


@pytest.mark.parametrize("body", [{"text": "T"}, {"html": "H"}, {"text": "T", "html": "H"}, {"text": ""}])
def test_one_body_is_enough(body: dict[str, str]) -> None:
    decode(subject="Hi", **body)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "subject is needed"),
        ({"subject": "Hi"}, "text or html is needed"),
        ({"text": "Hi"}, "subject is needed"),
        ({"subject": "Hi", "text": "T", "values": {}}, "values fill a template"),
        ({"template": "welcome", "values": {"name": "A", "url": "https://x"}, "subject": "Hi"}, "subject cannot stand"),
        ({"template": "welcome", "values": {"name": "A", "url": "https://x"}, "text": "T"}, "text cannot stand"),
        ({"template": "welcome"}, "missing required field `name`"),
        ({"template": "welcome", "values": {"name": "A", "url": "https://x", "age": 3}}, "unknown field `age`"),
        ({"template": "welcome", "values": {"name": "A", "url": "javascript:alert(1)"}}, "$.url"),
        ({"template": "welcome", "values": {"name": "A\nBcc: x", "url": "https://x"}}, "no line breaks"),
        ({"template": "welcom"}, "there is no template 'welcom'; there are welcome"),
        ({"subject": "Hi", "text": "T", "to": []}, "length >= 1"),
        ({"subject": "Hi", "text": "T", "to": ["nobody"]}, "$.to[0]"),
        ({"subject": "Hi", "text": "T", "to": ["Ada <ada@example.com>"]}, "$.to[0]"),
        ({"subject": "Hi", "text": "T", "bcc": ["a@b.example", "a..b@c.example"]}, "$.bcc[1]"),
        ({"subject": "Hi", "text": "T", "reply_to": "a@b.c\n"}, "reply_to: "),
        ({"subject": "Hi\r\nBcc: x@y.example", "text": "T"}, "subject: a subject has no line breaks"),
        ({"subject": " ", "text": "T"}, "not blank"),
        ({"subject": "x" * 999, "text": "T"}, "$.subject"),
        ({"subject": "Hi", "text": "x" * (256 * 1024 + 1)}, "$.text"),
        ({"subject": "Hi", "html": "x" * (256 * 1024 + 1)}, "$.html"),
        ({"subject": "Hi", "text": "T", "from": "x@y.example"}, "unknown field `from`"),
        (
            {"subject": "Hi", "text": "T", "cc": ["c@d.example"] * 30, "bcc": ["c@d.example"] * 20},
            "at most 50 addresses together",
        ),
    ],
)
def test_what_makes_no_email_is_refused_with_the_reason(fields: dict[str, Any], says: str) -> None:
    assert says in refusal(**fields)


def test_every_problem_is_named_at_once() -> None:
    said = refusal(to=["a@192.0.2.1"], subject="a\tb", values={})
    assert [name in said for name in ("to/0: ", "values", "subject", "text or html")] == [True] * 4


@pytest.mark.parametrize(
    "address",
    [
        "a@b.de",
        "first.last+tag@sub.example.co.uk",
        "o'hara!#$%&*/=?^_`{|}~-@example.com",
        "post@bücher.example",
        "post@xn--bcher-kva.example",
        "x@例え.テスト",
        "x" * 64 + "@example.com",
        "x@" + "y" * 63 + ".example",
        "x@" + ".".join(["y" * 49] * 5),  # 249 in the domain, 251 in all
    ],
)
def test_an_address_people_have_is_accepted(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a@",
        "@b.de",
        "a",
        "a@b",
        "a@b.",
        "a@.b",
        "a@b..de",
        "a@-b.de",
        "a@b-.de",
        "a@b_c.de",
        "a@1.2.3.4",
        "a@[127.0.0.1]",
        ".a@b.de",
        "a.@b.de",
        "a..b@c.de",
        '"a b"@c.de',
        "a b@c.de",
        "a@b c.de",
        "a@b.de\n",
        "a\r\n@b.de",
        "a\x00@b.de",
        "a@b\x00.de",
        "<a@b.de>",
        "a@b@c.de",
        "ä@b.de",
        "a@b。de.example",
        "a@ﬁ.example",
        "a@bu\u0308cher.example",  # decomposed
        "a@\u202eb.example",
        "x" * 65 + "@example.com",
        "x@" + "y" * 64 + ".example",
        "x@" + "ü" * 60 + ".example",
        "x" * 10 + "@" + ".".join(["y" * 60] * 4) + ".de",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_address(address)


@given(st.text(max_size=300))
def test_no_text_at_all_gets_a_line_break_or_a_space_through(text: str) -> None:
    for address in (f"{text}@example.com", f"a@{text}.com", text):
        try:
            check_address(address)
        except ValueError:
            continue
        assert not any(character.isspace() or not character.isprintable() for character in address)


@pytest.mark.parametrize("breaks", ["\n", "\r", "\t", "\x00", "\x0b", "\x7f", "\x85", "\u2028", "\u2029"])
def test_no_line_break_of_any_script_gets_into_a_subject(breaks: str) -> None:
    with pytest.raises(ValueError, match="no line breaks"):
        check_subject(f"a{breaks}b")


@given(st.text(max_size=1100))
def test_a_subject_that_passes_is_one_line(subject: str) -> None:
    try:
        check_subject(subject)
    except ValueError:
        return
    assert 0 < len(subject) <= 998
    assert len(subject.splitlines()) == 1


def test_the_example_is_an_email_and_survives_storage() -> None:
    stored = msgspec.json.encode(SEND_EMAIL.example)
    assert msgspec.json.decode(stored, type=SendEmail) == SEND_EMAIL.example
