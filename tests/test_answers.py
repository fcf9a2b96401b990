"""Answers kept as bytes: the right ones, for as long as they hold, in bounded memory."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from datahub.errors import ReleaseWithdrawn
from datahub.serve.reading import Table
from datahub.web import answers
from datahub.web.answers import Answers


def table(version: int, *, latest: bool = True) -> Table:
    """A table of some version."""
    return Table(
        dataset="d", version=version, resource="r", digest=f"{version:064}", path=Path("r.parquet"),
        rows=1, columns=(), schema={}, files=(), latest=latest,
    )  # fmt: skip


class Catalog:
    """Stands for `Reading`: what the tables are now."""

    def __init__(self) -> None:
        self.now: Table | Exception = table(1)

    def table(self, _dataset: str, _resource: str, version: int | None = None) -> Table:
        """What `Reading.table` says."""
        if isinstance(self.now, Exception):
            raise self.now
        return self.now if version is None else table(version, latest=False)

    def known(self, *_asked: Any) -> Table | None:
        """Nothing is remembered."""
        return None


class Service:
    """An application behind the answers that counts how often it was asked."""

    def __init__(self, **options: Any) -> None:
        self.catalog, self.asked = Catalog(), 0
        self.headers: list[tuple[bytes, bytes]] = [
            (b"etag", b'"one"'),
            (b"content-type", b"text/plain"),
        ]
        self.body, self.marked, self.status = b"hello", True, 200
        self.answers = Answers(self.application, self.catalog, **options)

    async def application(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer with what the test wants."""
        self.asked += 1
        if self.marked:
            scope["answer_of"] = (self.catalog.table("d", "r"),)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def get(
        self, path: str = "/a", query: str = "", method: str = "GET", **headers: str
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Ask once: status, headers, body."""
        given = [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ]
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": given,
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.answers(scope, None, send))
        start, body = sent
        return start["status"], dict(start["headers"]), body["body"]


def test_the_same_request_is_asked_once():
    """The second answer is the first one's bytes, and says so (RFC 9211)."""
    service = Service()
    first, second = service.get(query="a=1"), service.get(query="a=1")
    assert service.asked == 1
    assert first[2] == second[2] == b"hello"
    assert first[1][b"cache-status"] == b"datahub; fwd=miss"
    assert second[1][b"cache-status"] == b"datahub; hit"
    assert second[1][b"etag"] == b'"one"'


@pytest.mark.parametrize(
    "other",
    [
        {"query": "b=2&a=1"},
        {"path": "/b"},
        {"query": "a=1&b=2", "accept": "text/csv"},
        {"query": "a=1&b=2", "host": "elsewhere"},
        {"query": "a=1&b=2", "accept_encoding": "gzip"},
        {"query": "a=1&b=2", "prefer": "count=exact"},
        {"query": "a=1&b=2", "range": "0-9"},
        {"query": "a=1&b=2", "origin": "https://example.org"},
        {"query": "a=1&b=2", "authorization": "Bearer x"},
        {"query": "a=1&b=2", "x_api_key": "x"},
        {"query": "a=1&b=2", "method": "POST"},
    ],
    ids=lambda other: "-".join(sorted(other)),
)
def test_another_request_is_asked_itself(other):
    """Order of parameters, form, language, range and who asks make another request."""
    service = Service()
    service.get(query="a=1&b=2")
    service.get(**other)
    assert service.asked == 2


def test_all_origins_share_an_answer():
    """What one page of the web got, another gets: reads are open to all origins."""
    service = Service()
    service.get(origin="https://a.example")
    service.get(origin="https://b.example")
    assert service.asked == 1


def test_head_takes_the_kept_answer_and_makes_none():
    """HEAD is GET without its body; it leaves nothing behind."""
    service = Service()
    service.get(method="HEAD")
    service.get(method="GET")
    assert service.asked == 2
    status, headers, body = service.get(method="HEAD")
    assert (status, body, headers[b"cache-status"]) == (200, b"", b"datahub; hit")
    assert service.asked == 2


@pytest.mark.parametrize("condition", ['"one"', 'W/"one"', '"zero", "one"', "*"])
def test_who_has_it_gets_no_body(condition):
    """A matching If-None-Match is answered 304 without asking."""
    service = Service()
    service.get()
    status, headers, body = service.get(if_none_match=condition)
    assert (status, body, service.asked) == (304, b"", 1)
    assert headers[b"etag"] == b'"one"'
    assert b"content-type" not in headers
    assert service.get(if_none_match='"other"')[0] == 200


def test_a_new_release_and_a_withdrawal_end_it():
    """A kept answer is not used once `latest` is another version or the release is gone."""
    service = Service()
    service.get()
    service.catalog.now, service.body = table(2), b"second"
    assert service.get()[2] == b"second"
    assert service.get()[2] == b"second"
    assert service.asked == 2
    service.catalog.now, service.marked = ReleaseWithdrawn(), False
    service.status, service.body = 410, b"gone"
    assert service.get()[::2] == (410, b"gone")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"cache-control", b"no-store")],
        [(b"cache-control", b"private, max-age=60")],
        [(b"set-cookie", b"a=b")],
        [(b"vary", b"accept, x-other")],
        [(b"vary", b"*")],
    ],
)
def test_what_is_not_for_everybody_is_not_kept(headers):
    """Private answers, cookies and other variation are never given to somebody else."""
    service = Service()
    service.headers = headers
    service.get()
    service.get()
    assert service.asked == 2


