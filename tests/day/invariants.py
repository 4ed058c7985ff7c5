"""What must hold when a day is over: each promise a few lines over what both sides wrote down.

They know Gemini's books, the errands and the rows, and nothing of how the platform does it. Long because the whole
promise should be read in one place.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from domain.jobs.state import TERMINAL, State
from tests.day.errands import EAST, SOUTH, Errand
from tests.day.evidence import LOCAL, Day, Job
from tests.day.ledger import Call
from tests.day.weather import CANNOT, HANGS_IN, MILLION, STAND_IN
from tests.faults.invariants import Violation

SLACK_SECONDS: Final = 1.5
"""How long news may take from Gemini's side to the platform's, on a busy machine."""

_NEARLY_SECONDS: Final = 0.7  # of an answer that may be too late where time is short
_CACHELESS_SECONDS: Final = 2.0
_MOST_WAYS: Final = 2**14
_NUMBER: Final = re.compile(r"Answer (\d+) to case")
_WITHOUT_A_WORD: Final = frozenset({"ai_unavailable", "ai_throttled", "ai_malformed", "budget_exhausted"})
_DEADLY_CRASHES: Final = 3


def violations(day: Day) -> list[Violation]:
    """Everything that is wrong."""
    return [Violation(name, what) for name, check in INVARIANTS.items() for what in check(day)]


def every_errand_has_one_job_that_ended(day: Day) -> Iterator[str]:
    yield from day.wrong
    promised = {errand.job_id for errand in day.errands if errand.job_id is not None}
    for errand in day.errands:
        job = day.jobs.get(errand.job_id or "")
        if errand.job_id is None:
            if not errand.refused:
                yield f"errand {errand.number} has no job"
        elif job is None:
            yield f"errand {errand.number} was promised {errand.job_id}, which is lost"
        elif State(job.state) not in TERMINAL:
            yield f"{job.id} is still {job.state}"
        elif (job.kind, job.tag, job.tenant) != (errand.kind, errand.tag, errand.tenant):
            yield f"errand {errand.number} was promised {job.id}, which is about {job.tag}"
    yield from (f"{job.id} was asked for by nobody" for job in day.jobs.values() if job.id not in promised)


def every_end_is_one_the_weather_allows(day: Day) -> Iterator[str]:
    for errand, job in _ended(day):
        about = [call for call in day.calls if (call.kind, call.tag) == (job.kind, job.tag)]
        outcomes = {call.outcome for call in about}
        if not _may_end_so(day, errand, job, about):
            yield f"{job.id} ({job.kind}, {job.tag}) ended {job.state} {job.code}; Gemini did {sorted(outcomes)}"
    for errand in day.errands:
        if errand.refused and not (errand.tenant == SOUTH and errand.refused == "budget_exhausted"):
            yield f"errand {errand.number} was refused: {errand.refused}"


def _may_end_so(day: Day, errand: Errand, job: Job, about: Sequence[Call]) -> bool:
    outcomes = {call.outcome for call in about}
    reasons = {
        ("succeeded", None): True,
        ("cancelled", job.code): errand.is_withdrawn or job.id in day.put_off,
        ("failed", "input_blocked"): errand.tenant == EAST and errand.is_flagged,
        ("failed", "ai_blocked"): "blocked" in outcomes,
        ("failed", "ai_malformed"): "cut" in outcomes,
        ("failed", "attempts_exhausted"): all(_is_explained(day, job, about, one.code) for one in job.attempts),
        ("failed", "crashed"): day.kills >= _DEADLY_CRASHES,
    }
    return reasons.get((job.state, job.code), False)


def every_answer_is_right(day: Day) -> Iterator[str]:
    calls = {call.number: call for call in day.calls}
    bad = any(call.outcome in CANNOT for call in day.calls)
    for errand, job in _ended(day):
        if job.state != "succeeded" or job.result is None:
            continue
        if job.engine in LOCAL:
            if job.kind not in day.rules.fallback or not (bad or job.tenant == SOUTH):
                yield f"{job.id} ({job.kind}) was answered by the local engine, and Gemini was there"
            if (wrong := _differs(job.expected or {}, job.result)) is not None:
                yield f"{job.id} ({job.kind}) says {wrong} otherwise than the local engine does"
            continue
        call = calls.get(_number_of(job))
        if call is None or call.good is None:
            yield f"{job.id} ({job.kind}) is an answer that Gemini never gave: {job.result}"
        elif (call.kind, call.tag) != (job.kind, job.tag):
            yield f"{job.id} ({job.kind}, {job.tag}) has the answer to {call.kind}, {call.tag}"
        elif (wrong := _differs(_expected(call, errand), job.result)) is not None:
            yield f"{job.id} ({job.kind}) says {wrong} otherwise than Gemini did: {job.result}"


def every_token_is_booked_once(day: Day) -> Iterator[str]:
    groups = {(booked.tenant, booked.kind) for booked in day.booked} | {(call.tenant, call.kind) for call in day.calls}
    for tenant, kind in sorted(groups):
        rows = [row for row in day.booked if (row.tenant, row.kind) == (tenant, kind)]
        booked = (sum(row.prompt_tokens for row in rows), sum(row.output_tokens for row in rows))
        told = [call for call in day.calls if (call.tenant, call.kind) == (tenant, kind) and call.said_at is not None]
        risky = [call for call in told if _may_be_unheard(day, call)]
        certain = _sum([call for call in told if call not in risky])
        if not _adds_up(certain, booked, [_heard(day, call) for call in risky]):
            unsure = f", and may have left out some of {len(risky)} questions" if risky else ""
            yield f"{tenant} was billed {certain} tokens for {kind}{unsure}; booked are {booked}"
        exact = booked[0] * day.rules.micros_a_prompt_token + booked[1] * day.rules.micros_an_output_token
        cost = sum(row.cost_micros for row in rows)
        if not exact <= cost * MILLION <= exact + MILLION * sum(row.calls for row in rows):
            yield f"{tenant} is charged {cost} micros for {kind}, and it cost {exact / MILLION}"


def no_budget_is_passed(day: Day) -> Iterator[str]:
    for kind, cap in day.rules.caps.items():
        of_days: dict[str, int] = {}
        for row in day.booked:
            if row.tenant == SOUTH and kind in {"", row.kind}:
                of_days[row.day] = of_days.get(row.day, 0) + row.prompt_tokens + row.output_tokens
        yield from (
            f"{tokens} tokens are booked on {date}; at most {cap} may be, for {kind or 'all kinds'}"
            for date, tokens in of_days.items()
            if tokens > cap
        )
        asked = [call.number for call in day.calls if call.tenant == SOUTH and call.kind == kind]
        if not cap and asked:
            yield f"Gemini was asked {asked} for {kind}, whose budget is nothing"


def nobody_asks_while_the_breaker_is_open(day: Day) -> Iterator[str]:
    for process, calls in _by_process(day):
        for opened_at in openings(calls, day.rules.failures, day.rules.rest_seconds):
            early = [
                call.number
                for call in calls
                if opened_at + SLACK_SECONDS < call.begun_at < opened_at + day.rules.rest_seconds - SLACK_SECONDS / 4
            ]
            if early:
                yield f"{process} asked {early} though it had failed {day.rules.failures} times"


def openings(calls: Sequence[Call], failures: int, rest_seconds: float) -> list[float]:
    """When the breaker of a process must have opened, by its calls in the order in which they were over.

    Where an answer was over within a second of an opening, nobody outside can tell, and it is left out.
    """
    opened: list[float] = []
    in_a_row = 0
    for call in sorted(calls, key=lambda one: one.over_at):
        if call.left and call.outcome != "failed":
            continue
        if opened and call.begun_at < opened[-1] + rest_seconds - SLACK_SECONDS / 4:
            continue  # set out before: only the probe's word counts
        is_probe = bool(opened) and in_a_row >= failures
        in_a_row = in_a_row + 1 if call.outcome == "failed" else 0
        if in_a_row >= failures or (is_probe and call.outcome == "failed"):
            opened.append(call.over_at)
    answered = [call.over_at for call in calls if call.outcome != "failed"]
    return [at for at in opened if not any(abs(at - other) < SLACK_SECONDS for other in answered)]


def retry_delays_are_honoured(day: Day) -> Iterator[str]:
    for process, calls in _by_process(day):
        for told in calls:
            if not told.wait_seconds:
                continue
            early = [
                call.number
                for call in calls
                if told.over_at + SLACK_SECONDS < call.begun_at < told.over_at + told.wait_seconds - SLACK_SECONDS / 4
            ]
            if early:
                yield f"{process} asked {early}, and question {told.number} had been told to wait"


def nothing_known_is_asked_again(day: Day) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Call]] = {}
    for call in day.calls:
        if not call.is_repair:
            groups.setdefault((call.kind, call.tag), []).append(call)
    for (kind, tag), calls in groups.items():
        jobs = day.jobs_about(calls[0])
        if any(job.is_flagged for job in jobs):
            continue  # neither kept nor taken from what is kept
        anew = sum(job.is_anew for job in jobs)
        good = [call for call in calls if call.good is not None]
        risky = sum(_may_be_unheard(day, call) or _is_without_cache(day, call) for call in good)
        if len(good) > 1 + anew + risky:
            yield f"Gemini answered {kind} about {tag} {len(good)} times: {[call.number for call in good]}"
        if anew or any(_may_be_unheard(day, call) or _is_without_cache(day, call) for call in calls):
            continue
        ordered = sorted(calls, key=lambda call: call.begun_at)
        for one, other in itertools.pairwise(ordered):
            if other.begun_at < one.over_at - SLACK_SECONDS:
                yield f"questions {one.number} and {other.number}, the same, were asked at once"


def no_canary_is_told(day: Day) -> Iterator[str]:
    yield from (f"a canary stands in {place}" for place in day.leaks)


def nothing_personal_left(day: Day) -> Iterator[str]:
    values = {value for errand in day.errands for value in errand.values.values()}
    for call in day.calls:
        if found := [value for value in values if value in call.sent]:
            yield f"question {call.number} told Gemini {found}"


def who_read_along_was_told_the_reply(day: Day) -> Iterator[str]:
    for errand, job in _ended(day):
        if errand.told is not None and errand.told != (job.result or {}).get("text"):
            yield f"{job.id} replied {(job.result or {}).get('text')!r}, and who read along was told {errand.told!r}"


def nothing_stays_set_aside(day: Day) -> Iterator[str]:
    if day.reservations:
        yield f"{day.reservations} reservations count, and no job runs"


INVARIANTS: Final[dict[str, Callable[[Day], Iterator[str]]]] = {
    "D1 every errand has one job, that ended": every_errand_has_one_job_that_ended,
    "D2 every end is one the weather allows": every_end_is_one_the_weather_allows,
    "D3 every answer is right": every_answer_is_right,
    "D4 every token is booked once": every_token_is_booked_once,
    "D5 no budget is passed": no_budget_is_passed,
    "D6 nobody asks while the breaker is open": nobody_asks_while_the_breaker_is_open,
    "D7 retry delays are honoured": retry_delays_are_honoured,
    "D8 nothing known is asked again": nothing_known_is_asked_again,
    "D9 no canary is told": no_canary_is_told,
    "D10 nothing personal left": nothing_personal_left,
    "D11 who read along was told the reply": who_read_along_was_told_the_reply,
    "D12 nothing stays set aside": nothing_stays_set_aside,
}


def _ended(day: Day) -> Iterator[tuple[Errand, Job]]:
    for errand in day.errands:
        job = day.jobs.get(errand.job_id or "")
        if job is not None and State(job.state) in TERMINAL:
            yield errand, job


def _is_explained(day: Day, job: Job, about: Sequence[Call], code: str | None) -> bool:
    """Whether the weather explains an attempt that failed, or a job that ran out of them."""
    match code:
        case "ai_malformed" | "attempts_exhausted":
            return any(call.outcome in {"malformed", *CANNOT} for call in about) or job.tenant == SOUTH
        case "ai_unavailable" | "ai_throttled":
            return any(call.outcome in CANNOT for call in day.calls)
        case "budget_exhausted":
            return job.tenant == SOUTH
        case "crashed":
            return day.kills > 0
        case None:
            return True
        case _:
            return False


def _number_of(job: Job) -> int:
    result = job.result or {}
    if job.kind == "text.moderate":
        score: float = result["toxicity"]
        return round(score * MILLION)
    if job.kind == "text.classify":
        score = result["sentiment_score"]
        return round(score * MILLION)
    found = _NUMBER.search(result.get("summary") or result.get("text") or "")
    return int(found[1]) if found else 0


def _expected(call: Call, errand: Errand) -> dict[str, Any]:
    """The fields of a result that follow from what Gemini filled in; personal values stand where they belong."""

    def restored(text: str) -> str:
        return STAND_IN.sub(lambda found: errand.values.get(found[0][1:].partition("_")[0], found[0]), text)

    match call.kind:
        case "chat.reply":
            return {"text": restored(call.good)}
        case "text.summarize":
            return {"summary": restored(call.good["summary"])}
        case "text.generate":
            return {"text": restored(call.good["text"])}
        case "text.moderate":
            return {name: call.good[name] for name in ("toxicity", "categories")}
        case _:
            return {name: call.good[name] for name in ("category", "sentiment", "sentiment_score", "language")}


def _differs(expected: dict[str, Any], result: dict[str, Any]) -> str | None:
    names = (name for name in expected if name not in {"cached", "engine"})
    return next((name for name in names if result.get(name) != expected[name]), None) if expected else "everything"


def _may_be_unheard(day: Day, call: Call) -> bool:
    """Whether whoever asked may not have heard the answer: it died, was stopped, or went away meanwhile."""
    if call.left or (call.kind == HANGS_IN and call.over_at - call.begun_at > _NEARLY_SECONDS):
        return True
    if call.kind == "chat.reply" and call.outcome in {"blocked", "malformed", "failed"}:
        return True  # it stops reading at the first bad word; and a reset may overtake the last ones
    return any(
        attempt.begun_at - SLACK_SECONDS <= call.over_at and call.begun_at <= attempt.over_at + SLACK_SECONDS
        for job in day.jobs_about(call)
        for attempt in job.attempts
        if attempt.outcome in {"queued", "cancelled"}
    )


def _heard(day: Day, call: Call) -> set[tuple[int, int]]:
    """What may have been heard of the cost of a question, if not all: none, or what a stream had told by some word.

    Whoever stopped a reply, and lived, had heard what was told well before.
    """
    totals = [(prompt, output) for _, prompt, output in call.told] or [(call.prompt_tokens, call.output_tokens)]
    about = [attempt for job in day.jobs_about(call) for attempt in job.attempts]
    stops = [one.over_at for one in about if one.outcome == "cancelled" and one.over_at > call.begun_at]
    if call.kind != "chat.reply" or not stops or any(one.outcome == "queued" for one in about):
        return {(0, 0), *totals}
    known = sum(at < min(stops) - SLACK_SECONDS for at, _, _ in call.told)
    return set(totals[known - 1 :]) if known else {(0, 0), *totals}


def _is_without_cache(day: Day, call: Call) -> bool:
    """Whether a process went on without the cache near that time: for a second it neither looks nor keeps."""
    return any(call.begun_at - _CACHELESS_SECONDS <= at <= call.over_at + _CACHELESS_SECONDS for at in day.cacheless_at)


def _by_process(day: Day) -> list[tuple[str, list[Call]]]:
    found: dict[str, list[Call]] = {}
    for call in day.calls:
        found.setdefault(call.process, []).append(call)
    return list(found.items())


def _sum(calls: Sequence[Call]) -> tuple[int, int]:
    return sum(call.prompt_tokens for call in calls), sum(call.output_tokens for call in calls)


def _adds_up(certain: tuple[int, int], booked: tuple[int, int], heard: Sequence[set[tuple[int, int]]]) -> bool:
    """Whether what is booked is what is certain, and of each question that is not, what may have been heard.

    Where there are too many ways to add that up, it has to be within bounds.
    """
    ways = math.prod(len(one) for one in heard)
    if ways > _MOST_WAYS:
        return all(
            certain[which] + sum(min(bill[which] for bill in one) for one in heard)
            <= booked[which]
            <= certain[which] + sum(max(bill[which] for bill in one) for one in heard)
            for which in (0, 1)
        )
    sums = {certain}
    for one in heard:
        sums = {(prompt + more, output + further) for prompt, output in sums for more, further in one}
    return booked in sums
