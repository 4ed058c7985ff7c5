"""The description of the API, held to the file that was last looked at: a change of it is a change for clients.

After a change that is meant: `python -m tests.contracts.test_openapi`, and read the difference. It refuses a change
that breaks clients, unless `--because NNNN` names the decision record that says why.
"""

import argparse
import asyncio
import copy
import re
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from api.app import make_app
from domain.catalog import KINDS
from runtime.settings import Settings
from runtime.wakeups import open_wakeups
from storage.database import open_database
from tests.contracts.breaking import breaks

SEEN = Path(__file__).parent / "openapi.json"
DECISIONS = Path(__file__).parents[2] / "docs/decisions"
REFUSAL = """\
This breaks clients that were made for the description last accepted:
  {breaks}
Add beside what stands instead of changing it: a new field, a new value, a new route. If it must break, write a decision
record that says why and what clients do, note it in CHANGELOG.md, and accept it by
  PYTHONPATH=platform:. .venv/bin/python -m tests.contracts.test_openapi --because NNNN
"""

Json = dict[str, Any]


async def read_description() -> Json:
    """What the API says of itself; needs neither Postgres nor Redis."""
    database = open_database("postgresql://nobody@/none?host=/nowhere", name="test")
    wakeups = open_wakeups("unix:///nowhere/s.sock")
    app = make_app(database, wakeups, Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://headrace.test") as client:
        answer = await client.get("/schema/openapi.json")
    await wakeups.close()
    await database.close()
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def description() -> Json:
    return await read_description()


async def test_the_description_is_the_one_last_looked_at(description: Json) -> None:
    assert spelled(description) == SEEN.read_bytes()


def unexplained(node: Json | list[Any] | object, where: str, *, told: bool = False) -> Iterator[str]:
    """Where a pattern stands that no words go with, be they beside it or at the parameter that it is of."""
    if isinstance(node, dict):
        told = bool(node.get("description")) or (told and "schema" not in node)
        if isinstance(node.get("pattern"), str) and not told:
            yield where
        for name, below in node.items():
            yield from unexplained(below, f"{where}/{name}", told=told and name == "schema")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            yield from unexplained(below, f"{where}/{index}")


async def test_every_pattern_says_in_words_what_it_asks_for(description: Json) -> None:
    assert list(unexplained(description, "")) == []
    assert list(unexplained({"a": {"pattern": "^b$"}}, "")) == ["/a"]


async def test_submissions_of_texts_tell_that_they_can_be_asked_anew(description: Json) -> None:
    told = {
        path
        for path, methods in description["paths"].items()
        for header in methods.get("post", {}).get("parameters", ())
        if header["name"] == "Cache-Control"
    }
    texts = {f"/v1/text/{verb}" for verb in ("summarize", "moderate", "classify", "generate")}
    assert told == {"/v1/jobs", "/v1/batches"} | texts


async def test_no_client_of_the_description_last_accepted_breaks(description: Json) -> None:
    found = breaks(dict(msgspec.json.decode(SEEN.read_bytes())), description)
    assert not found, REFUSAL.format(breaks="\n  ".join(found))


JOB = ("components", "schemas", "JobView")
BODY = ("components", "schemas", "BulkActionBody")
LIST = ("paths", "/v1/jobs", "get")
BAN = ("paths", "/v1/users/{user_id}/ban", "post")
BREAKS: list[tuple[tuple[str, ...], object, str]] = [
    (("paths", "/v1/jobs", "post"), None, "POST /v1/jobs is gone."),
    ((*LIST, "operationId"), "jobs_of", "is now called jobs_of"),
    ((*JOB, "properties", "state"), None, "the field state is gone"),
    ((*JOB, "required"), [], "the field id is not always there any more"),
    ((*JOB, "properties", "attempt", "type"), "string", "attempt was integer and is string"),
    ((*JOB, "properties", "queue"), {"anyOf": [{"type": "string"}, {"type": "null"}]}, "null was not told of before"),
    (("components", "schemas", "State", "enum"), ["queued", "lost"], "'lost' may be given, and was not told of"),
    ((*BODY, "required"), ["action", "filter", "dry_run"], "the field dry_run is now needed"),
    ((*BODY, "properties", "rate_per_second", "maximum"), 10, "maximum fell from 1000 to 10"),
    ((*BODY, "properties", "dry_run"), None, "the field dry_run is gone"),
    (("components", "schemas", "BulkVerb", "enum"), ["retry"], "the value 'cancel' is taken no more"),
    ((*LIST, "parameters"), [], "the parameter cursor in the query is gone"),
    ((*BAN, "requestBody", "required"), True, "a body is now needed"),
    ((*LIST, "security"), [{"bearer": []}], "what it takes to be let in has changed"),
    ((*LIST, "responses", "200"), None, "the answer 200 is gone"),
]


@pytest.mark.parametrize(("place", "value", "said"), BREAKS)
def test_a_change_that_breaks_clients_is_named(place: tuple[str, ...], value: object, said: str) -> None:
    before = dict(msgspec.json.decode(SEEN.read_bytes()))
    now = changed(before, place, value)
    assert [line for line in breaks(before, now) if said in line]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("paths", "/v1/more"), {"get": {"operationId": "more", "responses": {}}}),
        ((*JOB, "properties", "more"), {"type": "string"}),
        ((*BODY, "properties", "more"), {"type": "string"}),
        ((*BODY, "required"), ["action"]),
        ((*BODY, "properties", "rate_per_second", "maximum"), 5000),
        (("components", "schemas", "BulkVerb", "enum"), ["retry", "cancel", "expire"]),
        ((*JOB, "properties", "attempt", "description"), "how often it was tried"),
    ],
)
def test_what_is_added_breaks_nobody(place: tuple[str, ...], value: object) -> None:
    before = dict(msgspec.json.decode(SEEN.read_bytes()))
    found = breaks(before, changed(before, place, value))
    # a verb that is taken is shown again in the answer: there it is news
    assert [line for line in found if "'expire' may be given" not in line] == []


