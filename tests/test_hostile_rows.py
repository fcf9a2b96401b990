"""Requests for rows that nobody sends who wants rows: each is told what is wrong, soon."""

from __future__ import annotations

import socket
import time
from urllib.parse import quote

from test_attacks import MEMORY, memory

ROWS = "/api/v1/datasets/schools/resources/schools/rows"
_MANY = ",".join(map(str, range(5000)))
LISTS = (
    f"students=in.({_MANY})",
    f"students=eq(any).{{{_MANY}}}",
    *("&".join(f"students=gt.{i}" for i in range(n)) for n in (50, 1000)),
    *("or=(" + "or(" * n + "students.gt.1,students.lt.0" + ")" * (n + 1) for n in (5, 200, 5000)),
    *("select=" + ",".join(f"a{i}:students.sum()" for i in range(n)) for n in (50, 1000)),
    *(f"{name}=" + ",".join(["name"] * 1000) for name in ("select", "order", "facet")),
    "having=" + ",".join(["count().gt.1"] * 1000),
    "and=" + "(" * 5000,
    "name=like(any).{" + ",".join(["*a*"] * 900) + "}",
    "&".join(f"a{i}=eq.1" for i in range(2000)),
)
PATTERNS = (
    *("(a+)+$", "(.*)(.*)(.*)(.*)(.*)x", "a{1000}{1000}", "((a{30}){30}){30}", "[", "(?=a)"),
    *("\\C", "[[:foo:]]", "a**", "(" * 500 + ")" * 500, "\\p{Han}+" * 200, "x" * 9000, "(?P<n>"),
)
LIKES = ("*" * 200, "%" * 3000, "*a" * 100, "_%" * 2000, "\\", "\x00", "*\\*")
WORDS = ("中" * 10_000, "a " * 5000, "'; drop", '"', "\x00", "\ufffe", " " * 500, "🏫" * 100)
NUMBERS = (
    "99999999999999999999",
    "-1",
    "1e9",
    "0x10",
    "٣",
    "1_0",
    "9223372036854775808",
    "NaN",
    "",
)
PLACES = (
    "nan,nan,nan,nan",
    "inf,-inf,1,1",
    "180,90,-180,-90",
    "1e308,1e308,1e309,1",
    "1,,2,3",
    "1",
)
ODD = (
    *("limit=1&limit=2", "%ff=eq.1", "name=eq.%ff%fe", "name=%", "%00=eq.1", "=", "?=?", "a[b]=1"),
    *(
        "name=eq.%ed%a0%80",
        "version=v99",
        "version=-1",
        "as_of=9999-99-99",
        "format=exe",
        "shape=x",
    ),
    *("students=eq." + "9" * 5000, "students=gt.1e400", "students=eq.NaN", "name=not.not.eq.a"),
    *("and=()", 'or=(name.eq."a)', "select=schools(*)", "select=a:b:c:name", "students=in.()"),
    *("cursor=" + "A" * 20_000, "cursor=../..", "cursor=%00", "cursor="),
)
REQUESTS = (
    *LISTS,
    *(f"name={op}.{quote(text)}" for op in ("match", "imatch") for text in PATTERNS),
    *(f"name={op}.{quote(text)}" for op in ("like", "ilike") for text in LIKES),
    *(f"q={quote(text)}" for text in WORDS),
    *(f"{name}={quote(text)}" for name in ("limit", "offset") for text in NUMBERS),
    *(f"geo.{kind}={text}" for kind in ("bbox", "within") for text in PLACES),
    *ODD,
)


def asked(server, query: str, head: bytes = b"") -> tuple[int, bytes, bytes]:
    """Send a request as it stands: status, head and body of the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    line = f"GET {ROWS}?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n".encode()
    received = bytearray()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(line + head + b"\r\n")
        while data := connection.recv(1 << 20):
            received += data
    top, _, body = bytes(received).partition(b"\r\n\r\n")
    return int(top[9:12]), top.lower(), body.lower()


def wrong(server, query: str) -> str | None:
    """What is wrong with the answer to a request; None: nothing."""
    began = time.monotonic()
    status, head, body = asked(server, query)
    if status >= 500 or (status != 200 and b"application/problem+json" not in head):
        return f"{query[:80]}: {status} {body[-200:]!r}"
    told = [word for word in (b"traceback", b"duckdb", b".parquet", b"/tmp") if word in body]
    late = time.monotonic() - began > 5
    return f"{query[:80]}: tells {told}, late: {late}" if late or (status > 200 and told) else None


def test_hostile_requests_for_rows_are_told_what_is_wrong(server):
    """More than a hundred: 4xx with a problem or a right answer, within seconds, memory as before."""
    assert len(REQUESTS) > 100
    cursor = server.get(ROWS, params={"limit": 5}).json()["page"]["next"]
    altered = (cursor[:-1], cursor[::-1], cursor.swapcase(), f"{cursor}&limit=7&students=gt.5")
    held = memory(server.pid("web"))
    tried = [*REQUESTS, *(f"cursor={text}" for text in altered), f"cursor={cursor}&cursor={cursor}"]
    assert [found for query in tried if (found := wrong(server, query))] == []
    for text in altered:
        assert asked(server, f"cursor={text}")[0] == 400
    assert memory(server.pid("web")) < held + 2 * MEMORY
    assert asked(server, "limit=1")[0] == 200


def test_hostile_headers_are_no_fault_of_ours(server):
    """Very many, very long, of no alphabet: 200 where they do not matter, else 4xx."""
    for head, status in (
        (b"X-A: " + b"a" * 70_000 + b"\r\n", 431),
        (b"".join(b"X-%d: 1\r\n" % i for i in range(2000)), 200),
        (b"If-None-Match: " + b'"a",' * 4000 + b"\r\n", 200),
        (b"Accept: " + b"text/x;q=0.1," * 1500 + b"\r\n", 406),
        (b"Accept: \xff\xfe;q=nan\r\n", 406),
        (b"Range: bytes=0-0," + b"1-1," * 2000 + b"\r\n", 200),
        (b"Accept-Language: " + b"zh;q=0.5," * 3000 + b"\r\n", 200),
        (b"X-Request-Id: \xff" + b"a" * 3000 + b"\r\n", 200),
    ):
        assert asked(server, "limit=1", head)[0] == status, head[:40]
