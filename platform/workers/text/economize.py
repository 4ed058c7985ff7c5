"""The handler of `text.economize`: gathers a batch's texts, sends them, looks now and then, and lets their jobs run.

Every step is kept in Postgres before the next: made here, sent under the provider's name, ended. A look is an attempt,
so nothing is held while the provider is at it. Whatever goes wrong, the jobs run by themselves when their time comes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from domain.errors import HeadraceError
from domain.jobs.verdict import Retry
from domain.text.budget import BudgetExhausted, refuse_beyond
from domain.text.cost import Amount, estimate, halved, sum_of_amounts
from domain.text.economize import PATIENCE, Economize, Economized, pause_before_look
from providers.text.batch_answers import BatchAnswer
from providers.text.economy import Economy, Overheard
from providers.text.gemini_schema import Question
from providers.text.provider import Answer, TextProvider
from runtime.unique_ids import new_id
from storage.database import Tx
from storage.economy import (
    AskedText,
    GivenAnswer,
    ProviderBatch,
    WaitingText,
    count_answers,
    end_provider_batch,
    hasten,
    is_batch_cancelled,
    let_run,
    list_provider_batches,
    make_provider_batch,
    note_sent,
    texts_of,
    waiting_texts,
)
from storage.usage import book_usage, lock_budgets, read_used
from workers.context import Context
from workers.gathering import Alike, alike, read_text, worth_asking
from workers.screening import Asked
from workers.spending import booking_of

log: Final = structlog.get_logger()

MOST_QUESTIONS: Final = 500
MOST_BYTES: Final = 4 << 20
"""How much one of the provider's batches holds: it takes 20 MB of prompts, which say more than the inputs."""

_ASKING: Final[Mapping[str, Callable[[TextProvider, Any], Awaitable[Answer[Any]]]]] = {
    "text.summarize": lambda text, asked: text.summarize(asked),
    "text.moderate": lambda text, asked: text.moderate(asked),
    "text.classify": lambda text, asked: text.classify(asked),
    "text.generate": lambda text, asked: text.generate(asked),
}


async def economize(asked: Economize, ctx: Context) -> Economized:
    """Do what is to be done now, and come back later while the provider is at it.

    Raises:
        Retry: one of its batches has not ended.
        HeadraceError: the provider does not answer.
    """
    economy = ctx.use.economy
    async with ctx.use.database.read() as tx:
        made = await list_provider_batches(tx, asked.batch_id)
        waiting = [] if made else await waiting_texts(tx, asked.batch_id)
    if economy is None or asked.stop:
        async with ctx.noting() as tx:
            await let_run(tx, asked.batch_id, [one.job_id for one in waiting])
        ctx.use.wakeups.ring_relay()
    elif not made:
        made = await _gather(economy, asked.batch_id, waiting, ctx)
    if economy is None:
        for one in made:
            await _end(ctx, one, "no_key", ())
        return await _done(asked, ctx)
    is_last = ctx.job.attempt >= ctx.job.max_attempts
    is_late = asked.stop or _age_seconds(ctx) >= PATIENCE.total_seconds() or is_last
    advance = _finish if asked.stop and is_last else _advance
    open_ones = [one for one in made if not one.is_ended and not await advance(economy, one, ctx, is_late=is_late)]
    if open_ones:
        raise Retry(f"Gemini is at {len(open_ones)} of {len(made)}.", after=pause_before_look(ctx.job.attempt))
    return await _done(asked, ctx)


async def _gather(economy: Economy, batch_id: str, waiting: Sequence[WaitingText], ctx: Context) -> list[ProviderBatch]:
    """Part what can be asked so into batches, written before they are sent; let the rest run."""
    chosen = await worth_asking(economy, waiting, ctx)
    made: list[ProviderBatch] = []
    async with ctx.noting() as tx:
        try:
            await _demand_budgets(tx, economy, [one.texts[0] for one in chosen], ctx)
        except BudgetExhausted:  # each job finds out for itself, and does what it does then
            chosen = []
        for model, parcel in _parcels(economy, chosen):
            manner = economy.new_manner()
            one = ProviderBatch(
                id=new_id("gathered"),
                batch_id=batch_id,
                model=model,
                marks=manner.marks,
                sorts=",".join(sorted(manner.sorts)),
            )
            await make_provider_batch(tx, ctx.tenant_id, one, parcel)
            made.append(one)
        gathered = {text.job_id for one in chosen for text in one.texts}
        await let_run(tx, batch_id, [one.job_id for one in waiting if one.job_id not in gathered])
    ctx.use.wakeups.ring_relay()
    return made