@pytest.mark.parametrize(
    "change", [{"marked": False}, {"status": 404}, {"body": b"x" * (answers.ANSWER_BYTES + 1)}],
    ids=["unmarked", "status", "large"],
)  # fmt: skip
def test_only_small_marked_good_answers_are_kept(change):
    """What no handler marked, what failed and what is large goes through."""
    service = Service()
    for name, value in change.items():
        setattr(service, name, value)
    service.get()
    service.get()
    assert service.asked == 2


def test_memory_is_bounded_and_the_latest_used_stay():
    """A thousand different answers leave no more than the bound; the used one is among them."""
    service = Service(most=100_000)
    service.body = b"x" * 8000
    service.get("/kept")
    for number in range(1000):
        service.get(f"/{number}")
        service.get("/kept")
    assert service.asked == 1001
    assert sum(len(kept.body) for kept in service.answers._kept.values()) <= 100_000
    assert len(service.answers._kept) < 13


# Over HTTP ------------------------------------------------------------------------------------

ROWS = "/api/v1/datasets/schools/resources/schools/rows"


def counted(server) -> float:
    """How many answers with rows the metrics have counted."""
    line = r'datahub_requests_total\{[^}]*path="/api/v1/datasets/\{dataset\}/resources/\{resource\}/rows",status_code="200"\} (\S+)'
    return sum(float(n) for n in re.findall(line, server.get("/metrics").text))


def kept_headers(answer: httpx.Response) -> dict[str, str]:
    """Headers that are the same whenever an answer is given: not those of the request's limits."""
    own = {"x-request-id", "date", "cache-status"}
    return {k: v for k, v in answer.headers.items() if k not in own and "ratelimit" not in k}


def test_a_kept_answer_is_the_same_and_is_counted(server):
    """The second answer has the first one's bytes, an id of its own, and counts in the metrics."""
    query = {"limit": "7", "order": "school_id.desc"}
    before = counted(server)
    first, second = (server.get(ROWS, params=query) for _ in range(2))
    assert first.headers["cache-status"] == "datahub; fwd=miss"
    assert second.headers["cache-status"] == "datahub; hit"
    assert first.content == second.content
    assert kept_headers(first) == kept_headers(second)
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert counted(server) - before == 2
    again = server.get(ROWS, params=query, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = server.get(ROWS, params=query, headers={"accept": "text/csv"})
    assert other.headers["content-type"].startswith("text/csv")
    head = httpx.head(server.url + ROWS, params=query)
    assert (head.content, head.headers["content-length"]) == (b"", first.headers["content-length"])


def test_pages_say_the_same_before_and_after_they_are_prepared(server):
    """What Parquet answers first, lines, orders and the native file answer in the same bytes."""
    asked = [
        {"limit": "20", "offset": "11"},
        {"limit": "20", "order": "name.desc", "offset": "3"},
        {"limit": "9", "students": "gte.500"},
        {"select": "stage,count()", "order": "stage"},
    ]

    def bodies() -> list[bytes]:  # a token passes by what is kept
        token = server.token("operator")
        return [server.get(ROWS, params=query, token=token).content for query in asked]

    first = bodies()
    folder = server.data / "cache"
    until = time.monotonic() + 30
    while not list(folder.glob("*/order-*-desc")) or not list(folder.glob("*/rows.duckdb")):
        assert time.monotonic() < until, list(folder.rglob("*"))
        time.sleep(0.1)
    assert bodies() == first
