"""What the description cannot say excuses a refusal only where it is meant to."""

import pytest

from tests.fuzz.rules import is_excused

TWICE = "Labels must have distinct names"
BARE = "Subject is needed, or a template."


@pytest.mark.parametrize(
    ("operation", "code", "errors", "excused"),
    [
        ("create_schedule", "body_invalid", [("/cron", "No such day.")], True),
        ("submit_job", "body_invalid", [("/cron", "No such day.")], False),
        ("create_schedule", "body_invalid", [("/name", "This is no cron.")], False),
        ("create_webhook", "body_invalid", [("/url", "Expected https.")], True),
        ("create_webhook", "body_invalid", [("/description", "Expected https.")], False),
        ("register_user", "email_invalid", [("/email", "the domain has at most 253 characters.")], True),
        ("update_user", "email_invalid", [("/email", "the domain has at most 253 characters.")], False),
        ("create_user", "email_invalid", [("/email", "an e-mail address has an @.")], False),
        ("create_customer_deposit", "unknown_currency", [("/amount/currency", "No such currency.")], True),
        ("submit_order", "unknown_currency", [("/amount/currency", "No such currency.")], False),
        ("submit_email", "body_invalid", [("/subject", BARE)], True),
        ("submit_email", "body_invalid", [("/subject", f"{BARE}; and more")], False),
        ("submit_email", "body_invalid", [("/to", BARE)], False),
        ("submit_email", "body_invalid", [("/cc/3", "The domain has at most 253 characters.")], True),
        ("submit_batch", "body_invalid", [("/3/input/subject", f"Line 4: {BARE}")], True),
        ("classify_text", "body_invalid", [("/labels", TWICE)], True),
        ("classify_text", "body_invalid", [("/labels", TWICE), ("/text", "Expected a text, not null.")], False),
        ("classify_text", "body_invalid", [], False),
    ],
)
def test_a_rule_excuses_what_it_is_meant_for_and_nothing_else(
    operation: str, code: str, errors: list[tuple[str, str]], *, excused: bool
) -> None:
    said = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    assert is_excused(operation, {"code": code, "errors": said}) == excused
