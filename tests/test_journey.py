"""From a department's file to an open dataset, as its people do it."""

from __future__ import annotations

import duckdb


def test_publish_and_read_back(server):
    """What was handed in is what DuckDB reads from the published Parquet."""
    releases = server.get("/api/v1/datasets/schools/releases").json()
    path = server.data / "public" / "schools" / "1" / "schools.parquet"
    assert duckdb.sql(f"select count(*) from '{path}'").fetchone() == (400,)
    assert releases[0]["version"] == 1