async def test_every_reference_leads_somewhere_and_every_component_is_referred_to(description: Json) -> None:
    components = {
        f"#/components/{section}/{name}"
        for section in ("schemas", "responses")
        for name in description["components"][section]
    }
    assert set(references(description)) == components


async def test_every_body_and_every_answer_has_an_example_that_fits(description: Json) -> None:
    components = {"components": {"schemas": description["components"]["schemas"]}}
    seen = 0
    for name, media in contents(description):
        assert "example" in media, name
        check = jsonschema_rs.validator_for({**media["schema"], **components})
        assert check.is_valid(media["example"]), (name, media["example"], list(check.iter_errors(media["example"]))[:1])
        seen += 1
    assert seen > 100


async def test_every_operation_tells_the_errors_it_can_have(description: Json) -> None:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            told = set(operation["responses"])
            wanted = {"400", "414", "500"}
            if path.startswith("/v1"):
                wanted |= {"401", "403", "422", "429", "503"} if operation["security"] else {"429", "503"}
            wanted |= {"408", "413", "415"} if "requestBody" in operation else set()
            wanted |= {"404"} if "{" in path else set()
            assert told >= wanted, (method, path)
    for name, response in description["components"]["responses"].items():
        assert response["content"].keys() == {"application/problem+json"}, name


async def test_operations_have_names_that_make_methods(description: Json) -> None:
    names = {name: (path, method) for path, method, name in operation_names(description)}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names), names
    assert names["list_jobs"] == ("/v1/jobs", "get")
    assert names["submit_job"] == ("/v1/jobs", "post")
    assert names["get_job"] == ("/v1/jobs/{job_id}", "get")
    assert names["stream_job_events"] == ("/v1/jobs/{job_id}/events", "get")
    assert names["list_schedule_runs"] == ("/v1/schedules/{schedule_id}/runs", "get")


async def test_jobs_are_submitted_as_a_union_told_apart_by_kind(description: Json) -> None:
    union = description["components"]["schemas"]["Submission"]
    assert union["discriminator"]["propertyName"] == "kind"
    assert union["discriminator"]["mapping"].keys() == {kind.name for kind in KINDS if not kind.internal}
    body = description["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Submission"}


async def test_every_example_fits_its_schema_and_nothing_unknown_does(description: Json) -> None:
    schemas = description["components"]["schemas"]
    for name, schema in schemas.items():
        for example in schema.get("examples", ()):
            check = jsonschema_rs.validator_for(
                {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
            )
            check.validate(example)
            assert not check.is_valid({**example, "no_such_field": 1}), name


async def test_operations_are_named_once_and_every_error_is_a_problem(description: Json) -> None:
    operations = [operation for methods in description["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["summary"]
        for status, response in operation["responses"].items():
            if status == "default" or status >= "400":
                assert response["$ref"].startswith("#/components/responses/")


async def test_every_parameter_of_a_path_is_described(description: Json) -> None:
    for path, methods in description["paths"].items():
        wanted = {part.strip("{}") for part in path.split("/") if part.startswith("{")}
        for operation in methods.values():
            found = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert found == wanted, path


def references(value: object) -> list[str]:
    match value:
        case dict():
            own = [str(value["$ref"])] if isinstance(value.get("$ref"), str) else []
            mapped = list(value["mapping"].values()) if isinstance(value.get("mapping"), dict) else []
            return [*own, *mapped, *(found for item in value.values() for found in references(item))]
        case list():
            return [found for item in value for found in references(item)]
        case _:
            return []


def contents(description: Json) -> Iterator[tuple[str, Json]]:
    """Every body and every answer, with the name of its operation or component."""
    for path, method, _ in operation_names(description):
        operation = description["paths"][path][method]
        for given in (operation.get("requestBody", {}), *operation["responses"].values()):
            yield from ((f"{method} {path} {media}", content) for media, content in given.get("content", {}).items())
    for name, response in description["components"]["responses"].items():
        yield from ((name, content) for content in response["content"].values())


def operation_names(description: Json) -> list[tuple[str, str, str]]:
    return [
        (path, method, operation["operationId"])
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def changed(description: Json, place: tuple[str, ...], value: object) -> Json:
    """`description` with `value` at `place`, or without what is there."""
    whole = copy.deepcopy(description)
    *above, last = place
    there = reduce(lambda inner, name: inner[name], above, whole)
    if value is None:
        del there[last]
    else:
        there[last] = value
    return whole


def spelled(description: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(description), indent=1) + b"\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description="Accept the description as it is now.")
    arguments.add_argument("--because", metavar="NNNN", help="the decision record that allows it to break clients")
    given = arguments.parse_args()
    description = asyncio.run(read_description())
    found = breaks(dict(msgspec.json.decode(SEEN.read_bytes())), description)
    if found and not (given.because and list(DECISIONS.glob(f"{given.because}-*.md"))):
        sys.stderr.write(REFUSAL.format(breaks="\n  ".join(found)))
        return 1
    SEEN.write_bytes(spelled(description))
    return 0


if __name__ == "__main__":
    sys.exit(main())
