# ruff: noqa: ANN401 - JSON is anything

from typing import Any

import msgspec

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn

HOOK = "hook_" + "0" * 32
DELIVERY = "dlv_" + "0" * 32
PATH = f"/v1/webhooks/{HOOK}"


def delivery(**changes: Any) -> dict[str, Any]:
    return {"id": DELIVERY, "webhook_id": HOOK, "state": "pending", "attempts": 0, "status_code": None} | changes


def test_an_endpoint_is_made_and_its_secret_printed_once(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", "/v1/webhooks", {"id": HOOK, "secret": "whsec_x"}, status=201)
    result = run("webhooks", "create", "https://example.com/h", "-e", "job.*", "-e", "order.paid", "-o", "json")
    assert result.exit_code == 0, result.output
    assert api.asked[0].json() == {
        "url": "https://example.com/h",
        "events": ["job.*", "order.paid"],
        "description": "",
    }
    assert msgspec.json.decode(result.stdout)["secret"] == "whsec_x"
    assert "not shown again" in result.stderr


def test_endpoints_and_deliveries_are_listed(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/v1/webhooks", {"items": [{"id": HOOK, "url": "https://example.com/h"}]})
    api.answers("GET", f"{PATH}/deliveries", {"items": [delivery(state="delivered", status_code=204)]})
    assert HOOK in run("webhooks", "list").stdout
    assert "204" in run("webhooks", "deliveries", HOOK).stdout


def test_an_endpoint_is_paused_resumed_and_deleted(api: ApiStandIn, run: Run) -> None:
    api.answers("PATCH", PATH, {"id": HOOK})
    api.answers("DELETE", PATH, b"", status=204)
    for words in ("pause", "resume", "delete"):
        assert run("webhooks", words, HOOK).exit_code == 0
    assert [(one.method, one.body) for one in api.asked] == [
        ("PATCH", b'{"state":"paused"}'),
        ("PATCH", b'{"state":"active"}'),
        ("DELETE", b""),
    ]


def test_a_test_that_was_taken_ends_with_0_and_one_that_was_not_with_1(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", f"{PATH}/test", delivery(), status=202)
    path = f"{PATH}/deliveries/{DELIVERY}"
    api.answers("GET", path, delivery())
    api.answers("GET", path, delivery(state="delivered", attempts=1, status_code=204))
    api.answers("GET", path, delivery(state="failed", attempts=1, status_code=500))
    assert run("webhooks", "test", HOOK).exit_code == 0
    result = run("webhooks", "test", HOOK)
    assert (result.exit_code, "It answered 500." in result.stderr) == (1, True)


def test_a_delivery_is_sent_again_and_a_secret_rotated(api: ApiStandIn, run: Run) -> None:
    api.answers("POST", f"{PATH}/deliveries/{DELIVERY}/redeliver", delivery(), status=202)
    api.answers("POST", f"{PATH}/rotate-secret", {"id": HOOK, "secret": "whsec_y"})
    assert run("webhooks", "redeliver", HOOK, DELIVERY).exit_code == 0
    assert "whsec_y" in run("webhooks", "rotate-secret", HOOK).stdout
