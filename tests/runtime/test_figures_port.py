"""The port of relay, worker and beat: what it answers, and that it stands in nobody's way."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from structlog.testing import capture_logs

import runtime.figures_port
from runtime.figures import ProcessFigures
from runtime.figures_port import told_on_a_port
from runtime.settings import Settings
from tests.support.figures import told_in
from tests.support.running_up import wait_for

HOST = "127.0.0.1"


@contextmanager
def a_port(host: str = HOST) -> Generator[socket.socket]:
    """A port that is taken, and listens to nobody."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        yield taken


def free_port(host: str = HOST) -> int:
    with a_port(host) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def figures() -> ProcessFigures:
    return ProcessFigures("relay", name="relay", rounds=("look",))


def ask(port: int, path: str, host: str = HOST) -> httpx.Response | None:
    try:
        return httpx.get(f"http://{host}:{port}{path}")
    except httpx.TransportError:
        return None


@contextmanager
def told(figures: ProcessFigures, host: str = HOST) -> Generator[int]:
    port = free_port(host.strip("[]"))
    with told_on_a_port(Settings(metrics_port=port, metrics_host=host.strip("[]")), figures):
        wait_for(lambda: ask(port, "/health/live", host))
        yield port


def answer_to(port: int, path: str) -> httpx.Response:
    answer = ask(port, path)
    assert answer is not None
    return answer


def test_the_figures_are_told_in_prometheus_format(figures: ProcessFigures) -> None:
    with figures.going_round("look"):
        pass
    with told(figures) as port:
        answer = answer_to(port, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    labels = frozenset({("round", "look"), ("outcome", "done")})
    assert told_in(answer.text)["headrace_round_duration_seconds_count", labels] == 1
    assert "Python" not in answer.headers["server"]


def test_who_asks_for_openmetrics_is_told_in_openmetrics(figures: ProcessFigures) -> None:
    with told(figures) as port:
        answer = httpx.get(
            f"http://{HOST}:{port}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
        )
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    assert "headrace_round_timestamp_seconds" in names


def test_a_process_is_live_until_a_round_is_overdue(figures: ProcessFigures) -> None:
    with told(figures) as port:
        assert answer_to(port, "/health/live").json() == {"status": "live"}
        figures.expect("look", within_seconds=-1)
        stalled = answer_to(port, "/health/live")
        assert (stalled.status_code, stalled.json()["status"]) == (503, "stalled")
        assert stalled.json()["overdue_seconds"].keys() == {"look"}


def test_a_process_is_ready_when_it_says_so_and_is_not_stalled(figures: ProcessFigures) -> None:
    with told(figures) as port:
        assert answer_to(port, "/health/ready").status_code == 503
        figures.is_ready = True
        assert answer_to(port, "/health/ready").json() == {"status": "ready"}
        figures.expect("look", within_seconds=-1)
        assert answer_to(port, "/health/ready").status_code == 503


def test_what_is_not_there_is_not_found(figures: ProcessFigures) -> None:
    with told(figures) as port:
        assert answer_to(port, "/").status_code == 404
        assert httpx.post(f"http://{HOST}:{port}/metrics").status_code == 501


def test_it_is_told_over_ipv6_as_well(figures: ProcessFigures) -> None:
    with told(figures, "[::1]") as port:
        assert ask(port, "/metrics", "[::1]")


def test_without_a_port_nothing_listens(figures: ProcessFigures) -> None:
    with told_on_a_port(Settings(), figures):
        assert "figures" not in {thread.name for thread in threading.enumerate()}


def test_a_port_that_is_taken_stops_nobody_and_is_used_once_it_is_free(
    figures: ProcessFigures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.figures_port, "_AGAIN_SECONDS", 0.01)
    with capture_logs() as logs:
        with a_port() as taken:
            port: int = taken.getsockname()[1]
            with told_on_a_port(Settings(metrics_port=port), figures):
                wait_for(lambda: [line for line in logs if line["event"] == "metrics.not_listening"])
                taken.close()
                wait_for(lambda: ask(port, "/health/live"))
        assert [line["event"] for line in logs] == ["metrics.not_listening", "metrics.listening"]


def test_who_connects_and_says_nothing_keeps_nobody_from_being_answered(figures: ProcessFigures) -> None:
    with told(figures) as port, socket.create_connection((HOST, port)), socket.create_connection((HOST, port)):
        assert answer_to(port, "/health/live").status_code == 200
