"""What is printed on a terminal."""

import io
import sys

import pytest

from cli.output import show_pairs


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, **environ: str) -> str:
    """What a terminal is sent of a pair."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm-256color", **environ}.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    show_pairs([("state", "failed")])
    return screen.getvalue()


def test_a_terminal_shows_names_and_states_in_style(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[1m" in printed(monkeypatch)


def test_with_no_color_nothing_but_letters_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, NO_COLOR="1") == "state  failed\n"
