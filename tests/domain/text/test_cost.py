from datetime import UTC, datetime

import pytest

from domain.text.budget import Budget, BudgetExhausted, Used, refuse_beyond, refuse_spent, seconds_left
from domain.text.cost import Amount, Price, cost_of, estimate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRICES = {"m": Price(input=750_000, output=3_000_000)}


def test_a_cost_is_rounded_up_and_unknown_where_the_model_has_no_price() -> None:
    assert cost_of(PRICES, "m", prompt_tokens=1000, output_tokens=100) == 1050
    assert cost_of(PRICES, "m", prompt_tokens=1, output_tokens=0) == 1
    assert cost_of(PRICES, "other", prompt_tokens=1, output_tokens=0) is None
    assert cost_of(PRICES, "other", prompt_tokens=0, output_tokens=0) == 0


def test_an_estimate_grows_with_the_text_and_has_no_price_without_a_table() -> None:
    short = estimate(PRICES, "m", "text.summarize", given_bytes=100)
    long = estimate(PRICES, "m", "text.summarize", given_bytes=30_000)
    assert long.tokens - short.tokens == 9_966
    assert estimate({}, "m", "text.summarize", given_bytes=1).cost_micros is None


def test_an_estimate_is_a_bound_where_the_model_is_told_one_and_holds_for_an_answer_asked_for_twice() -> None:
    prompt = estimate(PRICES, "m", "chat.reply", given_bytes=300, most_output_tokens=50).tokens - 50
    twice = estimate(PRICES, "m", "text.summarize", given_bytes=300, most_output_tokens=50)
    assert twice == Amount(
        tokens=2 * prompt + 3 * 50, cost_micros=cost_of(PRICES, "m", prompt_tokens=2 * prompt + 50, output_tokens=100)
    )


def test_who_repairs_no_answers_is_bound_by_one() -> None:
    once = estimate(PRICES, "m", "text.summarize", given_bytes=300, most_output_tokens=50, is_repaired=False)
    assert once == estimate(PRICES, "m", "chat.reply", given_bytes=300, most_output_tokens=50)


def test_what_is_used_up_is_refused_until_the_days_end_and_not_one_token_before() -> None:
    budget = Budget(tokens=1000)
    refuse_spent([Used(budget=budget, tokens=999)], NOON)
    with pytest.raises(BudgetExhausted) as caught:
        refuse_spent([Used(budget=budget, tokens=1000)], NOON)
    assert caught.value.retry_after_seconds == 12 * 3600 == seconds_left(NOON)


def test_what_others_reserved_is_waited_for_seconds_and_what_is_spent_until_tomorrow() -> None:
    budget = Budget(kind="chat.reply", tokens=1000)
    refuse_beyond([Used(budget=budget, tokens=500, reserved_tokens=300)], Amount(tokens=200, cost_micros=None), NOON)
    with pytest.raises(BudgetExhausted, match=r"for chat\.reply is taken") as taken:
        refuse_beyond([Used(budget=budget, tokens=500, reserved_tokens=301)], Amount(tokens=200, cost_micros=0), NOON)
    assert taken.value.retry_after_seconds == 5
    with pytest.raises(BudgetExhausted) as spent:
        refuse_beyond([Used(budget=budget, tokens=801)], Amount(tokens=200, cost_micros=0), NOON)
    assert spent.value.retry_after_seconds == 12 * 3600


def test_a_budget_in_money_bounds_money_and_lets_no_model_without_a_price_pass() -> None:
    budget = Budget(cost_micros=1000)
    refuse_beyond([Used(budget=budget, cost_micros=900)], Amount(tokens=10**9, cost_micros=100), NOON)
    for wanted in (Amount(tokens=1, cost_micros=101), Amount(tokens=1, cost_micros=None)):
        with pytest.raises(BudgetExhausted):
            refuse_beyond([Used(budget=budget, cost_micros=900)], wanted, NOON)
