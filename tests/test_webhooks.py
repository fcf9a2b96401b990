"""Webhooks: addresses that are refused, signatures, order, retries, and nothing lost."""

from __future__ import annotations

import asyncio
import base64
import hmac
import html
import json
import re
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hub import Hub
from own_store import own_store, table, write_catalog

from datahub.errands.deliver import PAUSES, deliver
from datahub.errors_webhooks import (
    DeliveryUnknown,
    WebhookAddressInvalid,
    WebhookLimit,
    WebhookUnknown,
)
from datahub.guard.deliveries import SECONDS, Message, allowed, check, send, signature
from datahub.store import changes, webhooks
from datahub.web.receiving import MADE, SNIPPET

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
MESSAGE = Message(id="msg_1", timestamp=1_700_000_000, body=b'{"type":"ping"}')


def never() -> bool:
    """Nobody asks to stop."""
    return False


class Receiver:
    """A real HTTP server that keeps what it is sent and answers what the test says."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []  # statuses to come; then 204
        self.hold = threading.Event()
        self.hold.set()
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                own.taken.append(({k.lower(): v for k, v in self.headers.items()}, body))
                own.hold.wait(20)
                status = own.answers.pop(0) if own.answers else 204
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", f"{own.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def seqs(self) -> list[int]:
        """Numbers of the changes that came, in the order they came."""
        bodies = [json.loads(body) for _, body in self.taken]
        return [body["data"]["seq"] for body in bodies if body["type"] != "ping"]

    def wait(self, count: int, seconds: float = 30) -> None:
        """Wait until so many messages came."""
        until = time.monotonic() + seconds
        while len(self.taken) < count:
            assert time.monotonic() < until, f"{len(self.taken)} of {count} came"
            time.sleep(0.05)

    def close(self) -> None:
        """End it."""
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    """A receiver of the test's own."""
    own = Receiver()
    yield own
    own.close()


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a signature as the Standard Webhooks specification tells receivers to."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, signed, sha256)).decode()
    given = [part.split(",", 1) for part in headers["webhook-signature"].split(" ")]
    return any(v == "v1" and hmac.compare_digest(s, wanted) for v, s in given)


# Addresses ------------------------------------------------------------------------------------

