import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tools.text.bench import held
from tools.text.evaluate import Figure

ABSTRACT = (
    "Bridges age in ways that are hard to see. We present a cheap sensor that listens to a bridge and tells when a "
    "cable is about to fail. In a trial of 14 months on 3 bridges it missed nothing and gave two false alarms."
)


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A folder with two sets of one row each."""
    rows = {
        "summarize": {
            "id": "1",
            "text": ABSTRACT,
            "refs": ["A cheap sensor that listens to a bridge and tells when a cable is about to fail."],
            "title": "Listening to bridges",
            "source": "own",
        },
        "generate": {
            "id": "1",
            "kind": "email",
            "brief": {"prompt": "Tell Ana Ruiz that order 118 ships on 3 May.", "tone": "formal"},
            "facts": ["Ruiz", "118", ["3 May", "May 3"]],
            "words": [10, 120],
            "must_match": ["^Dear "],
        },
    }
    for name, row in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dev.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return tmp_path


def test_every_figure_of_the_sets_that_are_there_is_told_and_the_others_are_named(
    run: Run, sets: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run("bench", "text", "--data", str(sets), "--only", "quality", "-o", "json")
    assert done.exit_code == 0, done.output
    figures = {(each["kind"], each["figure"]): each for each in json.loads(done.stdout)}
    assert figures["generate", "facts kept"]["value"] == 1
    assert figures["summarize", "over the limit"]["value"] == 0
    assert (figures["generate", "facts kept"]["floor"], figures["generate", "facts kept"]["holds"]) == ("≥ 0.98", True)
    assert figures["moderate", "ms for 1 KB"]["holds"] is None
    assert 0.5 < figures["summarize", "ROUGE-1"]["value"] <= 1
    assert figures["summarize", "ROUGE-1"]["n"] == 1
    assert figures["engine", "RSS with the models, MB"]["value"] > 20
    assert figures["moderate", "ms for 1 KB"]["value"] > 0
    assert ("sentiment", "polarity") not in figures
    assert "sentiment/dev.jsonl" in capfd.readouterr().err


@pytest.mark.parametrize(("value", "holds"), [(0.859, False), (0.86, True), (0.861, True)])
def test_a_figure_below_its_floor_is_told_to_miss_it(value: float, *, holds: bool) -> None:
    told = held(Figure(kind="moderate", figure="macro AUROC", value=value))
    assert (told.floor, told.holds) == ("≥ 0.86", holds)
    assert held(Figure(kind="moderate", figure="false alarms", value=1)).holds is None


def test_a_folder_that_is_not_there_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    done = run("bench", "text", "--data", str(tmp_path / "none"))
    assert done.exit_code != 0
    assert "none" in done.output
