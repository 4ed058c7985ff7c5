"""The environment as children get it."""

import pytest

from runtime.settings import SettingInvalid, environment_with, environment_without_settings, read_settings


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


_PRODUCTION = {
    "HEADRACE_ENVIRONMENT": "production",
    "HEADRACE_DATABASE_URL": "postgresql://db/headrace",
    "HEADRACE_REDIS_URL": "redis://redis",
    "HEADRACE_SMTP_URL": "smtp://mail",
    "HEADRACE_SECRET_KEY": "s" * 32,
}


def test_production_takes_no_secret_that_is_soon_guessed() -> None:
    assert read_settings(_PRODUCTION).is_production
    with pytest.raises(SettingInvalid, match="HEADRACE_SECRET_KEY: production takes one of at least 32 characters"):
        read_settings({**_PRODUCTION, "HEADRACE_SECRET_KEY": "s" * 31})
    short = {"HEADRACE_SECRET_KEY": "s"}
    assert read_settings(short).secret_key == "s", "development is nobody's"


@pytest.mark.parametrize("name", sorted(_PRODUCTION.keys() - {"HEADRACE_ENVIRONMENT"}))
def test_production_names_what_it_lacks(name: str) -> None:
    with pytest.raises(SettingInvalid, match=f"{name} must be set"):
        read_settings({**_PRODUCTION, name: ""})


def test_how_texts_are_asked_for_is_read_kind_by_kind() -> None:
    settings = read_settings(
        {
            "HEADRACE_GEMINI_KINDS": '{"text.generate": {"model": "m", "temperature": 0.5}}',
            "HEADRACE_TEXT_PRICES": '{"m": {"input": 1, "output": 2}}',
            "HEADRACE_TEXT_FALLBACK": "text.moderate, chat.reply",
            "HEADRACE_GEMINI_TOKENS_PER_MINUTE": "1000",
        }
    )
    assert settings.parameters_by_kind["text.generate"].model == "m"
    assert settings.prices_by_model["m"].output == 2
    assert settings.fallback_kinds == {"text.moderate", "chat.reply"}
    assert settings.gemini_tokens_per_minute == 1000
    assert not read_settings({"HEADRACE_TEXT_FALLBACK": "off"}).fallback_kinds


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HEADRACE_GEMINI_KINDS", '{"orders.place": {}}', "orders.place is no kind of text"),
        ("HEADRACE_GEMINI_KINDS", '{"chat.reply": {"warmth": 1}}', "unknown field `warmth`"),
        ("HEADRACE_TEXT_PRICES", "cheap", "JSON is malformed"),
        ("HEADRACE_TEXT_FALLBACK", "maybe", "maybe is neither on, off"),
        ("HEADRACE_TEXT_FALLBACK_FOR", "rain", "rain is none of"),
        ("HEADRACE_GEMINI_REQUESTS_PER_MINUTE", "0", ">= 1"),
    ],
)
def test_how_texts_are_asked_for_is_refused_by_name(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingInvalid, match=name) as caught:
        read_settings({name: value})
    assert told in str(caught.value)


@pytest.mark.parametrize("said", ["{", "[]", '{"gemini-x": 100}', '{"gemini-x": "much"}'])
def test_a_window_too_small_or_no_number_is_refused(said: str) -> None:
    with pytest.raises(SettingInvalid, match="HEADRACE_GEMINI_WINDOWS"):
        read_settings({"HEADRACE_GEMINI_WINDOWS": said})
    assert read_settings({"HEADRACE_GEMINI_WINDOWS": '{"gemini-x": 4000}'}).windows_by_model == {"gemini-x": 4000}
