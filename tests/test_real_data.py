"""Real files go the whole way through the command line, and nothing of them is lost."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest
from hub import SHARED, Hub

pytestmark = [
    pytest.mark.skipif(not SHARED.exists(), reason="the folder ../shared/data is not here"),
    pytest.mark.timeout(600),
]
REAL = Path(__file__).parent / "real"
AIR = sorted((SHARED / "beijing-air-quality").glob("*.csv"))
STREETS = SHARED / "china-divisions" / "streets.csv"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A service with the catalog of the real files."""
    hub = Hub(tmp_path_factory.mktemp("real") / "data", catalog=REAL)
    hub.data.mkdir()
    hub.register()
    hub.start()
    yield hub
    hub.stop()


def publish(hub: Hub, dataset: str, publisher: str, *files: Path) -> int:
    """Submit as the publisher's steward and approve as a reviewer, both by command."""
    steward, reviewer = hub.token("steward", publisher), hub.token("reviewer")
    done = hub.cli("submit", dataset, *files, "--json", token=steward, check=True, timeout=500)
    submission = json.loads(done.stdout)
    done = hub.cli("review", submission["id"], "--approve", "--json", token=reviewer, check=True)
    released = json.loads(done.stdout)
    assert released["state"] == "released", released
    return released["version"]


@pytest.fixture(scope="module")
def remote():
    """DuckDB that reads Parquet from a URL."""
    with duckdb.connect() as db:
        folder = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
        (extension,) = folder.rglob("httpfs.duckdb_extension")
        db.execute(f"load '{extension}'")
        yield db


def source_rows(*files: Path, encoding: str = "utf-8"):
    """Rows of source files, read by Python alone."""
    for file in files:
        with file.open(encoding=encoding, newline="") as opened:
            yield from csv.DictReader(opened)


def test_six_files_become_one_dataset(real, remote):
    """Counts and aggregates from the served Parquet equal those computed from the six files."""
    version = publish(real, "beijing_air", "env", *AIR)
    url = f"{real.url}/d/beijing_air/{version}/hours.parquet"
    found = remote.execute(
        f"""select count(*), count(distinct station), sum("PM2.5"), max("TEMP"),
        count(*) filter ("SO2" is null), sum("RAIN") from read_parquet('{url}')"""
    ).fetchone()
    rows = list(source_rows(*AIR))
    assert found == (
        len(rows),
        len({row["station"] for row in rows}),
        sum(Decimal(row["PM2.5"]) for row in rows if row["PM2.5"] != "NA"),
        max(Decimal(row["TEMP"]) for row in rows if row["TEMP"] != "NA"),
        sum(row["SO2"] == "NA" for row in rows),
        sum(Decimal(row["RAIN"]) for row in rows if row["RAIN"] != "NA"),
    )
    assert found[:2] == (210_384, 6)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_streets_keep_their_codes(real, remote, tmp_path, encoding):
    """Codes stay text and every row arrives, also from GB18030 without a hint."""
    file = tmp_path / "streets.csv"
    file.write_bytes(STREETS.read_text(encoding="utf-8").encode(encoding))
    version = publish(real, "streets", "civil", file)
    url = f"{real.url}/d/streets/{version}/streets.parquet"
    found = remote.execute(
        f"select code, name, areaCode, provinceCode, cityCode from read_parquet('{url}')"
    ).fetchall()
    assert found == [tuple(row.values()) for row in source_rows(STREETS)]
    assert len(found) == 41_352
    assert {
        kind[1] for kind in remote.execute(f"describe from read_parquet('{url}')").fetchall()
    } == {"VARCHAR"}
    distinct, longest = remote.execute(
        f"select count(distinct provinceCode), max(length(name)) from read_parquet('{url}')"
    ).fetchone()
    rows = list(source_rows(STREETS))
    assert (distinct, longest) == (
        len({r["provinceCode"] for r in rows}),
        max(len(r["name"]) for r in rows),
    )
