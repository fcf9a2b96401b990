"""The catalog around one record, for its rules: looked up when asked, however large it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.record.duplicates import Duplicate, find, fingerprint
from datahub.record.problems import Context
from datahub.record.regions import Tree
from datahub.store import records
from datahub.store.tables import aliases, datasets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datahub.model import Json
    from datahub.store.engine import Db

_MOST = 500


class _Asked(Mapping[Any, Any]):
    """A mapping that asks the catalog for each key; it is never listed."""

    def __init__(self, ask: Callable[[Any], Any]) -> None:
        self._ask = ask

    def __getitem__(self, key: Any) -> Any:
        found = self._ask(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def __len__(self) -> int:
        return 1


def context(db: Db, name: str) -> Context:
    """What the rules want to know of the catalog around the record of `name`."""

    def code_owner(code: str) -> str | None:
        query = sa.select(datasets.c.name).where(datasets.c.code == code, datasets.c.name != name)
        return db.scalar(query.limit(1)) or former(code)

    def title_owner(key: tuple[str, str]) -> str | None:
        query = sa.select(datasets.c.name).where(
            datasets.c.publisher == key[0],
            datasets.c.title == key[1],
            datasets.c.name != name,
            datasets.c.retired.is_(False),
        )
        found: str | None = db.scalar(query.limit(1))
        return found

    def former(alias: str) -> str | None:
        query = sa.select(aliases.c.dataset).where(aliases.c.alias == alias)
        found: str | None = db.scalar(query)
        return found

    def schemas_of(other: str) -> dict[str, Json] | None:
        now = records.current_name(db, other)
        if now is None:
            return None
        package = records.get_dataset(db, now).package
        return {item["name"]: item["schema"] for item in package["resources"]}

    return Context(
        publishers={item["id"]: item for item in records.get_publishers(db)},
        themes={item["code"]: item for item in records.get_terms(db, "theme")},
        licenses={item["name"]: item for item in records.get_terms(db, "license")},
        regions=Tree(records.get_terms(db, "region")),
        codes=_Asked(code_owner),
        titles=_Asked(title_owner),
        datasets=_Asked(schemas_of),
        aliases=_Asked(former),
    )


def duplicates(db: Db, package: Json) -> list[Duplicate]:
    """Records of other publishers with the same columns and a similar title."""
    print_ = fingerprint(package)
    if not print_:
        return []
    own = package["catalog"].get("publisher", "")
    query = sa.select(datasets.c.package).where(
        datasets.c.fingerprint == print_,
        datasets.c.publisher != own,
        datasets.c.retired.is_(False),
    )
    return find(package, [msgspec.json.decode(text) for text in db.scalars(query.limit(_MOST))])


def schema_named(db: Db, reference: str) -> Json | None:
    """Return a table schema that the catalog knows: of "dataset/resource", or by its file name."""
    plain = reference.removeprefix("../").rsplit("/schemas/", 1)[-1].removeprefix("schemas/")
    dataset, _, resource = plain.removesuffix(".json").partition("/")
    now = records.current_name(db, dataset)
    if now is not None:
        found = {r["name"]: r["schema"] for r in records.get_dataset(db, now).package["resources"]}
        wanted = resource or (dataset if dataset in found else next(iter(found)))
        if wanted in found and (resource or len(found) == 1 or dataset in found):
            schema: Json = found[wanted]
            return schema
    # The files of schemas are called after dataset and resource: bus_lines is lines of bus.
    for cut in (n for n, c in enumerate(dataset) if c == "_" and not resource):
        owner = records.current_name(db, dataset[:cut])
        if owner is None:
            continue
        for item in records.get_dataset(db, owner).package["resources"]:
            if item["name"] == dataset[cut + 1 :]:
                split: Json = item["schema"]
                return split
    return None