async def _demand_budgets(tx: Tx, economy: Economy, texts: Sequence[WaitingText], ctx: Context) -> None:
    if not texts or not await lock_budgets(tx, ctx.tenant_id):
        return
    by_kind: dict[str, Amount] = {}
    for one in texts:
        full = estimate(
            ctx.use.prices,
            economy.model_of(one.kind),
            one.kind,
            given_bytes=len(one.input),
            most_output_tokens=ctx.use.most_output_tokens.get(one.kind),
            is_repaired=False,  # an answer that does not fit is asked for as usual, and paid as usual
        )
        amount = Amount(tokens=full.tokens, cost_micros=halved(full.cost_micros))
        by_kind[one.kind] = sum_of_amounts([by_kind[one.kind], amount]) if one.kind in by_kind else amount
    whole = sum_of_amounts(list(by_kind.values()))
    for kind, amount in by_kind.items():
        used, now = await read_used(tx, ctx.tenant_id, kind)
        if now is not None:
            refuse_beyond([one for one in used if one.budget.kind is not None], amount, now)
            refuse_beyond([one for one in used if one.budget.kind is None], whole, now)


def _parcels(economy: Economy, chosen: Sequence[Alike]) -> list[tuple[str, list[str]]]:
    """The ids of jobs by model, so many questions and so much at a time."""
    parcels: list[tuple[str, list[str]]] = []
    by_model: dict[str, list[Alike]] = {}
    for one in chosen:
        by_model.setdefault(economy.model_of(one.texts[0].kind), []).append(one)
    for model, of_model in by_model.items():
        held: list[str] = []
        questions, size = 0, 0
        for one in of_model:
            bytes_ = len(one.texts[0].input)
            if held and (questions == MOST_QUESTIONS or size + bytes_ > MOST_BYTES):
                parcels.append((model, held))
                held, questions, size = [], 0, 0
            held += [text.job_id for text in one.texts]
            questions, size = questions + 1, size + bytes_
        parcels.append((model, held))
    return parcels


async def _advance(economy: Economy, one: ProviderBatch, ctx: Context, *, is_late: bool) -> bool:
    """Take a batch a step further; whether it has ended by that."""
    async with ctx.use.database.read() as tx:
        texts = await texts_of(tx, one)
        is_cancelled = await is_batch_cancelled(tx, one.batch_id)
    waiting = [] if is_cancelled else [text for text in texts if text.is_waiting]
    name = one.name
    if name is None:
        if waiting and not is_late:
            return await _send(economy, one, waiting, ctx)
        try:  # it may have been made, and its name lost with a worker: it is known by ours
            name = await economy.batches.find(one.id)
        except HeadraceError as failure:
            return await _give_up(ctx, one, "never_sent", failure)
        if name is None:
            return await _end(ctx, one, "never_sent")
        async with ctx.noting() as tx:
            await note_sent(tx, one.id, name, ())
    try:
        look = await economy.batches.look(name, one.model, {text.job_id: text.prompt_version for text in texts})
    except HeadraceError as failure:
        return await _give_up(ctx, one, "lost", failure)
    if look.outcome is not None:
        return await _end(ctx, one, look.outcome, look.answers, texts)
    return await _stop(economy, one, name, waiting, ctx) if is_late or not waiting else False


async def _finish(economy: Economy, one: ProviderBatch, ctx: Context, *, is_late: bool) -> bool:
    """As `_advance`, for the last time: nobody follows a job that stops, so its batch ends here whatever fails."""
    try:
        return await _advance(economy, one, ctx, is_late=is_late)
    except HeadraceError as failure:
        log.warning(
            "economy.given_up", provider_batch_id=one.id, outcome="late", code=failure.code, detail=failure.detail
        )
        return await _end(ctx, one, "late")


