"""What reaches the one Celery task, whoever put it into the broker."""

from collections.abc import Callable

import pytest
from celery import Celery

from runtime.broker import RUN
from workers.tasks import AttemptFailed, bind_run

JOB = "job_" + "0" * 32


def run_of(failing: list[str], rung: list[list[str]]) -> Callable[[object, object], None]:
    app = Celery("tests", set_as_current=False)

    def ring(ids: list[str], *, in_front: bool) -> list[str]:
        assert not in_front
        rung.append(ids)
        return failing

    bind_run(app, ring)
    task: Callable[[object, object], None] = app.tasks[RUN]
    return task


@pytest.mark.parametrize("forged", [None, "job_1", [], {}, [1], ["order_" + "0" * 32], [JOB, None], [[JOB]]])
def test_a_forged_message_runs_nothing_and_breaks_nothing(forged: object) -> None:
    rung: list[list[str]] = []
    run_of([], rung)(forged, None)
    assert rung == ([[]] if forged == [] else [])


def test_a_failed_attempt_shows_as_failed_in_flower_under_its_code_alone() -> None:
    with pytest.raises(AttemptFailed) as caught:
        run_of(["timeout"], [])([JOB], None)
    assert caught.value.args == ("timeout",)


def test_a_message_of_many_jobs_never_fails() -> None:
    run_of(["timeout"], [])([JOB, JOB], None)


def test_what_breaks_in_the_platform_does_not_reach_celery() -> None:
    app = Celery("tests", set_as_current=False)

    def ring(ids: list[str], *, in_front: bool) -> list[str]:
        raise RuntimeError

    bind_run(app, ring)
    app.tasks[RUN]([JOB], None)
