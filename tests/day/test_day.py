"""The small day that runs with every change, a violation planted in it for each promise; larger ones run by name."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.day.campaign import Findings, run_day
from tests.day.errands import NEVER, NORTH, SOUTH, Errand
from tests.day.evidence import LOCAL, Attempt, Booked, Day, Job, Rules, leaks_in
from tests.day.invariants import INVARIANTS, openings, violations
from tests.day.ledger import Call
from tests.day.weather import HOURS
from tests.support.running_up import own_data_dir

RULES = Rules(
    failures=3,
    rest_seconds=4.0,
    fallback=frozenset({"text.moderate"}),
    caps={"": 1_000, NEVER: 0},
    micros_a_prompt_token=300_000,
    micros_an_output_token=2_500_000,
)
OURS: dict[str, object] = {"engine": "gemini", "cached": False}
LOCALLY: dict[str, object] = {"toxicity": 0.2, "engine": "local"}


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")
def test_after_a_day_of_bad_weather_every_job_is_right_every_token_booked_and_no_call_too_many() -> None:
    with own_data_dir() as folder:
        findings = asyncio.run(run_day(jobs=60, seed=1, folder=folder, quiet_seconds=120))
    assert findings.violations == []
    assert_it_was_a_day(findings)


def assert_it_was_a_day(findings: Findings) -> None:
    """All sorts of weather were met, and the day was worth looking at."""
    outcomes = {call.outcome for call in findings.day.calls}
    assert {"answered", "throttled", "failed"} <= outcomes
    assert outcomes & {"malformed", "blocked", "cut"}
    assert findings.entry.kills
    assert any(job.engine in LOCAL for job in findings.day.jobs.values())
    assert len(findings.day.booked) > 3


def test_the_weather_of_a_day_is_all_of_it() -> None:
    assert sum(hour.share for hour in HOURS) == pytest.approx(1)


def test_a_quiet_day_violates_nothing() -> None:
    assert violations(quiet_day()) == []


PLANTED: dict[str, Callable[[Day], Day]] = {
    "D1 every errand has one job, that ended": lambda day: replace(day, jobs=without(day, "job_1")),
    "D2 every end is one the weather allows": lambda day: with_job(day, state="failed", code="ai_blocked", result=None),
    "D3 every answer is right": lambda day: with_job(day, result={"summary": "Answer 2 to case north-bq.", **OURS}),
    "D4 every token is booked once": lambda day: replace(day, booked=[*day.booked, booked(calls=1, prompt_tokens=1)]),
    "D5 no budget is passed": lambda day: replace(day, booked=[*day.booked, booked(SOUTH, prompt_tokens=1_001)]),
    "D6 nobody asks while the breaker is open": lambda day: replace(
        day, calls=[*day.calls, *failures(40.0), call(20, begun_at=42.0)]
    ),
    "D7 retry delays are honoured": lambda day: replace(
        day,
        calls=[
            *day.calls,
            call(20, begun_at=40.0, outcome="throttled", good=None, wait_seconds=3.0),
            call(21, begun_at=42.0),
        ],
    ),
    "D8 nothing known is asked again": lambda day: replace(day, calls=[*day.calls, call(20, begun_at=30.0)]),
    "D9 no canary is told": lambda day: replace(day, leaks=leaks_in("said zqx0123456789abcdef\nand no more")),
    "D10 nothing personal left": lambda day: replace(day, calls=[call(1, sent="Write to ada@example.com.")]),
    "D11 who read along was told the reply": lambda day: replace(day, errands=[told(day.errands[0], "Answer 1 to")]),
    "D12 nothing stays set aside": lambda day: replace(day, reservations=1),
}


def test_there_is_a_violation_for_every_promise() -> None:
    assert PLANTED.keys() == INVARIANTS.keys()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_caught(name: str) -> None:
    assert name in {violation.invariant for violation in violations(PLANTED[name](quiet_day()))}


WRONG: dict[str, tuple[str, Callable[[Day], Day]]] = {
    "an answer Gemini never gave": (
        "D3 every answer is right",
        lambda day: with_job(day, result={"summary": "Answer 9 to case north-bq.", **OURS}),
    ),
    "another's answer": (
        "D3 every answer is right",
        lambda day: replace(day, calls=[replace(day.calls[0], tag="north-cq")]),
    ),
    "a local answer that the local engine does not give": (
        "D3 every answer is right",
        lambda day: with_job(
            day, SOUTH, kind="text.moderate", result={"toxicity": 0.1, "engine": "local"}, expected={}
        ),
    ),
    "a local answer where nothing was wrong": (
        "D3 every answer is right",
        lambda day: with_job(day, kind="text.moderate", result=LOCALLY, expected=LOCALLY),
    ),
    "a token that was billed and is not booked": (
        "D4 every token is booked once",
        lambda day: replace(day, booked=[booked(calls=1, prompt_tokens=99, output_tokens=20)]),
    ),
    "a wrong price": (
        "D4 every token is booked once",
        lambda day: replace(day, booked=[booked(calls=1, prompt_tokens=100, output_tokens=20, cost_micros=999)]),
    ),
    "a question for what has no budget": (
        "D5 no budget is passed",
        lambda day: replace(day, calls=[*day.calls, call(20, kind=NEVER, tag="south-bq")]),
    ),
    "two questions at once about the same": (
        "D8 nothing known is asked again",
        lambda day: replace(
            day, calls=[replace(call(20, begun_at=9.0, outcome="failed", good=None), over_at=20.0), *day.calls]
        ),
    ),
    "a refusal of who has no budget": (
        "D2 every end is one the weather allows",
        lambda day: replace(day, errands=[*day.errands, errand_of(2, job_id=None, refused="budget_exhausted")]),
    ),
    "a block that nobody asked for": (
        "D2 every end is one the weather allows",
        lambda day: with_job(day, state="failed", code="input_blocked", result=None),
    ),
    "a job nobody asked for": (
        "D1 every errand has one job, that ended",
        lambda day: replace(day, jobs={**day.jobs, "job_2": replace(day.jobs["job_1"], id="job_2")}),
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_caught_as_well(what: str) -> None:
    name, plant = WRONG[what]
    assert name in {violation.invariant for violation in violations(plant(quiet_day()))}


def test_what_a_worker_that_died_may_not_have_heard_may_be_booked_or_not() -> None:
    day = with_job(quiet_day(), attempts=(Attempt(begun_at=9.0, over_at=13.0, outcome="queued", code="crashed"),))
    for rows in ([], [booked(calls=1, prompt_tokens=100, output_tokens=20, cost_micros=80)]):
        assert violations(replace(day, booked=rows)) == []
    half = replace(day, booked=[booked(calls=1, prompt_tokens=50, output_tokens=10, cost_micros=40)])
    assert [one.invariant for one in violations(half)] == ["D4 every token is booked once"]


def test_of_a_reply_that_was_stopped_what_was_told_well_before_is_booked() -> None:
    told = [(10.0, 100, 5), (11.0, 100, 10), (19.0, 100, 15)]
    said = replace(
        call(1, kind="chat.reply"),
        over_at=20.0,
        left=True,
        told=told,
        said_at=19.0,
        prompt_tokens=100,
        output_tokens=15,
    )
    stopped = Attempt(begun_at=9.0, over_at=19.5, outcome="cancelled")
    day = with_job(quiet_day(), kind="chat.reply", state="cancelled", result=None, attempts=(stopped,))
    day = replace(day, calls=[said], errands=[replace(day.errands[0], is_withdrawn=True)])
    for output, found in ((15, []), (10, []), (5, ["D4 every token is booked once"])):
        cost = round(100 * 0.3 + output * 2.5 + 0.5)
        rows = [booked(calls=1, prompt_tokens=100, output_tokens=output, cost_micros=cost, kind="chat.reply")]
        assert [one.invariant for one in violations(replace(day, booked=rows))] == found


def test_the_breaker_opens_after_failures_in_a_row_and_again_when_the_probe_fails() -> None:
    calls = failures(10.0)
    assert openings(calls, 3, 4.0) == [10.2]
    probe = replace(call(30, begun_at=14.5, outcome="failed", good=None), over_at=14.6)
    assert openings([*calls, probe], 3, 4.0) == [10.2, 14.6]
    assert openings([*calls[:2], call(30, begun_at=10.15), calls[2]], 3, 4.0) == []


def quiet_day() -> Day:
    """One summary for North, asked for once, answered, booked."""
    job = Job(
        id="job_1",
        tenant=NORTH,
        kind="text.summarize",
        state="succeeded",
        tag="north-bq",
        result={"summary": "Answer 1 to case north-bq.", **OURS},
        attempts=(Attempt(begun_at=9.0, over_at=11.0, outcome="succeeded"),),
    )
    return Day(
        rules=RULES,
        errands=[errand_of(1, job_id="job_1", values={"EMAIL": "ada@example.com"})],
        wrong=[],
        calls=[call(1)],
        jobs={job.id: job},
        booked=[booked(calls=1, prompt_tokens=100, output_tokens=20, cost_micros=80)],
    )


def errand_of(number: int, *, job_id: str | None, refused: str = "", values: dict[str, str] | None = None) -> Errand:
    return Errand(
        number=number,
        tenant=NORTH,
        kind="text.summarize",
        tag="north-bq",
        text="Case north-bq: it rained.",
        given={},
        values=values or {},
        job_id=job_id,
        refused=refused,
    )


def told(errand: Errand, text: str) -> Errand:
    return replace(errand, told=text)


def call(  # noqa: PLR0913 - what differs
    number: int,
    *,
    begun_at: float = 10.0,
    kind: str = "text.summarize",
    tag: str = "north-bq",
    outcome: str = "answered",
    good: object = "",
    wait_seconds: float = 0.0,
    sent: str = "",
) -> Call:
    is_good = outcome == "answered"
    return Call(
        number=number,
        process="zqx0",
        hour="",
        kind=kind,
        tag=tag,
        sent=sent,
        begun_at=begun_at,
        over_at=begun_at,
        said_at=begun_at if is_good else None,
        outcome=outcome,
        good={"summary": f"Answer {number} to case {tag}."} if good == "" else good,
        wait_seconds=wait_seconds,
        prompt_tokens=100 if is_good else 0,
        output_tokens=20 if is_good else 0,
    )


def failures(at: float) -> list[Call]:
    return [call(10 + n, begun_at=at + n / 10, outcome="failed", good=None) for n in range(3)]


def booked(  # noqa: PLR0913 - a row
    tenant: str = NORTH,
    *,
    kind: str = "text.summarize",
    calls: int = 0,
    prompt_tokens: int = 0,
    output_tokens: int = 0,
    cost_micros: int = 0,
) -> Booked:
    return Booked(
        tenant=tenant,
        day="2026-01-01",
        kind=kind,
        calls=calls,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        cost_micros=cost_micros,
    )


def without(day: Day, job_id: str) -> dict[str, Job]:
    return {one: job for one, job in day.jobs.items() if one != job_id}


def with_job(day: Day, tenant: str = NORTH, **changes: object) -> Day:
    changes = {"tenant": tenant, **changes}
    tag = f"{tenant}-bq"
    job = replace(day.jobs["job_1"], tag=tag, **changes)
    errand = replace(day.errands[0], tenant=tenant, kind=job.kind, tag=tag)
    return replace(day, jobs={"job_1": job}, errands=[errand])
