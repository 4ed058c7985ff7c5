"""What is wrong with a value is said in a person's words, with what would be right."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from api.fields import field_errors
from domain.emails.send_email import EmailAddress
from domain.ids import OrderId
from tests.api.conftest import House, Problem


class Light(StrEnum):
    RED = "red"
    GREEN = "green"


@pytest.mark.parametrize(
    ("value", "wanted", "said"),
    [
        (
            "ada",
            EmailAddress,
            "Expected a bare e-mail address; its domain may be international, such as ada@example.com.",
        ),
        (
            "x",
            Annotated[OrderId, Meta(pattern="^order_[0-9a-f]{32}$")],
            "Expected an id: order_ and 32 digits, 0 to 9 and a to f.",
        ),
        (
            "x",
            Annotated[str, Meta(pattern="^a$")] | None,  # pyright: ignore[reportOperatorIssue] - a type at run time too
            "Expected a text that matches ^a$.",
        ),
        ("blue", Light, "Expected one of: red, green."),
        ("blue", Literal["red", "green"] | None, "Expected one of: red, green."),
        (1, str | None, "Expected a text or null, not a whole number."),
        (1.5, int, "Expected a whole number, not one with a fraction."),
        ([], dict[str, str], "Expected an object, not a list."),
        ("", Annotated[str, Meta(min_length=1)], "Expected at least 1 character."),
        ([1, 2], Annotated[tuple[int, ...], Meta(max_length=1)], "Expected at most 1 item."),
        (201, Annotated[int, Meta(le=200)], "Expected a whole number of at most 200."),
    ],
)
def test_a_value_that_will_not_do_is_told_what_would(value: object, wanted: Any, said: str) -> None:  # noqa: ANN401
    assert [error.detail for error in field_errors(value, wanted, "/x")] == [said]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=lost", "Expected one of: scheduled, queued, running, succeeded, failed, cancelled, expired."),
        ("limit=many", "Expected a whole number, not a text."),
        ("limit=1000", "Expected a whole number of at most 200."),
    ],
)
async def test_a_parameter_that_will_not_do_is_told_what_would(
    house: House, problem: Problem, query: str, said: str
) -> None:
    answer = await house.client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert problem(answer)["errors"] == [{"pointer": f"query:{query.partition('=')[0]}", "detail": said}]
    answer = await house.client.get("/v1/api-keys?user_id=me")
    assert "user_ and 32 digits" in problem(answer)["detail"]


async def test_a_form_that_lacks_a_field_is_told_which(house: House, problem: Problem) -> None:
    answer = await house.ask_tokens(username="ada")
    assert problem(answer)["detail"] == "The form is not complete. The field grant_type is needed."
