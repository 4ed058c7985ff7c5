"""Figures: what alerts and the operators' handbook name is told, what is told is documented, and the release is one."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from api.figures import Figures
from runtime.settings import PREFIX
from runtime.version import VERSION
from schedules.figures import BeatFigures
from tests.house.source import ROOT, listed
from tests.house.test_compose import services
from tests.support.figures import names_in
from workers.figures import RelayFigures, WorkerFigures

_NAMED = re.compile(r"\bheadrace_[a-z_]+[a-z]\b")
_PARTS = re.compile(r"_(bucket|count|sum)$")
_MADE_LATE = {"headrace_event_loop_lag_seconds"}  # with the loop it is about
_NO_FIGURES = {"headrace_api", "headrace_owner"}  # logins of Postgres


@cache
def told() -> frozenset[str]:
    processes = [each().registry for each in (WorkerFigures, RelayFigures, BeatFigures)]
    of_the_api = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(Figures().render().decode())
    }
    ours = of_the_api.union(*map(names_in, processes)) | _MADE_LATE
    return frozenset(name for name in ours if name.startswith("headrace_"))


def page(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_alerts_ask_for_figures_that_are_told() -> None:
    rules = [rule for group in yaml.safe_load(page("infra/prometheus/alerts.yml"))["groups"] for rule in group["rules"]]
    assert rules
    unknown = [f"{rule['alert']}: {name}" for rule in rules for name in strange(rule["expr"])]
    assert not unknown, listed(unknown)


def test_a_figure_that_nobody_tells_would_be_named() -> None:
    asked = "rate(headrace_attempt_duration_seconds_count[5m]) / headrace_worker_slot / headrace_http_shed"
    assert list(strange(asked)) == ["headrace_worker_slot", "headrace_http_shed"]


def test_the_handbook_names_every_figure_and_no_other() -> None:
    handbook = page("docs/operations.md")
    named = {_PARTS.sub("", name) for name in _NAMED.findall(handbook)} - _NO_FIGURES
    assert told() - named == set()
    assert named - told() == set()


def test_prometheus_scrapes_every_process_of_compose_where_it_tells_its_figures() -> None:
    scraped = {
        target
        for job in yaml.safe_load(page("infra/prometheus/prometheus.yml"))["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert scraped == {target for name, service in services().items() for target in _target(name, service)}


def test_the_release_told_is_the_release_built() -> None:
    assert tomllib.loads(page("pyproject.toml"))["project"]["version"] == VERSION


def strange(asked: str) -> Iterable[str]:
    """The figures that a query names and no process tells."""
    return (name for name in _NAMED.findall(asked) if _PARTS.sub("", name) not in told())


def _target(name: str, service: dict[str, Any]) -> Iterable[str]:
    words, given = service.get("command", []), service.get("environment", {})
    if f"{PREFIX}METRICS_PORT" in given:
        assert given[f"{PREFIX}METRICS_HOST"] == "0.0.0.0"  # noqa: S104 - inside compose's networks, or nobody could ask
        yield f"{name}:{given[f'{PREFIX}METRICS_PORT']}"
    elif "--port" in words:
        yield f"{name}:{words[words.index('--port') + 1]}"
