"""Ranges of answers that are made: what cut means, and clients that read by pieces."""

from __future__ import annotations

import httpx
import polars as pl
import pytest

ROWS = "/api/v1/datasets/schools/resources/schools/rows"
ADDRESSES = (
    f"{ROWS}.parquet?limit=7",
    f"{ROWS}.csv?limit=7&students=gt.100",
    f"{ROWS}.ndjson?limit=9",
)


def get(server, path, method="GET", **headers):
    """Answer to a request of bytes as they are."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, server.url + path, headers={"Accept-Encoding": "identity"} | named)


@pytest.mark.parametrize("path", ADDRESSES)
def test_ranges_are_cut_from_the_very_bytes(server, path):
    """HEAD tells the length; ranges from both ends are parts of the whole, kept or made again."""
    whole = get(server, path)
    head = get(server, path, "HEAD")
    size, tag = len(whole.content), whole.headers["etag"]
    for answered in (whole, head):
        assert (answered.status_code, answered.headers["accept-ranges"]) == (200, "bytes")
        assert answered.headers["content-length"] == str(size)
        assert answered.headers["etag"] == tag
    for text, first, stop in (
        *(("bytes=0-0", 0, 1), ("bytes=5-20", 5, 21), ("bytes=-8", size - 8, size)),
        *((f"bytes={size - 1}-", size - 1, size), ("bytes=3-999999999", 3, size)),
    ):
        part = get(server, path, Range=text, Accept_Encoding="gzip, zstd")
        assert (part.status_code, part.content) == (206, whole.content[first:stop])
        assert part.headers["content-range"] == f"bytes {first}-{stop - 1}/{size}"
        assert part.headers["content-length"] == str(stop - first)
        assert "content-encoding" not in part.headers
    assert get(server, path, Range="bytes=0-4", If_Range=tag).status_code == 206
    for other in ('"x"', f"W/{tag}", "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert get(server, path, Range="bytes=0-4", If_Range=other).content == whole.content
    assert get(server, path, Range="bytes=0-1,3-4").status_code == 200
    beyond = get(server, path, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.json()["code"]) == (416, "bytes-beyond")
    assert beyond.headers["content-range"] == f"bytes */{size}"


def test_what_has_no_strong_tag_has_no_ranges(server):
    """An answer that may be told otherwise next time is whole or not at all."""
    packed = get(server, f"{ROWS}.csv?limit=50", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert "accept-ranges" not in packed.headers
    weak = get(server, f"{ROWS}?students=gt.100", Range="bytes=0-4")
    assert (weak.status_code, weak.headers["etag"][:2]) == (200, "W/")
    assert "accept-ranges" not in weak.headers


def test_polars_reads_what_is_made(server):
    """Polars asks for the end of a Parquet file first: a page is read so."""
    page = pl.read_parquet(f"{server.url}{ADDRESSES[0]}")
    assert page.height == 7
    lines = pl.read_csv(f"{server.url}{ROWS}.csv?limit=7")
    assert lines.columns == page.columns
    assert lines["school_id"].cast(str).to_list() == page["school_id"].cast(str).to_list()