GOOD = [
    ("https://hooks.example.org/in", "hooks.example.org", 443, "/in"),
    ("http://Hooks.Example.org:8080", "hooks.example.org", 8080, "/"),
    (
        "https://例子.测试/数据?键=值",
        "xn--fsqu00a.xn--0zwm56d",
        443,
        "/%E6%95%B0%E6%8D%AE?%E9%94%AE=%E5%80%BC",
    ),
    ("https://8.8.8.8/x?a=b%20c", "8.8.8.8", 443, "/x?a=b%20c"),
    ("https://[2606:4700:4700::1111]:8443/", "2606:4700:4700::1111", 8443, "/"),
    ("https://a.b.example.org:443/?q", "a.b.example.org", 443, "/?q"),
]
BAD = [
    # schemes and forms
    *("ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "javascript:alert(1)"),
    *("", "example.org", "//example.org/", "https://", "https:///x", "http:example.org"),
    *("https://example.org/#f", "https://example.org/#", "https://exa mple.org/"),
    *("https://example.org/\n", "https://example.org\\@127.0.0.1/", "https://exam\tple.org/"),
    *("https://" + "a" * 2000 + ".org/", "https://-a.example.org/", "https://a..example.org/"),
    *("https://exam_ple.org/", "https://example.org./", "https://ex%61mple.org/"),
    # user names, ports
    *("https://u:p@example.org/", "https://u@example.org/", "https://@example.org/"),
    *("https://example.org:22/", "https://example.org:25/", "https://example.org:0/"),
    *("https://example.org:6000/", "https://example.org:6667/", "https://example.org:65536/"),
    *("https://example.org:-1/", "https://example.org:http/", "https://example.org:1023/"),
    # loopback in every spelling
    *("http://127.0.0.1/", "http://127.0.0.1:8000/", "http://127.1/", "http://127.0.1/"),
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/"),
    *("http://017700000001/", "http://127.0.0.1./", "http://１２７.0.0.1/", "http://①②⑦.0.0.1/"),
    *("http://127。0。0。1/", "http://0/", "http://0.0.0.0/", "http://0x/", "http://00000000177.1/"),
    *("http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://a.localhost/"),
    *("http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::]/", "http://[::127.0.0.1]/"),
    *("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::1%25lo]/", "http://[::1%lo]/"),
    # private, link-local, shared, multicast, documentation, transition
    *("http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/"),
    *("http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe/", "http://2852039166/"),
    *("http://100.64.0.1/", "http://100.127.255.255/", "http://198.18.0.1/", "http://192.0.2.1/"),
    *("http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/"),
    *("http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fc00::1]/", "http://[fd12::1]/"),
    *("http://[ff02::1]/", "http://[2001:db8::1]/", "http://[64:ff9b::7f00:1]/", "http://[3fff::1]/"),
    *("http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/", "http://[2001::1]/", "http://[100::1]/"),
    *("http://[::ffff:8.8.8.8]/", "http://[fec0::1]/", "http://[v1.x]/", "http://[1.2.3.4]/", "http://[::1/"),
    # numbers that are addresses only to lenient readers, names inside
    *("http://8.8.8/", "http://134744072/", "http://08.8.8.8/", "http://8.8.8.8.8/", "http://256.1.1.1/"),
    *("http://intranet/", "http://printer.local/", "http://metadata.google.internal/"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "host", "port", "path"), GOOD, ids=range(len(GOOD)))
def test_addresses_that_are_taken(url, host, port, path):
    """A public address is taken apart; names become ASCII, paths percent-encoded."""
    target = check(url, private=False)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize("url", BAD, ids=range(len(BAD)))
def test_addresses_that_are_refused(url):
    """Whatever is not plainly a public http address is refused, with what would be right."""
    with pytest.raises(WebhookAddressInvalid) as caught:
        check(url, private=False)
    assert caught.value.facts["reason_zh"]


def test_there_are_enough_refusals():
    """The table above is as large as it should be."""
    assert len(set(BAD)) == len(BAD) >= 60


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        *(("8.8.8.8", True, True), ("2606:4700::1111", True, True), ("127.0.0.1", False, True)),
        *(("10.1.2.3", False, True), ("::1", False, True), ("fd00::1", False, True)),
        *(("169.254.169.254", False, False), ("fe80::1", False, False), ("0.0.0.1", False, False)),
        *(("224.0.0.1", False, False), ("::ffff:10.0.0.1", False, False), ("::", False, False)),
        *(("64:ff9b::a00:1", False, False), ("100.64.0.1", False, False), ("x", False, False)),
        *(("fe80::1%eth0", False, False), ("2002:a00:1::", False, False)),
    ],
)
def test_resolved_addresses(address, public, private):
    """A resolved address must be public; the setting lets private ones pass, never link-local."""
    assert allowed(address, private=False) is public
    assert allowed(address, private=True) is private


def sent(url, resolver, **options):
    """Send the message to an address, with names resolved as the test says."""
    return asyncio.run(send(url, SECRET, MESSAGE, resolver=resolver, **options))


def resolving(*addresses):
    """Resolver that gives these addresses, and remembers how often it was asked."""

    async def resolve(_host, _port):
        resolve.asked += 1
        return list(addresses)

    resolve.asked = 0
    return resolve


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::ffff:127.0.0.1",), ()]
)
def test_a_name_that_leads_inside_gets_nothing(receiver, addresses):
    """A public name that resolves to a private address, if only among others, is not sent to."""
    port = receiver.url.rsplit(":", 1)[1]
    answered = sent(f"http://hooks.example.org:{port}/", resolving(*addresses), private=False)
    assert (answered.status, answered.problem) == (None, "the name leads to no public address")
    assert receiver.taken == []


def test_the_checked_address_is_connected_to(receiver):
    """The name is resolved once and the connection goes there: rebinding gains nothing."""
    port = receiver.url.rsplit(":", 1)[1]
    resolver = resolving("127.0.0.1")
    answered = sent(f"http://hooks.example.org:{port}/in?a=1", resolver, private=True)
    assert (answered.status, resolver.asked) == (204, 1)
    ((headers, body),) = receiver.taken
    assert headers["host"] == f"hooks.example.org:{port}"
    assert verified(SECRET, headers, body)
    assert not verified(SECRET, headers, body + b" ")
    assert not verified(SECRET, headers | {"webhook-id": "msg_2"}, body)


