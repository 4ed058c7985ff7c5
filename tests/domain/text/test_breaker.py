from domain.text.breaker import Breaker, BreakerRule, answered, asked, failed, held, left, wait_of

RULE = BreakerRule(failures=3, rest_seconds=30)


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        breaker = failed(breaker, RULE, at, is_probe=False)
    return breaker


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker()
    for _ in range(2):
        breaker = failed(breaker, RULE, 100.0, is_probe=False)
    assert wait_of(breaker, 100.0) == 0
    assert wait_of(failed(breaker, RULE, 100.0, is_probe=False), 110.0) == 20
    alive = answered(breaker, is_probe=False)
    assert wait_of(failed(alive, RULE, 100.0, is_probe=False), 100.0) == 0


def test_after_its_rest_one_question_goes_out_and_the_others_wait() -> None:
    breaker = opened()
    assert wait_of(breaker, 130.0) == 0
    breaker, is_probe = asked(breaker)
    assert is_probe
    assert wait_of(breaker, 130.0) > 0


def test_the_probe_closes_it_or_opens_it_anew() -> None:
    breaker, _ = asked(opened())
    assert wait_of(answered(breaker, is_probe=True), 130.0) == 0
    assert wait_of(failed(breaker, RULE, 130.0, is_probe=True), 130.0) == 30


def test_a_probe_given_up_leaves_room_for_another() -> None:
    breaker, _ = asked(opened())
    assert wait_of(left(breaker, is_probe=True), 131.0) == 0


def test_answers_to_questions_from_before_say_nothing_about_now() -> None:
    breaker = opened()
    assert answered(breaker, is_probe=False) == breaker
    assert failed(breaker, RULE, 129.0, is_probe=False) == breaker


def test_nobody_asks_before_the_provider_said_and_an_earlier_word_does_not_shorten_it() -> None:
    breaker = held(Breaker(), 107.0, is_probe=False)
    assert wait_of(breaker, 100.0) == 7
    assert wait_of(held(breaker, 103.0, is_probe=False), 100.0) == 7
    assert wait_of(answered(breaker, is_probe=False), 100.0) == 7
    assert wait_of(breaker, 107.0) == 0