async def _send(economy: Economy, one: ProviderBatch, waiting: Sequence[WaitingText], ctx: Context) -> bool:
    questions: dict[str, Question] = {}
    asked: list[AskedText] = []
    for some in alike(waiting, ctx):
        heard = await _heard(economy, one, some.texts[0])
        questions[some.texts[0].job_id] = heard.question
        version = heard.question.prompt.version
        asked += [
            AskedText(job_id=text.job_id, prompt_version=version, placeholders=heard.placeholders)
            for text in some.texts
        ]
        await asyncio.sleep(0)  # a short text is worked through without a pause, and there may be hundreds
    try:
        # as above: it is not made twice
        name = await economy.batches.find(one.id) or await economy.batches.send(one.id, one.model, questions)
    except HeadraceError as failure:
        return await _give_up(ctx, one, "refused", failure)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    async with ctx.noting() as tx:
        await note_sent(tx, one.id, name, asked)
    return False


async def _stop(economy: Economy, one: ProviderBatch, name: str, waiting: Sequence[WaitingText], ctx: Context) -> bool:
    try:  # it ends by that, and is looked at once more: what it answered meanwhile is paid
        await economy.batches.cancel(name)
    except HeadraceError as failure:
        log.warning("economy.not_cancelled", provider_batch_id=one.id, code=failure.code)
    if ctx.job.attempt >= ctx.job.max_attempts:
        return await _end(ctx, one, "late")
    async with ctx.noting() as tx:  # its texts wait for that no longer
        await hasten(tx, [text.job_id for text in waiting])
    ctx.use.wakeups.ring_relay()
    return False


async def _give_up(ctx: Context, one: ProviderBatch, outcome: str, failure: HeadraceError) -> bool:
    if failure.retryable:
        raise failure
    log.warning("economy.given_up", provider_batch_id=one.id, outcome=outcome, code=failure.code, detail=failure.detail)
    return await _end(ctx, one, outcome)


async def _heard(economy: Economy, one: ProviderBatch, text: WaitingText) -> Overheard:
    """The question about a text, as it would be asked."""
    manner = economy.manner(one.marks, one.sorts)
    return await economy.question(manner, partial(_asked, _ASKING[text.kind], read_text(text)))


async def _asked(
    ask: Callable[[TextProvider, Any], Awaitable[Answer[Any]]], given: Asked, provider: TextProvider
) -> Answer[Any]:
    return await ask(provider, given)


async def _end(
    ctx: Context,
    one: ProviderBatch,
    outcome: str,
    answers: Sequence[BatchAnswer] = (),
    texts: Sequence[WaitingText] = (),
) -> bool:
    """Keep what it answered, book what that cost, and let its jobs run, at once; True: it has ended."""
    kinds = {text.job_id: text.kind for text in texts}
    given = _given(answers, alike(texts, ctx))
    async with ctx.noting() as tx:
        if await end_provider_batch(tx, one, outcome, given):
            for answer in answers:
                if answer.usage is not None:
                    await book_usage(tx, ctx.tenant_id, kinds[answer.key], booking_of(ctx, answer.usage))
    ctx.use.wakeups.ring_relay()
    log.info("economy.ended", provider_batch_id=one.id, outcome=outcome, answers=len(given))
    if outcome == "late":  # what it answers all the same is on the provider's bill, and on none of ours
        log.error("economy.not_booked", provider_batch_id=one.id, name=one.name, batch_id=one.batch_id)
    return True


def _given(answers: Sequence[BatchAnswer], texts: Sequence[Alike]) -> list[GivenAnswer]:
    """What is kept for each job: its own answer, or that to a text like its own, which has cost nothing more."""
    by_key = {answer.key: answer for answer in answers if answer.text is not None}
    given: list[GivenAnswer] = []
    for some in texts:
        shared = next((by_key[text.job_id] for text in some.texts if text.job_id in by_key), None)
        for text in some.texts:
            answer = by_key.get(text.job_id, shared)
            if answer is None or answer.text is None:
                continue
            usage = answer.usage if answer.key == text.job_id else None
            given.append(
                GivenAnswer(
                    job_id=text.job_id,
                    text=answer.text,
                    prompt_tokens=usage.prompt_tokens if usage else 0,
                    output_tokens=usage.output_tokens if usage else 0,
                )
            )
    return given


async def _done(asked: Economize, ctx: Context) -> Economized:
    async with ctx.use.database.read() as tx:
        gathered, answered = await count_answers(tx, asked.batch_id)
    return Economized(asked=gathered, answered=answered)


def _age_seconds(ctx: Context) -> float:
    started, created = ctx.job.started_at, ctx.job.created_at
    return 0.0 if started is None else (started - created).total_seconds()
