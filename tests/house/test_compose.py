"""`compose.yaml`: the processes of the command, from one image, with settings there are and no secret given away."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped]

from cli.main import COMMANDS
from runtime.settings import PREFIX, Settings, read_settings
from tests.house.source import ROOT, listed

_PROCESSES = {"api", "relay", "worker", "beat", "flower", "migrate"}
_OF_TEXTS = tuple(f"{PREFIX}{slice_}_" for slice_ in ("CACHE", "GEMINI", "REDACT", "SAFETY", "TEXT"))
_INTERPOLATED = re.compile(r"\$\{(\w+)(:?[-?+])?([^}]*)\}")


@cache
def text() -> str:
    return (ROOT / "compose.yaml").read_text(encoding="utf-8")


@cache
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(_INTERPOLATED.sub(_filled, text()))["services"]
    return found


def test_every_process_of_the_command_is_a_service() -> None:
    run = {words[0] for words in (ours["command"] for ours in _ours().values())}
    assert COMMANDS.keys() >= _PROCESSES
    assert run >= _PROCESSES


def test_services_are_given_settings_there_are_and_all_that_production_asks_for() -> None:
    for name, service in _ours().items():
        given = {key: value for key, value in service["environment"].items() if key.startswith(PREFIX)}
        assert read_settings({**given, f"{PREFIX}ENVIRONMENT": "production"}).is_production, name


def test_no_secret_has_a_default() -> None:
    assert not (broken := list(defaulted(text()))), listed(broken)


def test_a_secret_with_a_default_would_be_named() -> None:
    assert list(defaulted("a: ${DB_PASSWORD:-postgres}\nb: ${KEY:?set it}\nc: ${MODEL:-}\nd: ${TOKEN}")) == [
        "DB_PASSWORD",
        "TOKEN",
    ]


def test_what_listens_listens_on_this_machine_only() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_service_says_how_it_is_known_to_be_well_and_when_it_is_started_again() -> None:
    for name, service in services().items():
        check = service["healthcheck"]
        assert check.get("disable") if service["restart"] == "no" else check["test"], name


def test_workers_have_names_of_their_own_and_time_to_give_their_jobs_back() -> None:
    workers = [service for service in _ours().values() if service["command"][0] == "worker"]
    assert len({tuple(service["command"]) for service in workers}) == len(workers) > 1
    assert all("--name" in service["command"] for service in workers)
    grace = Settings().grace_seconds
    assert all(int(service["stop_grace_period"].removesuffix("s")) >= grace + 10 for service in workers)


def test_the_api_is_told_of_texts_what_workers_are() -> None:
    # by other settings it would find none of their answers, refuse nothing for a budget and take no economy batch
    told = {
        frozenset((name, value) for name, value in service["environment"].items() if name.startswith(_OF_TEXTS))
        for service in _ours().values()
        if service["command"][0] in {"api", "worker"}
    }
    assert len(told) == 1
    assert {name for name, _ in told.pop()} >= {f"{PREFIX}GEMINI_API_KEY"}


def test_the_images_example_of_an_environment_names_what_compose_asks_for() -> None:
    example = (ROOT / "infra" / "docker" / "example.env").read_text(encoding="utf-8")
    asked = {name for name, _, _ in _INTERPOLATED.findall(text())}
    assert asked == {line.partition("=")[0] for line in example.splitlines() if line and not line.startswith("#")}


def defaulted(compose: str) -> Iterable[str]:
    """Variables that compose would fill in by itself, with anything but nothing."""
    return (
        name for name, how, rest in _INTERPOLATED.findall(compose) if how != ":?" and not (how == ":-" and not rest)
    )


def _ours() -> dict[str, dict[str, Any]]:
    return {name: each for name, each in services().items() if each["image"].startswith("headrace:")}


def _filled(found: re.Match[str]) -> str:
    return "" if found[2] == ":-" else "smtp://mail" if found[1] == "SMTP_URL" else "secret" * 8
