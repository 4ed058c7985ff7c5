"""What every answer carries, and that none is a 5xx, whatever is sent."""

import asyncio
import gzip
import re

import httpx
import msgspec
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from api import envelope
from tests.api.conftest import SUMMARIZE, House, Problem, exchange

PATHS = ["/", "/v1/jobs", "/v1/nowhere", "/health/live", "/docs", "/problems/x", "/%00"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_an_id_and_guards_the_browser(house: House, path: str) -> None:
    answer = await house.client.get(path)
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "server" not in answer.headers


async def test_what_is_said_to_a_caller_is_kept_for_nobody_else(house: House) -> None:
    job = await house.submit()
    key = house.client.headers.pop("authorization").removeprefix("Bearer ")
    for path, status in ((f"/v1/jobs/{job['id']}", 200), ("/v1/jobs", 200), ("/v1/jobs/none", 404), ("/v1/no", 404)):
        answer = await house.client.get(path, headers={"X-API-Key": key})
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "private, no-cache")
    exported = await house.client.get("/v1/jobs/export", headers={"X-API-Key": key})
    assert exported.headers.get_list("cache-control") == ["no-store"]
    assert "cache-control" not in (await house.client.get("/health/live")).headers


async def test_a_sane_request_id_is_echoed_and_any_other_replaced(house: House) -> None:
    for given in ("a", "A-b_c.9", "x" * 128):
        assert (await house.client.get("/", headers={"X-Request-Id": given})).headers["x-request-id"] == given
    for given in ("", "x" * 129, "a b", "a\xe9", "<script>", "a;b"):
        answer = await house.client.get("/", headers=[(b"X-Request-Id", given.encode("latin-1"))])
        assert answer.headers["x-request-id"].startswith("req_")


async def test_a_request_is_one_log_line_with_its_id_and_without_its_key(house: House) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        await house.client.post("/v1/jobs", json=SUMMARIZE, headers={"X-Request-Id": "r-1"})
    (line,) = [line for line in lines if line["event"] == "http.answered"]
    assert (line["method"], line["path"], line["status"], line["request_id"]) == ("POST", "/v1/jobs", 202, "r-1")
    assert line["tenant_id"] == house.tenant_id
    assert "hr_" not in str(lines)


async def test_a_packed_body_is_refused_and_what_is_taken_is_named(house: House, problem: Problem) -> None:
    packed = gzip.compress(msgspec.json.encode(SUMMARIZE))
    for path, media_type in [("/v1/jobs", "application/json"), ("/v1/batches", "application/x-ndjson")]:
        headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
        answer = await house.client.post(path, content=packed, headers=headers)
        assert (answer.status_code, problem(answer)["code"]) == (415, "encoding_unsupported")
        assert answer.headers["accept-encoding"] == "identity"
    plain = await house.client.post("/v1/jobs", json=SUMMARIZE, headers={"Content-Encoding": "Identity"})
    assert plain.status_code == 202


