from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.cron import CronInvalid, ZoneUnknown, check_zone, next_wall, plain_cron


@pytest.mark.parametrize(
    ("given_text", "plain"),
    [
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("  0   7 * * MON-FRI ", "0 7 * * MON-FRI"),
        ("0 0 L * *", "0 0 L * *"),
        ("0 0 * * MON#1", "0 0 * * MON#1"),
    ],
)
def test_a_cron_is_read_as_five_fields(given_text: str, plain: str) -> None:
    assert plain_cron(given_text) == plain


@pytest.mark.parametrize(
    "text",
    ["", "*", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 30 2 *", "@reboot", "a b c d e"],
)
def test_what_is_no_cron_or_never_fires_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(CronInvalid) as refused:
        plain_cron(text)
    assert refused.value.pointer == "/cron"


@given(st.text("0123456789*/,-#L W@abcMONFRI", max_size=40))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        cron = plain_cron(text)
    except CronInvalid:
        return
    assert next_wall(cron, datetime(2026, 1, 1)) is not None  # noqa: DTZ001 - a wall-clock time


@given(st.lists(st.text("0123456789*/,-#LW", min_size=1, max_size=8), min_size=5, max_size=5))
def test_whatever_five_fields_hold_is_read_or_refused(fields: list[str]) -> None:
    try:
        plain_cron(" ".join(fields))
    except CronInvalid:
        return


@pytest.mark.parametrize("name", ["", "Atlantis/Centre", "../etc/passwd", "/etc/localtime", "Europe", "europe/berlin"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ZoneUnknown):
        check_zone(name)


def test_zones_of_the_database_are_known() -> None:
    for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        check_zone(name)
