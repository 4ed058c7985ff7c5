"""The handler of `text.economize`: gathers a batch's texts, sends them, looks now and then, and lets their jobs run.

Every step is kept in Postgres before the next: made here, sent under the provider's name, ended. A look is an attempt,
so nothing is held while the provider is at it. Whatever goes wrong, the jobs run by themselves when their time comes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from domain.catalog import kind_named
from domain.errors import HeadraceError
from domain.jobs.verdict import Retry
from domain.text.budget import BudgetExhausted, refuse_beyond
from domain.text.cost import Amount, estimate, halved, sum_of_amounts
from domain.text.economize import PATIENCE, Economize, Economized, pause_before_look
from domain.text.safety import wanted_of
from providers.text.batch_answers import BatchAnswer
from providers.text.economy import Economy
from providers.text.gemini_schema import Question
from providers.text.provider import Answer, TextProvider
from runtime.unique_ids import new_id
from storage.database import Tx
from storage.economy import (
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
from workers.screening import Asked, words_of
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
    if economy is None:
        async with ctx.noting() as tx:
            await let_run(tx, [one.job_id for one in waiting])
        ctx.use.wakeups.ring_relay()
        for one in made:
            await _end(ctx, one, "no_key", ())
        return await _done(asked, ctx)
    if not made:
        made = await _gather(economy, asked.batch_id, waiting, ctx)
    is_late = _age_seconds(ctx) >= PATIENCE.total_seconds() or ctx.job.attempt >= ctx.job.max_attempts
    open_ones = [one for one in made if not one.is_ended and not await _advance(economy, one, ctx, is_late=is_late)]
    if open_ones:
        raise Retry(f"Gemini is at {len(open_ones)} of {len(made)}.", after=pause_before_look(ctx.job.attempt))
    return await _done(asked, ctx)


async def _gather(economy: Economy, batch_id: str, waiting: Sequence[WaitingText], ctx: Context) -> list[ProviderBatch]:
    """Part what can be asked so into batches, written before they are sent; let the rest run."""
    fit = [one for one in waiting if await _is_fit(economy, one, ctx)]
    chosen = {one.job_id for one in fit}
    made: list[ProviderBatch] = []
    async with ctx.noting() as tx:
        try:
            await _demand_budgets(tx, economy, fit, ctx)
        except BudgetExhausted:  # each job finds out for itself, and does what it does then
            fit, chosen = [], set[str]()
        for model, texts in _parcels(economy, fit):
            one = ProviderBatch(id=new_id("gathered"), batch_id=batch_id, model=model, marks=economy.new_marks())
            await make_provider_batch(tx, ctx.tenant_id, one, [text.job_id for text in texts])
            made.append(one)
        await let_run(tx, [one.job_id for one in waiting if one.job_id not in chosen])
    ctx.use.wakeups.ring_relay()
    return made


async def _is_fit(economy: Economy, one: WaitingText, ctx: Context) -> bool:
    """Whether it may leave unseen: what is flagged, or takes more than a question, runs as usual."""
    given = _read(one)
    if not economy.takes(one.kind, given):
        return False
    wanted = wanted_of(await ctx.use.safety.policy(ctx.tenant_id))
    return not await ctx.use.safety.guard.screen(words_of(given), wanted)


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


def _parcels(economy: Economy, texts: Sequence[WaitingText]) -> list[tuple[str, list[WaitingText]]]:
    """The texts by model, so many and so much at a time."""
    parcels: list[tuple[str, list[WaitingText]]] = []
    by_model: dict[str, list[WaitingText]] = {}
    for one in texts:
        by_model.setdefault(economy.model_of(one.kind), []).append(one)
    for model, of_model in by_model.items():
        held: list[WaitingText] = []
        size = 0
        for one in of_model:
            if held and (len(held) == MOST_QUESTIONS or size + len(one.input) > MOST_BYTES):
                parcels.append((model, held))
                held, size = [], 0
            held.append(one)
            size += len(one.input)
        parcels.append((model, held))
    return parcels


async def _advance(economy: Economy, one: ProviderBatch, ctx: Context, *, is_late: bool) -> bool:
    """Take a batch a step further; whether it has ended by that."""
    async with ctx.use.database.read() as tx:
        texts = await texts_of(tx, one)
        is_cancelled = await is_batch_cancelled(tx, one.batch_id)
    waiting = [] if is_cancelled else [text for text in texts if text.is_waiting]
    if one.name is None:
        if not waiting or is_late:
            return await _end(ctx, one, "never_sent", ())
        return await _send(economy, one, waiting, ctx)
    try:
        look = await economy.batches.look(one.name, one.model, {text.job_id: text.prompt_version for text in texts})
    except HeadraceError as failure:
        return await _give_up(ctx, one, "lost", failure)
    if look.outcome is not None:
        return await _end(ctx, one, look.outcome, look.answers, kinds={text.job_id: text.kind for text in texts})
    return await _stop(economy, one, one.name, waiting, ctx) if is_late or not waiting else False


async def _send(economy: Economy, one: ProviderBatch, waiting: Sequence[WaitingText], ctx: Context) -> bool:
    questions = await _questions(economy, one, waiting)
    try:
        # one that was made, and whose name was lost with a worker, is known by ours
        name = await economy.batches.find(one.id) or await economy.batches.send(one.id, one.model, questions)
    except HeadraceError as failure:
        return await _give_up(ctx, one, "refused", failure)
    ctx.use.kill_points.reach("ai.after_response", (ctx.job.id,))
    async with ctx.noting() as tx:
        await note_sent(tx, one.id, name, {key: question.prompt.version for key, question in questions.items()})
    return False


async def _stop(economy: Economy, one: ProviderBatch, name: str, waiting: Sequence[WaitingText], ctx: Context) -> bool:
    try:  # it ends by that, and is looked at once more: what it answered meanwhile is paid
        await economy.batches.cancel(name)
    except HeadraceError as failure:
        log.warning("economy.not_cancelled", provider_batch_id=one.id, code=failure.code)
    if ctx.job.attempt >= ctx.job.max_attempts:
        return await _end(ctx, one, "late", ())
    async with ctx.noting() as tx:  # its texts wait for that no longer
        await hasten(tx, [text.job_id for text in waiting])
    ctx.use.wakeups.ring_relay()
    return False


async def _give_up(ctx: Context, one: ProviderBatch, outcome: str, failure: HeadraceError) -> bool:
    if failure.retryable:
        raise failure
    log.warning("economy.given_up", provider_batch_id=one.id, outcome=outcome, code=failure.code, detail=failure.detail)
    return await _end(ctx, one, outcome, ())


async def _questions(economy: Economy, one: ProviderBatch, texts: Sequence[WaitingText]) -> dict[str, Question]:
    questions: dict[str, Question] = {}
    for text in texts:
        ask, given = _ASKING[text.kind], _read(text)
        questions[text.job_id] = await economy.question(one.marks, partial(_asked, ask, given))
        await asyncio.sleep(0)  # a short text is worked through without a pause, and there may be hundreds
    return questions


async def _asked(
    ask: Callable[[TextProvider, Any], Awaitable[Answer[Any]]], given: Asked, provider: TextProvider
) -> Answer[Any]:
    return await ask(provider, given)


async def _end(
    ctx: Context,
    one: ProviderBatch,
    outcome: str,
    answers: Sequence[BatchAnswer],
    *,
    kinds: Mapping[str, str] | None = None,
) -> bool:
    """Keep what it answered, book what that cost, and let its jobs run, at once; True: it has ended."""
    given = [
        GivenAnswer(
            job_id=answer.key,
            text=answer.text,
            prompt_tokens=answer.usage.prompt_tokens if answer.usage else 0,
            output_tokens=answer.usage.output_tokens if answer.usage else 0,
        )
        for answer in answers
        if answer.text is not None
    ]
    async with ctx.noting() as tx:
        if await end_provider_batch(tx, one, outcome, given):
            for answer in answers:
                if answer.usage is not None:
                    await book_usage(tx, ctx.tenant_id, (kinds or {})[answer.key], booking_of(ctx, answer.usage))
    ctx.use.wakeups.ring_relay()
    log.info("economy.ended", provider_batch_id=one.id, outcome=outcome, answers=len(given))
    return True


async def _done(asked: Economize, ctx: Context) -> Economized:
    async with ctx.use.database.read() as tx:
        gathered, answered = await count_answers(tx, asked.batch_id)
    return Economized(asked=gathered, answered=answered)


def _age_seconds(ctx: Context) -> float:
    started, created = ctx.job.started_at, ctx.job.created_at
    return 0.0 if started is None else (started - created).total_seconds()


def _read(text: WaitingText) -> Asked:
    given: Asked = msgspec.json.decode(text.input, type=kind_named(text.kind).input)
    return given
