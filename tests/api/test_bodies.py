"""The body guard: whatever bytes come, a decoded Struct or a sentence about them."""

import time
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from api.bodies import (
    BodyInvalid,
    BodyMalformed,
    MediaTypeUnsupported,
    check_media_type,
    decode_body,
)
from api.fields import FieldError
from domain.errors import HeadraceError


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    sku: Annotated[str, Meta(min_length=1)]
    quantity: Annotated[int, Meta(ge=1)] = 1


class Cart(Struct, frozen=True, forbid_unknown_fields=True, tag="cart", tag_field="kind"):
    lines: tuple[Line, ...]
    notes: dict[Annotated[str, Meta(max_length=3)], str] = {}


class Return(Struct, frozen=True, forbid_unknown_fields=True, tag="return", tag_field="kind"):
    order: str
    extra: Any = None

    def __post_init__(self) -> None:
        if self.order == "none":
            raise ValueError("an order is needed")


def wrong(body: bytes, wanted: Any) -> dict[str, str]:  # noqa: ANN401 - any annotation
    with pytest.raises(BodyInvalid) as caught:
        decode_body(body, wanted)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_a_good_body_becomes_its_struct() -> None:
    assert decode_body(b'{"kind":"cart","lines":[{"sku":"a","quantity":2}]}', Cart | Return) == Cart((Line("a", 2),))


def test_all_failing_fields_are_named_not_only_the_first() -> None:
    body = b'{"kind":"cart","lines":[{"sku":"","quantity":0},{"quantitty":3}],"notes":{"long~/":5}}'
    errors = wrong(body, Cart | Return)
    assert set(errors) == {"/lines/0/sku", "/lines/0/quantity", "/lines/1/sku", "/lines/1/quantitty", "/notes/long~0~1"}
    assert "quantity" in errors["/lines/1/quantitty"]
    assert errors["/lines/1/sku"] == "This field is needed."


@pytest.mark.parametrize("body", [b'{"lines":[]}', b'{"kind":"crat"}', b'{"kind":7}', b'{"kind":null}'])
def test_an_unknown_form_names_the_forms_there_are(body: bytes) -> None:
    assert wrong(body, Cart | Return) == {"/kind": "Expected one of cart, return."}


def test_what_a_struct_checks_by_itself_is_reported_at_the_struct() -> None:
    assert wrong(b'{"kind":"return","order":"none"}', Cart | Return) == {"": "an order is needed"}


def test_types_are_strict() -> None:
    assert set(wrong(b'{"sku":"a","quantity":"3"}', Line)) == {"/quantity"}
    assert set(wrong(b'{"sku":"a","quantity":1.0}', Line)) == {"/quantity"}
    assert set(wrong(b"[]", Line)) == {""}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"\xef\xbb\xbf{}",
        b'{"order":"\xff"}',
        b'{"order":"\xed\xa0\x80"}',
        b'{"order":"\\ud800"}',
        b'{"order":"\\udc00\\ud800"}',
        b'{"order":"\x00"}',
        b"NaN",
        b'{"a":-Infinity}',
        b"{'a':1}",
        b"{}{}",
        b"[" * 100,
        b'{"a":' * 5000,
        b"-" * 100,
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        decode_body(body, Return)


def test_nul_is_refused_where_it_stands_and_an_escaped_backslash_is_none() -> None:
    assert set(wrong(b'{"kind":"return","order":"a\\u0000"}', Return)) == {"/order"}
    assert set(wrong(b'{"kind":"return","order":"a","extra":[{"b\\u0000":1}]}', Return)) == {"/extra/0"}
    assert decode_body(b'{"kind":"return","order":"\\\\u0000"}', Return).order == "\\u0000"


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "1" * 5000])
def test_integers_past_64_bits_are_refused(number: str) -> None:
    assert set(wrong(f'{{"kind":"return","order":"a","extra":[{number}]}}'.encode(), Return)) == {"/extra/0"}


def test_the_outermost_integers_of_64_bits_pass() -> None:
    body = b'{"kind":"return","order":"a","extra":[9223372036854775807,-9223372036854775808]}'
    assert decode_body(body, Return).extra == [2**63 - 1, -(2**63)]


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(HeadraceError):
        decode_body(b'{"kind":"return","order":"a","extra":1e999}', Return)


def test_nesting_is_allowed_64_deep_and_no_deeper() -> None:
    def nested(levels: int) -> bytes:
        return b'{"kind":"return","order":"a","extra":' + b"[" * levels + b"]" * levels + b"}"

    assert decode_body(nested(63), Return)
    assert wrong(nested(64), Return) == {"": "Nested deeper than 64 levels."}
    brackets_in_text = msgspec.json.encode({"kind": "return", "order": "[" * 1000 + '"' + "{" * 1000})
    assert decode_body(brackets_in_text, Return)


def test_a_name_that_stands_twice_in_one_object_is_refused() -> None:
    assert "order" in wrong(b'{"kind":"return","order":"a","order":"b"}', Return)[""]


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 500_000,
        b"[" * 1_000_000,
        b"[]" * 500_000,
        (b"[" * 64 + b"]" * 64 + b",") * 8_000,
        b'["\\"' * 250_000,
        b"1" * 1_000_000,
        b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b',"99999":1}',
        b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}",
    ],
)
def test_no_mebibyte_of_malice_takes_long(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(HeadraceError):
        decode_body(body, Return)
    assert time.process_time() - began < 2


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_decoded_or_explained(body: bytes) -> None:
    with suppress(BodyInvalid, BodyMalformed):
        decode_body(body, Cart | Return)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "lines", "sku", "quantity", "order", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_is_decoded_or_explained_field_by_field(value: Any) -> None:  # noqa: ANN401 - any JSON
    errors: list[FieldError] | None = None
    try:
        decode_body(msgspec.json.encode(value), Cart | Return)
    except BodyInvalid as error:
        errors = error.errors
    except BodyMalformed:
        pass
    assert errors is None or (errors and all(one.detail for one in errors))


@pytest.mark.parametrize(
    "good",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_json_in_utf8_is_accepted(good: str) -> None:
    check_media_type(good)


@pytest.mark.parametrize(
    "bad",
    [None, "", "text/plain", "application/x-json", "application/json; charset=latin-1", "application/problem+json"],
)
def test_any_other_media_type_is_refused(bad: str | None) -> None:
    with pytest.raises(MediaTypeUnsupported):
        check_media_type(bad)
