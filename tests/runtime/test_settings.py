"""The environment as children get it."""

import pytest

from runtime.settings import environment_with, environment_without_settings


def test_a_child_inherits_the_environment_with_what_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "error")
    child = environment_with(HEADRACE_URL="http://127.0.0.1:1")
    assert (child["HEADRACE_LOG_LEVEL"], child["HEADRACE_URL"]) == ("error", "http://127.0.0.1:1")


def test_a_child_given_its_own_settings_inherits_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "error")
    monkeypatch.setenv("NOT_OURS", "kept")
    child = environment_without_settings(HEADRACE_URL="http://127.0.0.1:1")
    assert "HEADRACE_LOG_LEVEL" not in child
    assert (child["NOT_OURS"], child["HEADRACE_URL"]) == ("kept", "http://127.0.0.1:1")
