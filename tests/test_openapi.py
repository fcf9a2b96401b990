"""The API's descriptions: valid, true under random requests, with examples that run."""

from __future__ import annotations

from urllib.parse import quote

import jsonschema
import pytest
import schemathesis
from fuzz_api import fuzz
from odd_columns import FIELDS, odd_hub

pytestmark = pytest.mark.filterwarnings("ignore:::schemathesis", "ignore:::jsonschema")
AIR = "/api/v1/datasets/air_hourly/resources/air_hourly"
WITHOUT_EXAMPLE = {
    "/api/v1/datasets/{dataset}/series": "the example declares no series",
    "/api/v1/datasets/{dataset}/resources/{resource}/diff": "it has one version",
    "/api/v1/datasets/{dataset}/versions/{span}/diff": "it has one version",
    "/api/v1/sql": "questions have tests of their own",
}

MADE_FIRST = ("job", "name")
"""Things that are nowhere before somebody makes one."""


@pytest.fixture(scope="module")
def described(server):
    """The description of the whole API."""
    return server.get("/openapi.json").json()


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A service whose only table has odd names of columns."""
    hub = odd_hub(tmp_path_factory.mktemp("odd"))
    yield hub
    hub.stop()


def test_descriptions_are_valid(server, odd):
    """The whole API's and a resource's description are OpenAPI 3.1, by its own JSON Schema."""
    for hub, path in (
        (server, ""),
        (server, AIR),
        (odd, "/api/v1/datasets/odd/resources/odd"),
    ):
        document = hub.get(f"{path}/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        schemathesis.openapi.from_dict(document).validate()


def test_every_operation_says_what_it_does(described):
    """Each has a summary, a description, a tag, and the shape of what it refuses with."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation.get("tags"), (method, path)
            refused = operation["responses"]["4XX"]["content"]["application/problem+json"]
            assert refused["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_examples_run(server, described):
    """Every reading operation answers its own examples with 2xx, alone and one by one."""
    asked = 0
    for path, methods in described["paths"].items():
        operation = methods.get("get")
        if operation is None or operation.get("security") or path in WITHOUT_EXAMPLE:
            continue
        parameters = operation.get("parameters", [])
        if any(f"{{{name}}}" in path for name in MADE_FIRST):
            continue
        address = path
        for item in parameters:
            if item["in"] == "path":
                value = quote(str(item["example"]), safe="")
                address = address.replace(f"{{{item['name']}}}", value)
        given = {
            p["name"]: p["example"] for p in parameters if p["in"] == "query" and "example" in p
        }
        for query in ({}, *({name: value} for name, value in given.items())):
            answered = server.get(address, params=query)
            assert answered.status_code == 200, (address, query, answered.text[:300])
            asked += 1
    assert asked > 60


def test_columns_are_typed_parameters(server):
    """A parameter for each column: title and unit, its values where they are few, an example."""
    document = server.get(f"{AIR}/openapi.json").json()
    (operation,) = (item["get"] for item in document["paths"].values())
    parameters = {item["name"]: item for item in operation["parameters"]}
    level = parameters["level"]
    assert level["description"].startswith("空气质量级别")
    assert set(level["schema"]["anyOf"][0]["enum"]) == {
        f"eq.{value}" for value in ("优", "良", "轻度", "中度", "重度")
    }
    assert level["example"] == "eq.良"
    assert "µg/m³" in parameters["pm25"]["description"]
    assert parameters["pm25"]["x-column"]["max"] == 263
    for item in operation["parameters"]:
        if "example" in item:
            query = {item["name"]: item["example"]}
            answered = server.get(f"{AIR}/rows", params=query | {"limit": 5})
            assert answered.status_code == 200, query
            if "x-column" in item and item["name"] != "limit":
                assert answered.json()["data"], query  # the example is in the data


def test_odd_names_are_parameters_too(odd):
    """A column called like a parameter of ours stands in quotes, and its example finds rows."""
    path = "/api/v1/datasets/odd/resources/odd"
    document = odd.get(f"{path}/openapi.json").json()
    (operation,) = (item["get"] for item in document["paths"].values())
    columns = [item for item in operation["parameters"] if "x-column" in item]
    assert [item["x-column"]["name"] for item in columns] == [f["name"] for f in FIELDS]
    assert {'"select"', '"limit"', "编号"} < {item["name"] for item in columns}
    for item in columns:
        answered = odd.get(f"{path}/rows", params={item["name"]: item["example"]})
        assert answered.status_code == 200, (item, answered.text)
        assert answered.json()["data"], item


def test_rows_fit_their_description(server):
    """Real rows are valid by the schema of the resource."""
    document = server.get(f"{AIR}/openapi.json").json()
    row = document["components"]["schemas"]["Row"]
    assert row["properties"]["time"] == {
        "title": "监测时间",
        "description": row["properties"]["time"]["description"],
        "type": ["string", "null"],
        "format": "date-time",
    }
    for item in server.get(f"{AIR}/rows?limit=200").json()["data"]:
        jsonschema.validate(item, row)


def test_wrong_parameters_are_listed(server):
    """A refusal names each wrong parameter, why, and what is allowed."""
    told = server.get(f"{AIR}/rows?nothing=eq.1").json()["errors"]
    assert told[0]["param"] == "nothing"
    assert "level" in told[0]["allowed"]
    told = server.get("/api/v1/datasets?limit=0").json()["errors"]
    assert told[0]["param"] == "limit"
    assert told[0]["reason"]
    assert told[0]["reason_zh"]
    assert server.get("/api/v1/datasets/none").json()["errors"] == []


def test_the_api_under_random_requests(server):
    """No answer is a server error or another than documented; writes come without a token."""
    found = fuzz(
        f"{server.url}/openapi.json", each=3, seconds=150, token=server.token("reviewer"),
        writes=False,
    )  # fmt: skip
    assert found.faults == []
    assert found.operations > 60
    assert found.asked > 100


def test_a_resource_under_random_requests(server):
    """The same for the columns of one resource."""
    found = fuzz(f"{server.url}{AIR}/openapi.json", each=12, seconds=60, writes=False)
    assert found.faults == []
    assert sum(found.statuses.values()) > 4
