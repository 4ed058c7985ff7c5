from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.durations import parse_duration
from headrace import Headrace, NewJob
from headrace.models import CartLine, PlaceOrder, Summarize
from headrace.options import body_of
from headrace.requests import Duration, as_seconds, ask, create, encoded, segment, spelled_duration, spelled_query
from headrace.target import find_target


@pytest.mark.parametrize(
    ("duration", "spelled"),
    [(30, "30s"), (0.25, "250ms"), (timedelta(hours=1, minutes=30), "5400s"), ("1h30m", "1h30m"), (1.5, "1500ms")],
)
def test_a_duration_is_spelled_as_the_api_reads_it(duration: Duration, spelled: str) -> None:
    assert spelled_duration(duration) == spelled
    assert parse_duration(spelled).total_seconds() == as_seconds(duration)


def test_a_text_that_is_no_duration_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(ValueError, match="30s, 5m or 1h30m"):
        as_seconds("soon")


def test_parameters_without_a_value_are_left_out_and_times_are_in_utc() -> None:
    at = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert spelled_query({"q": None, "in_stock": True, "state": ["queued", "failed"], "n": 3, "after": at}) == {
        "in_stock": "true",
        "state": ["queued", "failed"],
        "n": "3",
        "after": "2030-01-01T00:00:00Z",
    }
    with pytest.raises(ValueError, match="names no time zone"):
        spelled_query({"after": datetime(2030, 1, 1)})  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("text", ["", ".", "..", "..."])
def test_what_is_no_id_reaches_no_route(text: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        segment(text)


def test_an_id_stays_one_segment_of_the_path() -> None:
    assert segment("a/../b?c") == "a%2F..%2Fb%3Fc"


def test_what_makes_something_has_a_key_of_its_own_and_no_wait_longer_than_the_api_allows() -> None:
    one, other = create("/v1/jobs", {}, wait=600), create("/v1/jobs", {})
    assert one.headers["Idempotency-Key"] != other.headers["Idempotency-Key"]
    assert (one.headers["Prefer"], one.waits) == ("wait=60", 60)
    assert "Prefer" not in ask("GET", "/v1/jobs", wait=0.5).headers


def test_options_are_spelled_as_the_contract_has_them() -> None:
    body = body_of(
        Summarize(text="Long.", max_chars=50),
        None,
        {
            "priority": 5,
            "tags": ["news"],
            "metadata": {"ticket": "42"},
            "run_at": datetime(2030, 1, 1, tzinfo=UTC),
            "expires_in": timedelta(days=1),
            "unique_for": "1h",
            "unique_key": "k",
            "webhook": "https://example.com/hook",
            "idempotency_key": "mine",
            "wait": 5,
        },
    )
    assert encoded(body) == (
        b'{"kind":"text.summarize","input":{"text":"Long.","max_chars":50},"priority":5,"tags":["news"],'
        b'"metadata":{"ticket":"42"},"run_at":"2030-01-01T00:00:00Z","expires_in":"86400s",'
        b'"unique":{"for":"1h","key":"k"},"webhook":{"url":"https://example.com/hook"}}'
    )


def test_what_an_input_does_not_say_is_not_sent() -> None:
    order = NewJob(PlaceOrder(lines=(CartLine(product_id="product_1", quantity=2),)))
    assert encoded(order.body()) == (
        b'{"kind":"orders.place","input":{"lines":[{"product_id":"product_1","quantity":2}]}}'
    )


def test_a_text_given_for_a_list_is_refused_and_not_taken_for_letters() -> None:
    with pytest.raises(TypeError, match="A list is wanted"):
        NewJob("text.moderate", {"text": "a"}, tags="news").body()
    with Headrace("http://127.0.0.1:1") as client, pytest.raises(TypeError, match=r"ada@example\.com"):
        client.emails.send("ada@example.com", subject="Hello", text="Hello")


def test_two_inputs_are_refused_and_so_is_a_key_without_a_time() -> None:
    with pytest.raises(TypeError, match="is the input already"):
        NewJob(Summarize(text="Long."), {"text": "Other."})
    with pytest.raises(TypeError, match="unique_for"):
        NewJob("text.moderate", {"text": "a"}, unique_key="k").body()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[::1", "http://a:99999"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"write http://host:port"):
        Headrace(url, "hr_key")


def test_address_and_key_come_from_the_environment_when_they_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_URL", "http://127.0.0.1:7/")
    monkeypatch.setenv("HEADRACE_API_KEY", "hr_env")
    found, other = find_target(None, None), find_target("http://127.0.0.1:8", "hr_own")
    assert (found.url, found.headers) == ("http://127.0.0.1:7", {"Authorization": "Bearer hr_env"})
    assert (other.url, other.headers) == ("http://127.0.0.1:8", {"Authorization": "Bearer hr_own"})
    assert "hr_own" not in repr(other)


@pytest.mark.parametrize("key", ["with space", "new\nline", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(key: str) -> None:
    with pytest.raises(ValueError, match="characters no key has"):
        Headrace("http://127.0.0.1:1", key)
