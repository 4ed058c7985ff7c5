"""The description of the API, held to the file that was last looked at: a change of it is a change for clients.

After a change that is meant: `python -m tests.contracts.test_openapi`, and read the difference.
"""

import asyncio
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

SEEN = Path(__file__).parent / "openapi.json"

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


async def test_every_reference_leads_somewhere_and_every_component_is_referred_to(description: Json) -> None:
    components = {
        f"#/components/{section}/{name}"
        for section in ("schemas", "responses")
        for name in description["components"][section]
    }
    assert set(references(description)) == components


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
                assert response == {"$ref": "#/components/responses/Problem"}


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


def spelled(description: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(description), indent=1) + b"\n"


if __name__ == "__main__":
    SEEN.write_bytes(spelled(asyncio.run(read_description())))
