from typing import Any, Final

import pytest

from domain.emails.templates import NAMES, TEMPLATES, Template, choose_template, fill_template, read_values

HOSTILE: Final = "<script>\"&'${order_id} $$"
VALUES: Final[dict[str, dict[str, Any]]] = {
    "welcome": {"name": HOSTILE, "url": "https://x.example"},
    "order_confirmation": {
        "order_id": HOSTILE,
        "lines": [{"name": HOSTILE, "quantity": 2, "price": "3.00 EUR"}, {"name": "B", "quantity": 1, "price": "1"}],
        "total": "7.00 EUR",
    },
    "order_shipped": {"order_id": HOSTILE, "ship_to": HOSTILE},
    "payment_failed": {"order_id": HOSTILE, "total": "7.00 EUR", "reason": HOSTILE},
    "daily_digest": {"day": HOSTILE, "rows": [{"label": HOSTILE, "value": "3"}], "note": HOSTILE},
    "notice": {"title": HOSTILE, "body": HOSTILE},
}


def fill(name: str, values: dict[str, Any]) -> tuple[str, str, str]:
    template = choose_template(name)
    filled = fill_template(template, read_values(template, values))
    return filled.subject, filled.text, filled.html


def test_every_template_is_tried_here() -> None:
    assert set(VALUES) == set(NAMES)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: f"{template.name}@{template.version}")
def test_every_gap_is_filled_with_the_value_as_it_is_and_escaped_in_html(template: Template) -> None:
    values = VALUES[template.name]
    filled = fill_template(template, read_values(template, values))
    assert HOSTILE in filled.subject
    assert HOSTILE in filled.text
    assert "<script>" not in filled.html
    assert "&lt;script&gt;&quot;&amp;&#x27;${order_id} $$" in filled.html


def test_rows_are_written_one_after_another() -> None:
    _, text, html = fill("order_confirmation", VALUES["order_confirmation"] | {"order_id": "order_1"})
    assert f"2 x {HOSTILE}: 3.00 EUR\n1 x B: 1\n\nTotal: 7.00 EUR" in text
    assert html.count("<tr>") == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_value_is_named(name: str) -> None:
    template = choose_template(name)
    required = [field for field in template.values.__struct_fields__ if field not in _defaults(template)]
    for field in required:
        values = {key: value for key, value in VALUES[name].items() if key != field}
        with pytest.raises(ValueError, match=f"`{field}`"):
            read_values(template, values)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_value_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="`colour`"):
        read_values(choose_template(name), VALUES[name] | {"colour": "red"})


def test_a_value_in_a_row_is_checked_too() -> None:
    values = VALUES["order_confirmation"] | {"lines": [{"name": "A", "quantity": "two", "price": "1"}]}
    with pytest.raises(ValueError, match=r"\$\.lines\[0\]\.quantity"):
        read_values(choose_template("order_confirmation"), values)


def test_a_version_can_be_asked_for() -> None:
    assert choose_template("welcome@1") == choose_template("welcome")


@pytest.mark.parametrize("name", ["", "Welcome", "welcome@", "welcome@2", "welcome@1@1", "@1"])
def test_a_template_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ValueError, match="there are welcome, order_confirmation"):
        choose_template(name)


def test_no_version_of_a_template_is_there_twice() -> None:
    versions = [(template.name, template.version) for template in TEMPLATES]
    assert len(versions) == len(set(versions))


def _defaults(template: Template) -> set[str]:
    fields = template.values.__struct_fields__
    return set(fields[len(fields) - len(template.values.__struct_defaults__) :])