def test_a_signature_as_the_specification_has_it():
    """The signature is that of the example which the Standard Webhooks libraries test with."""
    from datahub.guard.deliveries import signature

    message = Message(
        id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert signature(secret, message) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_redirects_are_not_followed(receiver):
    """An answer that points elsewhere is a status like any other; nobody goes there."""
    receiver.answers = [307]
    assert sent(receiver.url, resolving("127.0.0.1"), private=True).status == 307
    assert len(receiver.taken) == 1


@contextmanager
def raw(answer: bytes, *, drip: float = 0.0):
    """A server that answers one connection with these bytes, slowly if asked."""

    def serve():
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                step = 1 if drip else len(answer)
                for start in range(0, len(answer), step):
                    connection.sendall(answer[start : start + step])
                    time.sleep(drip)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join()


@pytest.mark.parametrize(
    ("answer", "drip", "status", "problem"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000, 0, 200, None, id="endless"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 600, 0.05, None, "no answer within 1 seconds", id="drip"
        ),
        pytest.param(
            b"220 mail.example.org ESMTP\r\n", 0, None,
            "the connection broke, or the answer is not HTTP", id="other",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", 0, None,
            "the connection broke, or the answer is not HTTP", id="short",
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 0, 204, None, id="empty"),
    ],
)  # fmt: skip
def test_odd_answers(answer, drip, status, problem):
    """An endless, slow, foreign or broken answer costs the time allowed and 64 kB at most."""
    seconds = 1 if drip else 20
    began = time.monotonic()
    with raw(answer, drip=drip) as url:
        answered = sent(url, resolving("127.0.0.1"), private=True, seconds=seconds)
        took = time.monotonic() - began
    assert (answered.status, answered.problem) == (status, problem)
    assert took < (10 if drip else 20)  # the dripping server needs half a minute


def test_certificates_are_verified(tmp_path):
    """A receiver with a certificate that nobody vouches for gets nothing."""
    import ssl
    from datetime import timedelta as days

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + days(1))
    (tmp_path / "pem").write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    own = Receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    own.server.socket = context.wrap_socket(
        own.server.socket, server_side=True, do_handshake_on_connect=False
    )
    url = own.url.replace("http:", "https:").replace("127.0.0.1", "localhost")
    answered = sent(url, resolving("127.0.0.1"), private=True)
    own.close()
    assert (answered.status, answered.problem, own.taken) == (None, "TLS failed", [])


# Deliveries -----------------------------------------------------------------------------------


