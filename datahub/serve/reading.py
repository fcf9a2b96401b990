"""What the reading side asks of the catalog again and again, remembered until the catalog changes.

Asking whether it did costs microseconds (`Catalog.stamp`), so `latest` is never behind.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - of a struct
from typing import TYPE_CHECKING, Any, TypeVar

from datahub.errors import ParameterInvalid, ReleaseUnknown, ResourceUnknown
from datahub.forms.columns import Column, columns_of
from datahub.model import Distribution, Json, Release, Struct
from datahub.store import Store, records, releases
from datahub.store.derived import Derived

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from datahub.serve.engine import Engine

T = TypeVar("T")


class Table(Struct, frozen=True):
    """One resource of one release: what a query reads."""

    dataset: str
    version: int
    resource: str
    digest: str  # SHA-256 of its Parquet file: names all that is derived from it
    path: Path  # of its Parquet file
    rows: int
    columns: tuple[Column, ...]
    schema: Json
    files: tuple[Distribution, ...]  # of this resource, every form
    latest: bool

    @property
    def key(self) -> tuple[str, ...]:
        """Primary key, if the schema declares one."""
        given = self.schema.get("primaryKey", ())
        return (given,) if isinstance(given, str) else tuple(given)

    def __hash__(self) -> int:
        return hash((self.dataset, self.version, self.resource, self.digest))


class Reading:
    """Tables and releases by name, for everything that reads."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self.store, self.engine = store, engine
        self.derived = Derived(store.objects.root / "cache")
        self._stamp = -1
        self._known: dict[Hashable, Any] = {}

    def table(self, dataset: str, resource: str, version: int | None = None) -> Table:
        """Find a resource of a release, `None` meaning the latest.

        Raises:
            DatasetUnknown: there is no such dataset (or DatasetMoved, DatasetGone).
            DataNotOpen: its data is not for everybody.
            ReleaseUnknown: it has no such release; ReleaseWithdrawn: it was taken down.
            ResourceUnknown: the release has no such resource.

        """
        return self.remembered(
            ("table", dataset, resource, version), lambda: self._table(dataset, resource, version)
        )

    def known(self, dataset: str, resource: str, version: int | None = None) -> Table | None:
        """What `table` would say, if that needs no look into catalog or files; else None."""
        if self.store.catalog.stamp() != self._stamp:
            return None
        return self._known.get(("table", dataset, resource, version))

    def release(self, dataset: str, version: int | None = None) -> Release:
        """Find a release, `None` meaning the latest; raises as `table` does."""
        return self.remembered(
            ("release", dataset, version), lambda: self._release(dataset, version)
        )

    def package(self, dataset: str, version: int) -> Json:
        """Descriptor (Data Package) of a release, as it was released."""
        return self.remembered(
            ("package", dataset, version), lambda: self._package(dataset, version)
        )

    def version(self, dataset: str, version: str | None, as_of: str | None = None) -> int | None:
        """Number that `version` (3, v3, latest) or `as_of` (a date or time) names; None: latest.

        Raises:
            ParameterInvalid: neither a version nor a date.
            ReleaseUnknown: nothing had been released by then.

        """
        if as_of is not None:
            if version is not None:
                raise ParameterInvalid(
                    name="as_of", value=as_of[:40],
                    reason_zh="不能与 version 同时使用", reason_en="give it without version",
                )  # fmt: skip
            return self._as_of(dataset, as_of)
        if version is None or version == "latest":
            return None
        digits = version.removeprefix("v")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 18):  # noqa: PLR2004
            raise ParameterInvalid(
                name="version", value=version[:40],
                reason_zh="应为版本号（3 或 v3）或 latest", reason_en="give 3, v3 or latest",
            )  # fmt: skip
        return int(digits)

    def remembered(self, key: Hashable, find: Callable[[], T]) -> T:
        """What `find` says, asked once until the catalog changes."""
        stamp = self.store.catalog.stamp()
        if stamp != self._stamp or len(self._known) > 10_000:  # noqa: PLR2004 - entries
            self._known, self._stamp = {}, stamp
        known = self._known  # what is found now belongs to this stamp, or to a newer one
        if key not in known:
            known[key] = find()
        found: T = known[key]
        return found

    def _release(self, dataset: str, version: int | None) -> Release:
        with self.store.catalog.read() as db:
            records.check_open(db, dataset)
            return releases.get(db, dataset, version)

    def _package(self, dataset: str, version: int) -> Json:
        with self.store.catalog.read() as db:
            return releases.get_package(db, dataset, version)

    def _table(self, dataset: str, resource: str, version: int | None) -> Table:
        release = self.release(dataset, version)
        package = self.package(dataset, release.version)
        schemas = {item["name"]: item["schema"] for item in package["resources"]}
        if resource not in schemas:
            raise ResourceUnknown(
                dataset=dataset, resource=resource[:80], allowed=", ".join(schemas)
            )
        files = tuple(file for file in release.files if file.resource == resource)
        (parquet,) = [file for file in files if file.path == f"{resource}.parquet"]
        path = self.store.objects.public(dataset, release.version) / parquet.path
        return Table(
            dataset=dataset,
            version=release.version,
            resource=resource,
            digest=parquet.sha256,
            path=path,
            rows=parquet.rows or 0,
            columns=columns_of(self.engine.kinds(path), schemas[resource]),
            schema=schemas[resource],
            files=files,
            latest=version is None,
        )

    def _as_of(self, dataset: str, text: str) -> int:
        day = releases.end_of(text)
        with self.store.catalog.read() as db:
            records.check_open(db, dataset)
            there = [r for r in releases.find(db, dataset) if r.withdrawn is None]
        for release in there:  # newest first
            if release.released <= day:
                return release.version
        raise ReleaseUnknown(
            dataset=dataset, version=f"as_of={text[:40]}",
            hint_zh=f"最早的版本发布于 {there[-1].released}" if there else "还没有发布任何版本",
            hint_en=f"the first one came {there[-1].released}" if there else "nothing is released",
        )  # fmt: skip
