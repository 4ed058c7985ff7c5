import pickle
import time
from collections.abc import Iterator

import pytest

from headrace import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Headrace,
    HeadraceError,
    Invalid,
    NoAnswer,
    NotFound,
    NotHeadrace,
    Overloaded,
    RateLimited,
    Refused,
    ServerFault,
    TooLarge,
    Unauthenticated,
    Unreachable,
    WaitTimedOut,
)
from headrace.errors import Problem
from headrace.requests import ask, create
from headrace.retry_after import seconds_of
from headrace.retrying import LONGEST_PAUSE_SECONDS, Waiting, pause_before_retry
from tests.support.api_stand_in import ApiStandIn, api_stand_in

READ = ask("GET", "/v1/jobs")
RETRY = ask("POST", "/v1/jobs/job_1/retry", is_repeatable=False)
BUSY = ApiError.of(503, {"retry-after": "2"}, b'{"code":"overloaded","retryable":true}')
LIMITED = ApiError.of(429, {"retry-after": "3"}, b'{"code":"rate_limited","retryable":true}')
LOST = Unreachable("The connection broke.")
UNSENT = Unreachable("Nobody is there.", is_unsent=True)


@pytest.fixture
def api() -> Iterator[ApiStandIn]:
    with api_stand_in() as stand_in:
        yield stand_in


@pytest.mark.parametrize("failure", [BUSY, LIMITED, LOST, UNSENT, NoAnswer("Late.")])
def test_what_may_be_repeated_is_sent_again_after_what_passes(failure: HeadraceError) -> None:
    assert pause_before_retry(READ, failure, 1) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_what_cannot_succeed_is_never_sent_again(status: int) -> None:
    assert pause_before_retry(READ, ApiError.of(status, {}, b"{}"), 1) is None


def test_what_must_not_be_done_twice_is_sent_again_only_if_it_was_not_done() -> None:
    assert pause_before_retry(RETRY, UNSENT, 1) is not None
    assert pause_before_retry(RETRY, LIMITED, 1) is not None
    assert [pause_before_retry(RETRY, failure, 1) for failure in (LOST, NoAnswer("Late."), BUSY)] == [None] * 3


def test_what_the_api_says_of_retrying_is_believed_over_its_status() -> None:
    assert pause_before_retry(READ, ApiError.of(409, {}, b'{"retryable":true}'), 1) is not None
    assert pause_before_retry(READ, ApiError.of(503, {}, b'{"retryable":false}'), 1) is None


def test_the_time_the_api_names_is_kept_to_and_one_too_long_is_told() -> None:
    assert 2 <= (pause_before_retry(READ, BUSY, 1) or 0) <= 2.1
    assert pause_before_retry(READ, ApiError.of(429, {"retry-after": "3600"}, b"{}"), 1) is None


def test_pauses_are_drawn_from_a_range_that_doubles_and_is_capped() -> None:
    for tried, most in ((1, 1.0), (2, 2.0), (3, 4.0), (9, LONGEST_PAUSE_SECONDS)):
        drawn = [pause_before_retry(READ, LOST, tried) or 0.0 for _ in range(300)]
        assert max(drawn) <= most
        assert max(drawn) > most / 2 > min(drawn)


@pytest.mark.parametrize(
    ("spelled", "seconds"),
    [("2", 2.0), ("-5", 0.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), ("nan", None), (None, None)],
)
def test_a_retry_after_is_seconds_or_a_date_or_nothing(spelled: str | None, seconds: float | None) -> None:
    assert seconds_of(spelled) == seconds


def test_a_submission_that_is_refused_for_now_is_sent_again_under_the_same_key(api: ApiStandIn) -> None:
    api.answers("POST", "/v1/bulk-actions", {"code": "overloaded", "retryable": True}, 503, {"Retry-After": "0"})
    api.answers("POST", "/v1/bulk-actions", {"code": "rate_limited", "retryable": True}, 429, {"Retry-After": "0"})
    api.answers("POST", "/v1/bulk-actions", {"id": "bulk_1"}, 202)
    with Headrace(api.url, "hr_key") as client, pytest.raises(NotHeadrace):
        client.bulk_actions.start("retry")  # the stand-in's answer lacks most of what an action has
    assert len({asked.headers["idempotency-key"] for asked in api.asked}) == 1
    assert len({asked.body for asked in api.asked}) == 1
    assert len(api.asked) == 3