class Hands:
    """A clock whose hands the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    """Time that stands still."""
    return Hands()


@pytest.fixture
def store(tmp_path, clock):
    """A store with two datasets that delivers to this machine."""
    opened = own_store(tmp_path, "lamps", "trees", clock=clock, private_webhooks=True)
    yield opened
    opened.close()


def made(store, url, **options):
    """Add a webhook."""
    given = {"owner": "li", "url": url, "datasets": (), "events": ()} | options
    with store.catalog.write() as db:
        return webhooks.create(db, now="2026-01-01T00:00:00.000Z", **given)


def happen(store, *names, what="changed"):
    """Let something happen to datasets, and return the numbers of the changes."""
    numbers = []
    with store.catalog.write() as db:
        for name in names:
            changes.append(db, "2026-01-01T00:00:00.000Z", name, what)
            numbers.append(changes.last(db))
    return numbers


def logged(store, webhook):
    """The log of a webhook, oldest first."""
    with store.catalog.read() as db:
        return webhooks.log(db, webhook, before=None, limit=1000)[::-1]


def test_changes_arrive_in_order(store, receiver):
    """Each change since the webhook was made arrives once, in order, signed, as the feed has it."""
    before = happen(store, "lamps")
    hook = made(store, receiver.url)
    numbers = happen(store, "lamps", "trees", "lamps", "")
    deliver(store, never)
    deliver(store, never)
    assert receiver.seqs() == numbers
    assert before[0] not in numbers
    assert all(verified(hook.secret, *message) for message in receiver.taken)
    first = json.loads(receiver.taken[0][1])
    assert first == {
        "type": "changed",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {
            "seq": numbers[0],
            "at": "2026-01-01T00:00:00.000Z",
            "dataset": "lamps",
            "what": "changed",
            "version": None,
            "title": "数据集 lamps",
            "manifest": None,
            "urls": {"page": "/datasets/lamps", "record": "/api/v1/datasets/lamps"},
        },
    }
    assert {item.state for item in logged(store, hook)} == {"delivered"}


def test_only_what_is_wanted(store, receiver):
    """Datasets and events narrow what is sent; a dataset counts under its present name, too."""
    made(store, receiver.url, datasets=("lamps",), events=("changed", "released"))
    wanted = happen(store, "lamps")
    happen(store, "trees")
    happen(store, "lamps", what="status")
    deliver(store, never)
    assert receiver.seqs() == wanted


def test_retries_with_growing_pauses(store, receiver, clock):
    """A failed delivery waits 10 s, a minute, … a day; what follows waits behind it."""
    hook = made(store, receiver.url)
    first, second = happen(store, "lamps", "trees")
    receiver.answers = [500, 404, 429, 503, 302, 500]
    for attempt, pause in enumerate(PAUSES, start=1):
        deliver(store, never)
        assert len(receiver.taken) == attempt
        waiting = logged(store, hook)[0]
        assert (waiting.state, waiting.attempts) == ("waiting", attempt)
        clock.now += timedelta(seconds=pause, milliseconds=-1)
        deliver(store, never)
        assert len(receiver.taken) == attempt
        clock.now += timedelta(milliseconds=1)
    assert set(receiver.seqs()) == {first}
    deliver(store, never)
    assert receiver.seqs() == [first] * 7 + [second]
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 2
    stamps = [headers["webhook-timestamp"] for headers, _ in receiver.taken[:7]]
    assert len(set(stamps)) == 7
    assert [(i.state, i.attempts, i.status) for i in logged(store, hook)] == [
        ("delivered", 7, 204),
        ("delivered", 1, 204),
    ]


def test_what_fails_to_the_end_is_given_up_and_ends_the_webhook(store, receiver):
    """After the last pause a delivery is given up; three in a row end the webhook with a reason."""
    hook = made(store, receiver.url)
    happen(store, *["lamps"] * 5)
    receiver.answers = [500] * 2 + [204] + [500] * 8
    deliver(store, never, pauses=(0,))
    assert [i.state for i in logged(store, hook)] == ["given-up", "delivered", *["given-up"] * 3]
    with store.catalog.read() as db:
        ended = webhooks.get(db, "li", hook.id)
    assert (ended.ended is not None, ended.reason) == (True, "3 deliveries in a row were given up")
    happen(store, "lamps")
    deliver(store, never)
    assert len(logged(store, hook)) == 5


def test_gone_ends_the_webhook_at_once(store, receiver):
    """A receiver that answers 410 is never sent to again."""
    hook = made(store, receiver.url)
    happen(store, "lamps", "trees")
    receiver.answers = [410]
    deliver(store, never)
    assert len(receiver.taken) == 1
    with store.catalog.read() as db:
        assert webhooks.get(db, "li", hook.id).reason == "the receiver answered 410 Gone"
    assert [item.state for item in logged(store, hook)] == ["given-up", "given-up"]


def test_one_receiver_does_not_stop_another(store, receiver):
    """Changes arrive at a webhook whose neighbour answers nobody."""
    made(store, "http://127.0.0.1:9999/")
    made(store, receiver.url, owner="wang")
    numbers = happen(store, "lamps", "trees", "lamps")
    deliver(store, never)
    assert receiver.seqs() == numbers


class Killed(BaseException):
    """The worker ends here."""


@pytest.mark.parametrize("place", ["send", "_log"])
def test_a_worker_killed_around_sending_loses_nothing(store, receiver, monkeypatch, place):
    """Killed between noting and sending, or between sending and logging: it is sent (again)."""
    hook = made(store, receiver.url)
    numbers = happen(store, "lamps", "trees")

    def killed(*_args, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["datahub.errands.deliver"], place, killed)
        with pytest.raises(BaseExceptionGroup):
            deliver(store, never)
    assert [item.state for item in logged(store, hook)] == ["waiting", "waiting"]
    deliver(store, never)
    assert list(dict.fromkeys(receiver.seqs())) == numbers
    assert [item.state for item in logged(store, hook)] == ["delivered", "delivered"]


def test_pings_and_redeliveries(store, receiver, clock):
    """A ping is tried once, beside a queue that waits; what is over can be sent once more."""
    hook = made(store, receiver.url)
    happen(store, "lamps")
    receiver.answers = [500, 500]
    deliver(store, never)
    with store.catalog.write() as db:
        webhooks.ping(db, hook, "2026-01-01T00:00:00.000Z")
        webhooks.ping(db, hook, "2026-01-01T00:00:00.000Z")
    deliver(store, never)
    assert [(i.ping, i.state) for i in logged(store, hook)] == [
        *((False, "waiting"), (True, "given-up"), (True, "delivered")),
    ]
    clock.now += timedelta(seconds=10)
    deliver(store, never)
    with store.catalog.write() as db:
        webhooks.again(db, hook, logged(store, hook)[0].id, "2026-01-01T00:00:00.000Z")
    deliver(store, never)
    assert len({h["webhook-id"] for h, b in receiver.taken if b"ping" not in b}) == 1
    assert len(receiver.seqs()) == 3


def test_nobody_has_others_webhooks_or_too_many(store):
    """A webhook is its owner's; twenty are enough."""
    hook = made(store, "https://hooks.example.org/")
    with store.catalog.read() as db, pytest.raises(WebhookUnknown):
        webhooks.get(db, "wang", hook.id)
    for _ in range(19):
        made(store, "https://hooks.example.org/")
    with pytest.raises(WebhookLimit):
        made(store, "https://hooks.example.org/")


