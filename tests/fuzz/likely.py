"""Cases that fit the description, made likelier to be taken: most of those drawn break a rule that it has no words for.

Three of four are changed so: they name things that are there, and keep the rules of `tests.fuzz.rules`. The fourth is
sent as it was drawn, and so is all that is meant to be wrong.
"""

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemathesis import Case

from runtime.unique_ids import new_id

_SHARE: Final = 4
_SOON: Final = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
_JUST_NOW: Final = f"{datetime.now(UTC) - timedelta(hours=6):%Y-%m-%dT%H:%M:%SZ}"
_LATER: Final = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"
_FIELDS: Final[dict[str, dict[str, object]]] = {
    "create_api_key": {"scopes": ["jobs:read"], "expires_at": _SOON},
    "set_role_permissions": {"permissions": ["jobs:read", "jobs:submit"]},
    "create_webhook": {"events": ["job.succeeded", "order.*"]},
    "update_webhook": {"events": ["job.succeeded", "order.*"]},
    "create_schedule": {"cron": "0 6 * * *", "starts_at": _SOON, "ends_at": _LATER, "timezone": "Europe/Berlin"},
    "update_schedule": {"cron": "0 6 * * *", "starts_at": _SOON, "ends_at": _LATER, "timezone": "Europe/Berlin"},
    "backfill_schedule": {"starts_at": _JUST_NOW, "ends_at": _SOON},
    "create_product": {"categories": []},
    "update_product": {"categories": []},
    "submit_bulk_action": {"filter": {"tag": "news"}},
    "create_event_token": {"batch_id": None, "job_id": None},
}
"""What stands in a body in place of what was drawn for the field, where it was drawn at all."""


def make_likelier(case: Case[Any], things: Mapping[str, str]) -> None:
    """Change a case that fits the description, so that more of them are taken."""
    if case.meta is None or not case.meta.generation.mode.is_positive or not _is_chosen(case):
        return
    operation = case.operation.definition.raw.get("operationId", "")
    for name in case.path_parameters or ():
        case.path_parameters[name] = things.get(name, case.path_parameters[name])
    for name in case.headers or ():
        if name.lower() == "idempotency-key":
            case.headers[name] = new_id("key")
    if case.query:
        case.query.pop("cursor", None)
        _mend_times(case.query)
    _mend_body(operation, case.body)


def _is_chosen(case: Case[Any]) -> bool:
    # by what was drawn: the same case is sent the same way again
    drawn = repr((case.operation.label, case.path_parameters, case.query, case.body))
    return zlib.crc32(drawn.encode("utf-8", "surrogatepass")) % _SHARE != 0


def _mend_body(operation: str, body: Any) -> None:  # noqa: ANN401 - any JSON
    for one in _objects(body):
        if isinstance(one.get("to"), list):
            _mend_email(one)
        if "kind" in one and "input" in one:
            _mend_times(one)
            if operation == "submit_batch":
                one.pop("unique", None)
        if "amount" in one and "currency" in one:
            one["currency"] = "USD"
        if isinstance(one.get("webhook"), dict):
            one["webhook"]["url"] = "https://93.184.216.34/hooks"
    if isinstance(body, dict):
        body.update({name: value for name, value in _FIELDS.get(operation, {}).items() if body.get(name) is not None})
        if body.get("cron") is not None:
            body.pop("every", None)


def _mend_times(options: dict[str, Any]) -> None:
    if options.get("delay") is not None:
        options.pop("run_at", None)
    if options.get("run_at") is not None:
        options["run_at"] = _SOON


def _mend_email(email: dict[str, Any]) -> None:
    if email.get("template") is None:
        email.update(subject=email.get("subject") or "Rain", text=email.get("text") or "It rains.")
        email.pop("values", None)
        email.pop("template", None)


def _objects(body: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(body, dict):
        yield body
        for one in body.values():
            yield from _objects(one)
    elif isinstance(body, list):
        for one in body:
            yield from _objects(one)
