"""Log lines and personal data: through the real configuration, to a stream."""

import io
import json
import logging
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from domain.text.personal import find_personal
from runtime.child_logs import ChildLogs
from runtime.log_masks import LONGEST, masked_line, masked_text
from runtime.logs import configure_logs
from runtime.settings import Settings
from tools.text.personal_texts import made_texts

MAIL = "ada.byron@example.org"
PHONE = "+44 20 7946 0018"
JOB = "job_0198f3c2a1b27c3d8e4f5a6b7c8d9e0f"


class Unlucky(Exception):
    """Says more than it should."""


@pytest.fixture(autouse=True)
def _as_it_was() -> Generator[None]:
    root = logging.getLogger()
    handlers, level, hook, of_thread = root.handlers, root.level, sys.excepthook, threading.excepthook
    before = structlog.get_config()
    yield
    root.handlers, sys.excepthook, threading.excepthook = handlers, hook, of_thread
    root.setLevel(level)
    structlog.configure(**before)


def configured(log_format: Literal["console", "json"] = "json", redact: Literal["on", "off"] = "on") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(Settings(log_format=log_format, redact_logs=redact), process="tests", stream=stream)
    return stream


def fail() -> None:
    try:
        raise Unlucky(f"no such mailbox: {MAIL}")  # noqa: TRY301 - so that one causes the other
    except Unlucky as error:
        raise Unlucky(f"call {PHONE}") from error


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_fields_causes_and_tracebacks_hold_placeholders(log_format: Literal["console", "json"]) -> None:
    stream = configured(log_format)
    try:
        fail()
    except Unlucky as error:
        structlog.get_logger().error(
            "it.failed", detail=f"<{MAIL}> refused", error=error, all=[{"to": MAIL}], exc_info=error
        )
    said = stream.getvalue()
    assert MAIL not in said
    assert PHONE not in said
    assert said.count("[EMAIL_1]") >= 3
    assert "[PHONE_1]" in said
    assert "Unlucky" in said


def test_a_traceback_on_a_terminal_is_shown_in_whatever_form_the_error_comes() -> None:
    stream = configured("console")
    raised: list[Unlucky] = []
    try:
        fail()
    except Unlucky as error:
        raised.append(error)
    [unlucky] = raised  # nothing is being handled any more: what is not in the field is nowhere
    structlog.get_logger().error("it.failed", exc_info=unlucky)
    logging.getLogger("kombu").error("cannot tell", exc_info=(Unlucky, unlucky, unlucky.__traceback__))
    sys.excepthook(Unlucky, unlucky, unlucky.__traceback__)
    assert stream.getvalue().count("Unlucky: call [PHONE_1]") == 3
    assert MAIL not in stream.getvalue()


@pytest.mark.parametrize("name", ["celery.worker.strategy", "kombu", "flower", "litestar", "asyncio"])
def test_what_other_libraries_log_is_masked_too(name: str) -> None:
    stream = configured()
    try:
        fail()
    except Unlucky:
        logging.getLogger(name).exception("cannot tell %s of %s", MAIL, PHONE)
    line = json.loads(stream.getvalue())
    assert line["event"] == "cannot tell [EMAIL_1] of [PHONE_1]"
    assert [one["exc_value"] for one in line["exception"]] == ["call [PHONE_1]", "no such mailbox: [EMAIL_1]"]


def test_what_is_ours_and_who_called_stays() -> None:
    stream = configured()
    given: dict[str, Any] = {
        "job_id": JOB, "client": "203.0.113.7", "path": f"/v1/jobs/{JOB}", "duration_ms": 4111111111.25,
        "address": ("203.0.113.8", 8000), "queues": ["emails"], "hint": None,
    }  # fmt: skip
    structlog.get_logger().info("http.answered", **given)
    line = json.loads(stream.getvalue())
    assert {name: line[name] for name in given} == given | {"address": ["203.0.113.8", 8000]}