def test_a_log_is_bounded(store, receiver, monkeypatch):
    """A log keeps the newest deliveries; a queue takes no more than it may hold."""
    monkeypatch.setattr(webhooks, "KEPT", 5)
    monkeypatch.setattr(webhooks, "WAITING", 4)
    hook = made(store, receiver.url)
    numbers = happen(store, *["lamps"] * 14)
    deliver(store, never)
    happen(store, "trees")
    deliver(store, never)
    assert receiver.seqs()[:14] == numbers
    assert len(receiver.seqs()) == 15
    assert len(logged(store, hook)) <= 6


# What receivers are told ------------------------------------------------------------------------


def receiver_of(description):
    """The function that a description gives to receivers."""
    _, _, code = description.partition("```python\n")
    given: dict[str, Any] = {}
    exec(code.partition("```")[0], given)  # noqa: S102 - what is told is tried
    return given["check"]


@pytest.fixture
def delivered(receiver):
    """Headers and body of a message that was sent just now."""
    message = Message(id="msg_1", timestamp=int(time.time()), body=b'{"type":"ping"}')
    asyncio.run(send(receiver.url, SECRET, message, private=True))
    return receiver.taken[0]


def test_receivers_are_told_how_to_check(delivered):
    """The function that receivers are given passes what was sent, beside another signature too."""
    check_as_told = receiver_of(MADE)
    headers, body = delivered
    check_as_told(SECRET, headers, body)
    check_as_told(
        SECRET, headers | {"webhook-signature": f"v1,é {headers['webhook-signature']}"}, body
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", "1700000000"),
        ("webhook-timestamp", "soon"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,é"),
    ],
)
def test_receivers_refuse_other_headers(delivered, name, value):
    """With another id, time or signature the function that receivers are given refuses."""
    headers, body = delivered
    with pytest.raises(ValueError, match="signature"):
        receiver_of(MADE)(SECRET, headers | {name: value}, body)


def test_receivers_refuse_other_messages(delivered):
    """So it does another body, another secret, and what is true but old."""
    check_as_told = receiver_of(MADE)
    headers, body = delivered
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    for secret, sent in ((SECRET, body + b" "), (other, body)):
        with pytest.raises(ValueError, match="signature"):
            check_as_told(secret, headers, sent)
    old = {
        "webhook-id": MESSAGE.id,
        "webhook-timestamp": str(MESSAGE.timestamp),
        "webhook-signature": signature(SECRET, MESSAGE),
    }
    with pytest.raises(ValueError, match="old"):
        check_as_told(SECRET, old, MESSAGE.body)


def test_receivers_are_told_true_numbers(server):
    """Seconds, attempts and hours in the description are those of the sender, and on its page."""
    page = html.unescape(server.get("/docs").text)
    hours = round(sum(PAUSES) / 3600)
    for text in (MADE, page):
        for number in (f"{SECONDS:g}", len(PAUSES) + 1, hours):
            assert re.search(rf"\b{number} (seconds|times|hours|秒|次|小时)", text), number
    assert SNIPPET in page
    assert all(name in page for name in ("webhook-id", "webhook-timestamp", "webhook-signature"))


# The service ----------------------------------------------------------------------------------