def test_a_client_gives_up_after_as_many_retries_as_it_was_told(api: ApiStandIn) -> None:
    api.answers("GET", "/v1/me", {"retryable": True, "detail": "Full."}, 503, {"Retry-After": "0"})
    with Headrace(api.url, "hr_key", max_retries=2) as client, pytest.raises(Overloaded, match="Full"):
        client.me()
    assert len(api.asked) == 3


def test_a_call_does_not_outlast_the_time_it_was_given(api: ApiStandIn) -> None:
    api.answers("GET", "/v1/x", {"retryable": True}, 503, {"Retry-After": "30"})
    began = time.monotonic()
    with Headrace(api.url, "hr_key") as client, pytest.raises(Overloaded):
        client.request("GET", "/v1/x", within=0.5)
    assert time.monotonic() - began < 5


def test_every_meaning_has_a_class_of_its_own() -> None:
    meanings = {
        400: Refused, 401: Unauthenticated, 403: Forbidden, 404: NotFound, 405: Refused, 409: Conflict, 410: Gone,
        413: TooLarge, 415: Refused, 422: Invalid, 429: RateLimited, 500: ServerFault, 502: ServerFault,
        503: Overloaded,
    }  # fmt: skip
    assert {status: type(ApiError.of(status, {}, b"<html>")) for status in meanings} == meanings
    assert issubclass(Gone, NotFound)


def test_an_error_says_what_is_wrong_where_and_how_it_is_found_again() -> None:
    body = (
        b'{"type":"http://x/problems/body_invalid","title":"Not valid","detail":"2 fields are wrong.",'
        b'"code":"body_invalid",'
        b'"request_id":"req_1","retryable":false,"errors":[{"pointer":"/input/text","detail":"Too short."},'
        b'{"pointer":"/priority","detail":"Too high."}]}'
    )
    error = ApiError.of(422, {}, body)
    assert str(error) == (
        "2 fields are wrong. /input/text: Too short.; /priority: Too high. (422, body_invalid, request req_1)"
    )
    assert [field.pointer for field in error.errors] == ["/input/text", "/priority"]
    assert (error.code, error.request_id, error.retryable) == ("body_invalid", "req_1", False)
    assert "HEADRACE_API_KEY" in str(ApiError.of(401, {}, b"{}"))


def test_an_answer_of_a_proxy_on_the_way_is_told_by_its_status_and_the_id_it_passed_on() -> None:
    error = ApiError.of(502, {"x-request-id": "req_2"}, b"<html>Bad Gateway")
    assert (error.request_id, error.retryable) == ("req_2", True)
    assert "502" in str(error)


def test_errors_cross_processes_whole() -> None:
    error = ApiError.of(429, {"retry-after": "3"}, b'{"code":"rate_limited","detail":"Slower."}')
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert isinstance(copy, RateLimited)
    assert (str(copy), copy.retry_after, copy.problem) == (str(error), 3.0, error.problem)
    assert isinstance(error.problem, Problem)


def test_nobody_at_the_address_is_told_with_a_remedy() -> None:
    with Headrace("http://127.0.0.1:1", "hr_key", max_retries=0) as client, pytest.raises(Unreachable) as told:
        client.me()
    assert "./headrace up" in str(told.value)
    assert told.value.is_unsent


def test_a_submission_is_never_repeated_under_two_keys() -> None:
    assert create("/v1/jobs", {}, key="mine").headers["Idempotency-Key"] == "mine"


def test_waiting_rides_out_what_passes_and_not_what_stays() -> None:
    waiting = Waiting(10, "job_1")
    assert 0 <= waiting.pause_after(LOST) <= 10
    with pytest.raises(NotFound):
        waiting.pause_after(ApiError.of(404, {}, b"{}"))
    over = Waiting(0, "job_1")
    assert over.left(30) == 0
    with pytest.raises(WaitTimedOut, match="job_1 is not finished after 0 s; it goes on"):
        over.check()
