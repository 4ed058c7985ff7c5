import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--points", "worker.after_lunch"), "'worker.after_lunch' is no kill point"),
        (("--scenario", "matrix", "--kinds", "text.sing"), "'text.sing' is no kind"),
        (("--scenario", "redis", "--kills", "3"), "The scenario redis takes no --kills; it takes --times."),
        (("--scenario", "day", "--times", "3"), "The scenario day takes no --times; it takes --jobs."),
        (("--points", "all", "--jobs", "9"), "The scenario points takes no --jobs; it takes --kills and --points."),
    ],
)
def test_what_a_scenario_does_not_take_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run("faults", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