def test_webhooks_of_a_running_service(tmp_path, receiver):
    """Made over HTTP, pinged, sent a release though the worker is killed meanwhile, deleted."""
    catalog = write_catalog(tmp_path / "catalog", "lamps")
    hub = Hub(tmp_path / "data", catalog=catalog, private_webhooks=True)
    hub.data.mkdir()
    hub.register()
    hub.start()
    try:
        token = hub.token("steward", "p1")
        body = {"url": receiver.url + "/进", "events": ["released"]}
        created = hub.post("/api/v1/webhooks", token=token, json=body)
        assert created.status_code == 201, created.text
        hook = created.json()
        assert hook["secret"].startswith("whsec_")
        again = hub.get(hook["links"]["self"], token=token).json()
        assert "secret" not in again
        assert hub.post(hook["links"]["ping"], token=token).status_code == 201
        receiver.wait(1)
        receiver.hold.clear()  # the receiver takes the release and does not answer
        assert hub.publish("lamps", ("lamps", "lamps.csv", table()))["state"] == "released"
        receiver.wait(2)
        hub.kill("worker")
        receiver.hold.set()
        receiver.wait(3)
        (ping, *_), *rest = receiver.taken
        assert json.loads(receiver.taken[0][1])["type"] == "ping"
        assert verified(hook["secret"], *receiver.taken[0])
        told = hub.get("/openapi.json").json()["paths"]["/api/v1/webhooks"]["post"]["description"]
        check_as_told = receiver_of(told)
        for headers, sent in receiver.taken:
            check_as_told(hook["secret"], headers, sent)
        assert (
            {h["webhook-id"] for h, _ in rest} == {rest[0][0]["webhook-id"]} != {ping["webhook-id"]}
        )
        data = json.loads(receiver.taken[2][1])["data"]
        manifest = hub.get(data["urls"]["manifest"])
        assert sha256(manifest.content).hexdigest() == data["manifest"]
        log = until_delivered(hub, hook["links"]["deliveries"], token)
        assert [(i["what"], i["state"], i["status"]) for i in log] == [
            *(("released", "delivered", 204), ("ping", "delivered", 204)),
        ]
        assert hub.get(hook["links"]["self"], token=hub.token("reviewer")).status_code == 404
        gone = httpx.delete(
            hub.url + hook["links"]["self"], headers={"Authorization": f"Bearer {token}"}
        )
        assert gone.status_code == 200
        assert hub.get("/api/v1/webhooks", token=token).json() == []
    finally:
        hub.stop()


def until_delivered(hub, path, token):
    """Log of a webhook once nothing waits any more."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        log = hub.get(path, token=token).json()["data"]
        if all(item["state"] != "waiting" for item in log):
            return log
        time.sleep(0.1)
    raise AssertionError(log)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "http://127.0.0.1:8000/"}, 422, "webhook-address-invalid"),
        ({"url": "http://169.254.169.254/latest/"}, 422, "webhook-address-invalid"),
        ({"url": "https://u:p@example.org/"}, 422, "webhook-address-invalid"),
        ({"url": "https://example.org/", "datasets": ["none"]}, 404, "dataset-unknown"),
        ({"url": "https://example.org/", "datasets": ["../x"]}, 400, "body-invalid"),
        ({"url": "https://example.org/", "events": ["exploded"]}, 400, "body-invalid"),
        ({"url": "https://example.org/", "secret": "x"}, 400, "body-invalid"),
        ({"url": 1}, 400, "body-invalid"),
        ({}, 400, "body-invalid"),
    ],
)
def test_wrong_webhooks(server, body, status, code):
    """A webhook that cannot be is refused with what would be right."""
    answered = server.post("/api/v1/webhooks", token=server.token("operator"), json=body)
    assert (answered.status_code, answered.json()["code"]) == (status, code), answered.text
    assert "127.0.0.1" not in answered.json()["detail"]


@pytest.mark.parametrize("number", [0, -1, 99, 1 << 63, -(1 << 70)])
def test_deliveries_that_are_not_there(store, number):
    """A number that the log has not is refused, however large."""
    hook = made(store, "https://hooks.example.org/")
    with store.catalog.write() as db, pytest.raises(DeliveryUnknown):
        webhooks.again(db, hook, number, "2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("path", ["wh_0", "wh_0/deliveries", "../x", "%00"])
def test_webhooks_that_are_not_there(server, path):
    """An id that nobody has is 404."""
    answered = server.get(f"/api/v1/webhooks/{path}", token=server.token("operator"))
    assert answered.status_code == 404