async def test_head_answers_as_get_without_a_body(address: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.head(f"{address}/health/live")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0


async def test_another_method_is_refused_and_the_right_ones_named(house: House, problem: Problem) -> None:
    answer = await house.client.delete("/v1/jobs")
    assert (answer.status_code, problem(answer)["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/jobs/", "/schema", "/docs/..", "//", "/v1//jobs"])
async def test_an_unknown_path_is_a_problem_too(house: House, problem: Problem, path: str) -> None:
    answer = await house.client.get(path)
    assert answer.status_code in {200, 404}
    if answer.status_code == 404:
        assert problem(answer)["code"] == "not_found"


@pytest.mark.parametrize(
    "url", ["/v1/jobs/%00", "/v1/jobs?tag=%00", "/v1/jobs/%ff", "/v1/jobs?tag=%ED%A0%80", "/%C3%28"]
)
async def test_a_url_that_no_column_could_hold_is_malformed(house: House, problem: Problem, url: str) -> None:
    answer = await house.client.get(url)
    assert (answer.status_code, problem(answer)["code"]) == (400, "malformed")


async def test_a_url_without_end_is_refused(house: House, problem: Problem) -> None:
    answer = await house.client.get("/v1/jobs?tag=" + "x" * 20_000)
    assert (answer.status_code, problem(answer)["code"]) == (414, "url_too_long")


async def test_a_body_past_a_mebibyte_is_refused_announced_or_not(house: House, problem: Problem) -> None:
    async def dripping() -> object:
        for _ in range(20):
            yield b" " * 65_536

    for body in (b" " * 1_048_577, dripping()):
        answer = await house.client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
        assert (answer.status_code, problem(answer)["code"]) == (413, "body_too_large")


NO_BODIES: list[tuple[bytes, str | None, int, str]] = [
    (b"", "application/json", 400, "body_malformed"),
    (b"", None, 400, "body_malformed"),
    (b"{", "application/json", 400, "body_malformed"),
    (b"\xff\xfe", "application/json", 400, "body_malformed"),
    (b"[" * 100_000, "application/json", 400, "body_malformed"),
    (b"[" * 100 + b"]" * 100, "application/json", 422, "body_invalid"),
    (b"null", "application/json", 422, "body_invalid"),
    (b"[]", "application/json", 422, "body_invalid"),
    (b"{}", "text/plain", 415, "media_type_unsupported"),
    (b"{}", None, 415, "media_type_unsupported"),
    (b"a=b", "application/x-www-form-urlencoded", 415, "media_type_unsupported"),
    (b"--x", "multipart/form-data; boundary=x", 415, "media_type_unsupported"),
    (b"\x80", "application/x-msgpack", 415, "media_type_unsupported"),
]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/text/summarize", "/v1/emails", "/v1/orders"])
async def test_a_body_that_is_none_is_explained(house: House, problem: Problem, path: str) -> None:
    for body, media_type, status, code in NO_BODIES:
        headers = {} if media_type is None else {"Content-Type": media_type}
        answer = await house.client.post(path, content=body, headers=headers)
        assert (answer.status_code, problem(answer)["code"]) == (status, code), (body[:20], media_type)


async def test_too_many_requests_at_once_are_turned_away(
    house: House, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "MOST_AT_ONCE", 0)
    health = await house.client.get("/health/live")
    assert health.status_code == 200  # who restarts a busy process makes it no less busy
    answer = await house.client.get("/v1/kinds")
    assert (answer.status_code, problem(answer)["code"]) == (503, "overloaded")


async def test_a_fault_of_ours_is_logged_and_not_told(
    house: House, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(house.wakeups, "listening", broken)
    job = await house.submit()
    with capture_logs() as lines:
        answer = await house.client.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=1"})
    assert (answer.status_code, problem(answer)["code"]) == (500, "internal")
    assert "secret" not in answer.text
    (line,) = [line for line in lines if line["event"] == "request.failed"]
    assert line["exc_info"]


HOSTILE = [
    b"GET /v1/jobs/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/jobs/%zz%%%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/jobs?limit=%zz&tag=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/jobs?%00=%00&=&&;;== HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1/v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //evil.example//v1/jobs HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: <script>\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-Request-Id: \x01\xff\r\nPrefer: \xff\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nCookie: \xff=\xfe; ;=;\r\nAccept: \xff\r\nContent-Type: \xff\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n{\xff\x00\xfe}",
    b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
    b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nContent-Type: application/json\r\n\r\n{",
    b"PROPFIND /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS /v1/jobs HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /v1/jobs/job_" + b"0" * 32 + b"/events HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: " + b"\xe2\x80\xae" * 1000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"nonsense\r\n\r\n",
]


@pytest.mark.parametrize("with_key", [True, False])
async def test_whatever_is_sent_is_no_fault_of_ours(house: House, address: str, with_key: bool) -> None:  # noqa: FBT001
    for request in HOSTILE:
        head, blank, rest = request.partition(b"\r\n\r\n")
        if with_key and blank:
            head += b"\r\nAuthorization: " + house.client.headers["authorization"].encode()
        with capture_logs() as lines:
            said = await asyncio.to_thread(exchange, address, head + blank + rest)
        assert not [line for line in lines if line["event"] == "request.failed"], (request, lines)
        assert re.match(rb"HTTP/1.1 [234]\d\d ", said) or said == b"", (request, said[:300])
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/health/live")).status_code == 200


async def test_what_is_no_http_is_answered_with_a_problem(address: str) -> None:
    said = await asyncio.to_thread(exchange, address, b"nonsense\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    problem = msgspec.json.decode(body)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert problem["code"] == "malformed"
    assert f"x-request-id: {problem['request_id']}".encode() in head


async def test_options_names_every_method_of_a_path(house: House) -> None:
    for path, methods in {
        "/v1/jobs": "GET, HEAD, OPTIONS, POST",
        "/v1/schedules/x": "DELETE, GET, HEAD, OPTIONS, PATCH",
        "/v1/auth/token": "OPTIONS, POST",
    }.items():
        answer = await house.client.options(path)
        assert (answer.status_code, answer.headers["allow"]) == (204, methods)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1&limit=2", "parameter_invalid"),
        ("created_after=null", "parameter_invalid"),
        ("created_after=0", "parameter_invalid"),
        ("created_after=1700000000", "parameter_invalid"),
        ("limt=1", "parameter_unknown"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(house: House, problem: Problem, query: str, code: str) -> None:
    answer = await house.client.get(f"/v1/jobs?{query}")
    assert (answer.status_code, problem(answer)["code"]) == (422, code)
    assert problem(answer)["errors"]


async def test_a_plus_that_the_url_lost_is_told(house: House, problem: Problem) -> None:
    time = "2030-01-01T00:00:00"
    for lost in ("+00:00", "+0200"):
        answer = await house.client.get(f"/v1/jobs?created_after={time}{lost}")
        assert (answer.status_code, problem(answer)["errors"][0]["pointer"]) == (422, "query:created_after")
        assert "%2B" in problem(answer)["detail"]
    assert (await house.client.get(f"/v1/jobs?created_after={time}%2B00:00")).status_code == 200


async def test_every_parameter_that_does_not_fit_is_named_whichever_function_takes_it(
    house: House, problem: Problem
) -> None:
    answer = await house.client.get("/v1/jobs?limit=abc&sort=zz&state=foo&state=queued&tag=x")
    assert {error["pointer"] for error in problem(answer)["errors"]} == {"query:limit", "query:sort", "query:state"}
    answer = await house.client.get("/v1/usage?from=5&to=zz")
    assert {error["pointer"] for error in problem(answer)["errors"]} == {"query:from", "query:to"}
    assert "such as 2026-03-01" in answer.text


async def test_no_route_takes_a_parameter_that_it_does_not_know(house: House, problem: Problem) -> None:
    for path in ("/v1/schedules", "/v1/kinds", "/v1/me"):
        answer = await house.client.get(f"{path}?no_such=1")
        assert (answer.status_code, problem(answer)["code"]) == (422, "parameter_unknown")
    assert (await house.client.get("/v1/jobs?state=queued&state=running")).status_code == 200
