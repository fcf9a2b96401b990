"""What the server says to bytes that no route ever sees: addresses that are no addresses."""

from __future__ import annotations

import json
import socket
from urllib.parse import quote

import pytest

ROWS = "/api/v1/datasets/bus/resources/lines/rows"


def raw(server, target: str) -> tuple[int, dict]:
    """Status and body of a request whose target is sent as it stands."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = told.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)


@pytest.mark.parametrize("target", [f"{ROWS}?name=eq.公交", "/datasets/公交", f"{ROWS}?q=é"])
def test_letters_that_are_not_escaped_are_told(server, target):
    """Who forgets to escape an address learns how, in curl's words."""
    status, problem = raw(server, target)
    assert (status, problem["code"]) == (400, "address-not-ascii")
    assert "--data-urlencode" in problem["detail"]
    assert "%E4%B8%AD" in problem["detail_zh"]
    assert raw(server, quote(target, safe="/?=&."))[0] in (200, 400, 404)


def test_an_address_that_is_too_long_is_told_in_numbers(server):
    """The longest address is answered, and one byte more is 414 with the limit."""
    target = f"{ROWS}?line_id=eq."
    longest = target + "x" * (65_535 - len(target))
    assert raw(server, longest)[0] == 200
    status, problem = raw(server, longest + "x")
    assert (status, problem["code"], problem["facts"]["limit"]) == (414, "address-too-long", 65_535)
    assert "65535" in problem["detail_zh"]
    assert "/api/v1/sql" in problem["detail_zh"]
    status, problem = raw(server, target + "x" * 79_000)
    assert (status, problem["status"]) == (414, 414)


def test_what_is_no_request_is_told_so(server):
    """Bytes that are no HTTP get no advice on addresses."""
    status, problem = raw(server, "/ /")
    assert (status, problem["code"]) == (400, "bad-request")
