import msgspec

from tests.cli.conftest import Run
from tests.support.api_stand_in import ApiStandIn


def test_all_being_well_ends_with_0(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/health/live", {"status": "ok"})
    api.answers(
        "GET",
        "/health/ready",
        {"status": "ok", "checks": {"postgres": {"status": "up", "duration_ms": 1.5, "needed": True}, "redis": "ok"}},
    )
    api.answers("GET", "/v1/me", {"id": "user_1"})
    api.answers("GET", "/v1/workers", {"items": [{"name": "worker-1"}], "next_cursor": None})
    api.answers("GET", "/v1/queues", {"items": [{"name": "text", "depth": 1, "workers": 1}], "next_cursor": None})
    result = run("doctor", "-o", "json")
    assert result.exit_code == 0, result.stdout
    found = {each["check"]: each["state"] for each in msgspec.json.decode(result.stdout)}
    assert found.keys() >= {
        "python",
        "postgres server",
        "postgres",
        "redis",
        "data dir",
        "api key",
        "api",
        "caller",
        "workers",
        "queues",
    }
    assert set(found.values()) == {"ok"}


def test_a_store_that_may_be_down_is_named_all_the_same(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/health/live", {"status": "ok"})
    checks = {"postgres": {"status": "up"}, "redis": {"status": "down", "needed": False, "detail": "refused"}}
    api.answers("GET", "/health/ready", {"status": "up", "checks": checks})
    result = run("doctor", "-o", "jsonl")
    assert result.exit_code == 1
    found = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
    assert {"check": "redis", "state": "problem", "said": "down: refused"}.items() <= found[-4].items()


def test_no_worker_is_a_problem_with_a_remedy(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/health/live", {"status": "ok"})
    api.answers("GET", "/health/ready", {"status": "ok"})
    api.answers("GET", "/v1/me", {"id": "user_1"})
    api.answers("GET", "/v1/workers", {"items": [], "next_cursor": None})
    result = run("doctor")
    assert result.exit_code == 1
    assert "./headrace worker" in result.stdout


def test_jobs_that_wait_in_a_queue_without_a_worker_are_a_problem(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/health/live", {"status": "ok"})
    api.answers("GET", "/health/ready", {"status": "ok"})
    alone = {"name": "emails", "depth": 2, "workers": 0}
    others = [{"name": "text", "depth": 2, "workers": 1}, {"name": "chat", "depth": 1, "workers": 0, "paused": True}]
    api.answers("GET", "/v1/queues", {"items": [alone, *others], "next_cursor": None})
    result = run("doctor", "-o", "jsonl")
    [found] = [each for each in map(msgspec.json.decode, result.stdout.splitlines()) if each["check"] == "queues"]
    assert (found["state"], found["said"]) == ("problem", "jobs wait and no worker takes emails")


def test_a_store_that_is_down_is_a_problem(api: ApiStandIn, run: Run) -> None:
    api.answers("GET", "/health/live", {"status": "ok"})
    api.refuses("GET", "/health/ready", 503, detail="redis does not answer.")
    result = run("doctor")
    assert result.exit_code == 1
    assert "redis does not answer." in result.stdout


def test_no_api_says_how_to_start_one(run: Run) -> None:
    result = run("doctor", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "./headrace up" in result.stdout