def test_a_value_has_one_placeholder_in_all_fields_of_a_line() -> None:
    stream = configured()
    structlog.get_logger().info("it.was", first="a@example.org", second="b@example.org a@example.org")
    line = json.loads(stream.getvalue())
    assert (line["first"], line["second"]) == ("[EMAIL_1]", "[EMAIL_2] [EMAIL_1]")


def test_nothing_that_is_personal_is_passed_over_in_haste() -> None:
    values = [made.text[one.start : one.end] for made in made_texts(1_500, seed=3) for one in made.spans]
    personal = [value for value in (*values, "a@b.example", "8.8.8.8", "2001:db8::1") if find_personal(value)]
    assert len(personal) > 1_000
    assert [value for value in personal if masked_text(value) == value] == []


def test_a_value_that_never_ends_is_cut() -> None:
    stream = configured()
    structlog.get_logger().info("it.was", detail="x" * (LONGEST + 500))
    assert json.loads(stream.getvalue())["detail"].endswith("x… (500 more)")


def test_a_traceback_that_never_ends_still_says_what_was_raised() -> None:
    stream = configured("console")
    try:
        raise Unlucky("\n".join(["SELECT 1"] * LONGEST)) from Unlucky(MAIL)  # noqa: TRY301 - to be caught
    except Unlucky as error:
        error.add_note("The disk is full.")
        structlog.get_logger().exception("it.failed")
    assert len(stream.getvalue()) < LONGEST + 500
    assert "Unlucky: [EMAIL_1]" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("The disk is full.")


def test_what_nothing_caught_is_logged_and_masked() -> None:
    stream = configured()
    try:
        fail()
    except Unlucky as error:
        sys.excepthook(Unlucky, error, error.__traceback__)
    thread = threading.Thread(target=fail, name="unlucky")
    thread.start()
    thread.join()
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], second["event"], second["thread"]) == ("process.failed", "thread.failed", "unlucky")
    assert MAIL not in stream.getvalue()
    assert PHONE not in stream.getvalue()


def test_the_setting_shows_all() -> None:
    stream = configured(redact="off")
    structlog.get_logger().info("it.was", detail=MAIL)
    assert MAIL in stream.getvalue()


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (f'{{"event":"it.was","client":"203.0.113.7","said":"{MAIL} 203.0.113.9"}}',
         '{"event":"it.was","client":"203.0.113.7","said":"[EMAIL_1] [IP_1]"}'),
        (f"it.was client=203.0.113.7 said={MAIL}", "it.was client=203.0.113.7 said=[EMAIL_1]"),
        ("api.ready address=('203.0.113.7', 8000)", "api.ready address=('203.0.113.7', 8000)"),
        (f"DETAIL:  Key (email)=({MAIL}) already exists.", "DETAIL:  Key (email)=([EMAIL_1]) already exists."),
        ('{"card":4111111111111111,"n":1}', '{"card":"[CARD_1]","n":1}'),
        ('2026-11-26 23:10:05.123 UTC [12345] LOG:  listening on IPv4 address "127.0.0.1", port 54321', None),
        (f'{{"timestamp":"2026-11-26T23:10:05.123456Z","job_id":"{JOB}","duration_ms":1234567.25,"pid":123456}}', None),
    ],
)  # fmt: skip
def test_a_line_of_a_child_keeps_what_is_not_personal(line: str, masked: str | None) -> None:
    assert masked_line(line) == (line if masked is None else masked)


def test_lines_of_children_are_masked_in_their_file_their_tail_and_on_the_terminal(tmp_path: Path) -> None:
    terminal = io.StringIO()
    logs = ChildLogs(tmp_path, terminal, "console")
    logs.take("postgres", f"Key (email)=({MAIL}) already exists.\n".encode(), is_quiet=False)
    logs.close()
    for said in (terminal.getvalue(), logs.path("postgres").read_text(), logs.tail("postgres")):
        assert MAIL not in said
        assert "[EMAIL_1]" in said
