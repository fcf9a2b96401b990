"""A catalog written straight into a store, hostile texts and all, for tests and measuring."""

from __future__ import annotations

from pathlib import Path

from datahub.model import Distribution, Release
from datahub.settings import Settings
from datahub.store import Store, lifecycle, open_store, records, releases

NOW = "2026-01-02T03:04:05.678Z"
HOSTILE = "=1+1 </script><b>&amp;\"'\u202eدليل🙂 \x00\x0b\x1f end"
PUBLISHERS = (
    {
        "id": "p1",
        "title": "环境局",
        "title_en": "Environment Bureau",
        "credit_code": "11420500MB0000019T",
        "region": "420500",
        "category": "GOV",
        "phone": "0717-0000001",
    },
    {
        "id": "p2",
        "title": "公交公司",
        "credit_code": "91420500MA0000090W",
        "region": "420502",
        "category": "BUS",
        "supervisor": "p1",
    },
)
TERMS = {
    "region": [
        {"code": "420500", "title": "宜昌市", "bbox": [110.25, 29.93, 112.07, 31.57]},
        {"code": "420502", "title": "西陵区", "parent": "420500"},
    ],
    "theme": [
        {"code": "04", "title": "交通运输", "title_en": "Transport", "eu": "TRAN"},
        {"code": "07", "title": "生态环境", "title_en": "Environment", "eu": "ENVI"},
    ],
    "license": [
        {
            "name": "CC-BY-4.0",
            "title": "署名 4.0",
            "path": "https://creativecommons.org/licenses/by/4.0/",
        }
    ],
}
SCHEMA = {
    "title": "站点",
    "title_en": "Stations",
    "description_en": "One row per station.",
    "fields": [
        {"name": "code", "title": "编码", "title_en": "Code", "constraints": {"required": True}},
        {"name": "value", "title": "浓度", "type": "number", "unit": "μg/m³"},
    ],
    "primaryKey": ["code"],
}


def package(name: str, number: int = 1, **changes: object) -> dict:
    """Descriptor of a dataset; what is no key of Data Package belongs to the record."""
    record = {
        "publisher": "p1",
        "code": f"30700101/{number:06}",
        "theme": "07",
        "region": "420500",
        "openness": "open",
        "share_type": "1",
        "share_condition": "无条件",
        "update_cycle": "daily",
        "grade": "L1",
        "issued": "2025-01-15",
        "contact": {"name": "办公室", "phone": "0717-0000001", "email": "open@example.cn"},
        "temporal": {"start": "2025-01-01", "end": "2025-12"},
        "spatial": "宜昌市城区",
        "crs": "CGCS2000",
        "timezone": "+08:00",
        "catalog": "test",
    }
    whole = {
        "name": name,
        "title": f"数据集 {name}",
        "description": f"{name} 的编码和浓度。",
        "keywords": ["空气", "监测"],
        "licenses": [{"name": "CC-BY-4.0"}],
        "resources": [{"name": "main", "title": "主表", "path": "main.csv", "schema": SCHEMA}],
    }
    own = ("title", "title_en", "description", "keywords", "licenses", "resources")
    whole |= {key: value for key, value in changes.items() if key in own}
    record |= {key: value for key, value in changes.items() if key not in own}
    return whole | {"catalog": record}


def begin(data: Path) -> Store:
    """Open a store with publishers and vocabularies."""
    data.mkdir(parents=True, exist_ok=True)
    store = open_store(Settings(data=data))
    with store.catalog.write() as db:
        for item in PUBLISHERS:
            records.save_publisher(db, item)
        for kind, items in TERMS.items():
            records.save_terms(db, kind, items, code="name" if kind == "license" else "code")
    return store


def save(store: Store, *packages: dict, now: str = NOW) -> None:
    """Register datasets, all in one transaction."""
    with store.catalog.write() as db:
        for item in packages:
            digest = records.package_digest(item)
            records.save_dataset(db, item, digest=digest, now=now, search="", score=88)


def release(store: Store, *packages: dict, version: int = 1) -> None:
    """Release datasets: rows of the catalog without the files."""
    with store.catalog.write() as db:
        for item in packages:
            entry = Release(
                dataset=item["name"],
                version=version,
                released=f"2026-02-0{version}T00:00:00.000Z",
                submission=f"{item['name']}-{version}",
                manifest_sha256="a" * 64,
                files=(
                    _file("main.csv", "text/csv; charset=utf-8", "main", 1234 + version),
                    _file("main.parquet", "application/vnd.apache.parquet", "main", 567),
                    _file("manifest.json", "application/json", None, 89),
                ),
            )
            releases.add(db, entry, item, who="test")


def _file(path: str, media_type: str, resource: str | None, size: int) -> Distribution:
    return Distribution(
        path=path,
        bytes=size,
        sha256=f"{size:064x}",
        media_type=media_type,
        resource=resource,
        rows=7 if resource else None,
    )


def mark(
    store: Store, name: str, status: str, *, reason: str, successor: str | None = None
) -> None:
    """Give a dataset a status."""
    with store.catalog.write() as db:
        lifecycle.set_status(
            db, name, status=status, reason=reason, successor=successor, who="test", now=NOW
        )


def fill(data: Path) -> Store:
    """Every kind of dataset: open, on conditions, closed, hostile, superseded, gone."""
    store = begin(data)
    condition = {"method": "线上申请", "use": "不得还原个人", "security": "专网"}
    air = package("air", 1, title_en="Air quality")
    packages = (
        air,
        package("bus", 2, publisher="p2", theme="04", region="420502", related=["30700101/000001"]),
        package("hostile", 3, title=HOSTILE, description=HOSTILE, keywords=[HOSTILE],
                licenses=[{"name": "x", "title": HOSTILE, "path": "javascript:alert(1)"}],
                contact={"name": HOSTILE, "phone": HOSTILE, "email": "<script>"}),
        package("limited", 4, openness="conditional", open_condition=condition,
                auth_level="realname", source_dept="监测站", std_item="01-02", terms=["t1"]),
        package("shut", 5, openness="closed", closed_reason="N04", legal_basis="个人信息保护法"),
        package("old_rule", 6, validity="amended", superseded_by="air"),
        package("worn", 7),
        package("dead", 8),
        package("empty", 9),
    )  # fmt: skip
    save(store, *packages)
    release(store, *(p for p in packages if p["name"] != "empty"))
    release(store, air, version=2)
    mark(store, "worn", "deprecated", reason="有更好的", successor="air")
    mark(store, "dead", "tombstone", reason="并入空气 <b>", successor="air")
    return store
