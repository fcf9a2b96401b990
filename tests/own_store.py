"""A small catalog folder and a store in this process, for tests that plant faults."""

from __future__ import annotations

import importlib
import json
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec
import yaml

from datahub.clock import system_clock
from datahub.model import FileIn, Person, Role, State, Submission
from datahub.pipeline import advance
from datahub.settings import Settings
from datahub.stages.receive import receive
from datahub.stages.register import register
from datahub.stages.review import review
from datahub.store import Store, open_store, submissions

if TYPE_CHECKING:
    import pytest

    from datahub.clock import Clock

STEWARD = Person(name="li", title="李", role=Role.STEWARD, publisher="p1")
REVIEWER = Person(name="wang", title="王", role=Role.REVIEWER)
CATALOG = {
    "name": "small",
    "title": "小目录",
    "regions": [{"code": "420500", "title": "宜昌市"}],
    "themes": [{"code": "07", "title": "生态环境"}],
    "licenses": [{"name": "CC-BY-4.0", "title": "署名"}],
    "publishers": [
        {"id": "p1", "title": "环境局", "credit_code": "11420500MB0000019T", "region": "420500"}
    ],
}
SCHEMA = {"fields": [{"name": "id", "type": "integer"}, {"name": "name"}], "primaryKey": ["id"]}


def package(name: str = "lamps", **changes: object) -> dict:
    """Descriptor of a dataset with one resource of the same name."""
    return {
        "name": name,
        "title": f"数据集 {name}",
        "description": f"{name} 的编号和名称，用于试验。",
        "licenses": [{"name": "CC-BY-4.0"}],
        "resources": [{"name": name, "path": f"{name}.csv", "schema": f"schemas/{name}.json"}],
        "catalog": {
            "publisher": "p1",
            "theme": "07",
            "openness": "open",
            "update_cycle": "monthly",
            "code": f"30701001/{crc32(name.encode())}",
            "issued": "2026-01-01",
            "share_type": "1",
            "grade": "L1",
        },
    } | changes


def write_dataset(folder: Path, descriptor: dict, schema: object = SCHEMA, at: str = "") -> Path:
    """Write a dataset into a catalog folder; return its datapackage.yaml."""
    place = folder / "datasets" / (at or str(descriptor["name"]))
    (place / "schemas").mkdir(parents=True, exist_ok=True)
    resources = descriptor.get("resources")
    for resource in resources if isinstance(resources, list) else ():
        path = resource.get("schema") if isinstance(resource, dict) else None
        if isinstance(path, str) and re.fullmatch(r"schemas/\w+\.json", path):
            (place / path).write_text(json.dumps(schema), encoding="utf-8")
    file = place / "datapackage.yaml"
    text = yaml.safe_dump(descriptor, allow_unicode=True, sort_keys=False)
    file.write_text(text, encoding="utf-8")
    return file


def write_catalog(folder: Path, *names: str, **changes: object) -> Path:
    """Write a catalog folder with datasets of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(CATALOG | changes, allow_unicode=True, sort_keys=False)
    (folder / "catalog.yaml").write_text(text, encoding="utf-8")
    for name in names:
        write_dataset(folder, package(name))
    return folder


def own_store(folder: Path, *names: str, clock: Clock = system_clock, **settings: object) -> Store:
    """Open a store with a registered catalog of datasets `names`."""
    store = open_store(Settings(data=folder / "data", **settings), clock)
    register(store, write_catalog(folder / "catalog", *(names or ("lamps",))))
    return store


def table(rows: int = 12, first: int = 1) -> bytes:
    """CSV that fits SCHEMA."""
    return ("id,name\n" + "".join(f"{n},路灯{n}\n" for n in range(first, first + rows))).encode()


def hand_in(store: Store, *files: bytes, dataset: str = "lamps") -> Submission:
    """Receive files for the dataset's only resource."""
    taken = []
    for number, data in enumerate(files or (table(),)):
        incoming = store.objects.incoming(1 << 30)
        incoming.write(data)
        name = f"{dataset}-{number}.csv"
        taken.append(FileIn(resource="", name=name, bytes=len(data), sha256=incoming.keep()))
    named = [FileIn(resource=dataset, name=f.name, bytes=f.bytes, sha256=f.sha256) for f in taken]
    return receive(store, STEWARD, dataset, named)


def run(store: Store, submission: Submission) -> State:
    """Advance until the machine has no next step."""
    before, after = None, submission.state
    while after is not before:
        before, after = after, advance(store, submission.id)
    return after


def approved(store: Store, *files: bytes, dataset: str = "lamps") -> Submission:
    """Hand in, examine, approve."""
    submission = hand_in(store, *files, dataset=dataset)
    assert run(store, submission) is State.IN_REVIEW, get(store, submission)
    return review(store, REVIEWER, submission.id, "approve", "")


def publish(store: Store, *files: bytes, dataset: str = "lamps") -> Path:
    """Hand in, examine, approve, release; return the public folder."""
    submission = approved(store, *files, dataset=dataset)
    assert run(store, submission) is State.RELEASED
    return store.objects.public(dataset, get(store, submission).version)


def get(store: Store, submission: Submission) -> Submission:
    """Return the submission as it is now."""
    with store.catalog.read() as db:
        return submissions.get(db, submission.id)


def swift(patch: pytest.MonkeyPatch) -> None:
    """Call what the children run in this process: a second less per stage.

    For tests of the order of things; the children have tests of their own.
    """
    for stage in ("detect", "validate", "screen", "release"):
        patch.setattr(importlib.import_module(f"datahub.stages.{stage}"), "run", _direct)


def _direct(target: str, argument: object, *, returns: type, **_limits: object) -> object:
    module, name = target.split(":")
    function = getattr(importlib.import_module(module), name)
    (kind,) = [t for n, t in typing.get_type_hints(function).items() if n != "return"]
    given = msgspec.json.decode(msgspec.json.encode(argument), type=kind)
    return msgspec.json.decode(msgspec.json.encode(function(given)), type=returns)
