"""Sends signed messages to addresses that strangers gave, and to public ones only.

The address is checked twice: as it is written, when it is given, and as it is resolved, at each
sending. The connection then goes to the very address that was checked: a name that resolves
differently the next moment (DNS rebinding) gains nothing. No redirect is followed, no proxy and
no credential of the environment is used, certificates are always verified, and of the answer only
the status is told. Signed as the Standard Webhooks specification (1.0.0) says.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import re
import socket
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from datahub import __version__
from datahub.errors_webhooks import WebhookAddressInvalid
from datahub.model import Struct

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import httpx

    Resolve = Callable[[str, int], Awaitable[list[str]]]

SECONDS = 10.0
ANSWER_BYTES = 64 << 10
_LONGEST = 2000
_LEAST_PORT = 1024
_PORTS = {"http": 80, "https": 443}
# Ports above 1023 that the Fetch standard (§2.9, "bad port") keeps browsers from.
_BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670)}
    | {6679, 6697, 10080}
)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z", re.ASCII)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z", re.ASCII)
_SAFE = "/%:@!$&'()*+,;=~-._"

# RFC 6890 and the registries of special-purpose addresses that it began.
_V4 = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 \
192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 \
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
# Only 2000::/3 is given out; what leads to IPv4 from inside it, and documentation, is not public.
_V6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
_V6_GIVEN = ipaddress.IPv6Network("2000::/3")
_PRIVATE = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7"


class Target(Struct, frozen=True):
    """Where to send: parts of an address that was checked."""

    scheme: str
    host: str  # ASCII name, or an IP address without brackets
    port: int
    path: str  # with its query

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Message(Struct, frozen=True):
    """What is sent: `id` stays the same however often it is tried."""

    id: str
    timestamp: int  # seconds, of this attempt
    body: bytes


class Answered(Struct, frozen=True):
    """Status that was answered, or why there is none."""

    status: int | None = None
    problem: str | None = None


# The address as it is written -----------------------------------------------------------------


def check(url: str, *, private: bool) -> Target:
    """Take an address apart; `private` lets loopback and private networks pass.

    Raises:
        WebhookAddressInvalid: with what would be right.

    """
    if len(url) > _LONGEST or not url.isprintable() or " " in url or "\\" in url:
        raise _invalid(
            "太长，或含有空格、反斜线、控制字符", "too long, or with blanks or backslashes"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid("写法不对", "it is not a well-formed URL") from None
    if parts.scheme not in _PORTS:
        raise _invalid("只能用 https:// 或 http://", "use https:// or http://")
    if parts.fragment or "#" in url:
        raise _invalid("不能带 # 之后的部分", "leave out the fragment (#…)")
    if "@" in parts.netloc:
        raise _invalid("不能含有用户名或密码", "leave out user name and password")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in _PORTS.values() and (port < _LEAST_PORT or port in _BAD_PORTS):
        raise _invalid(
            f"端口 {port} 不能用；可用 80、443 和 1024 以上的一般端口",
            f"port {port} is not delivered to; use 80, 443 or one above 1023",
        )
    host = _host(parts.hostname or "", bracketed="[" in parts.netloc, private=private)
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE + '?')}" if parts.query else ""
    return Target(scheme=parts.scheme, host=host, port=port, path=path + query)


def _host(given: str, *, bracketed: bool, private: bool) -> str:
    if bracketed:
        return _literal(given, private=private)
    name = _ascii(given)
    labels = name.split(".")
    if not all(_LABEL.match(label) for label in labels):
        raise _invalid("主机名写法不对", "its host is no name and no address")
    if _NUMBER.match(labels[-1]):  # a number at the end makes it IPv4 (URL standard §3.5)
        return _literal(name, private=private)
    if not private and (len(labels) == 1 or labels[-1] in ("localhost", "local", "internal")):
        raise _invalid(
            "应为公网主机名，如 hooks.example.org", "give a public name: hooks.example.org"
        )
    return name


def _ascii(name: str) -> str:
    import idna

    try:
        return idna.encode(name, uts46=True).decode() if not name.isascii() else name.lower()
    except (idna.IDNAError, UnicodeError):
        raise _invalid("主机名写法不对", "its host is no name and no address") from None


def _literal(text: str, *, private: bool) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _invalid(
            "IP 地址应写成 203.0.113.7 或 [2001:db8::7] 的形式",
            "write an IP address like 203.0.113.7 or [2001:db8::7]",
        ) from None
    if not allowed(str(address), private=private):
        raise _invalid("不是公网地址", "it is no public address")
    return str(address)


def _invalid(zh: str, en: str) -> WebhookAddressInvalid:
    return WebhookAddressInvalid(reason_zh=zh, reason_en=en)


# The address as it is resolved ----------------------------------------------------------------


def allowed(text: str, *, private: bool) -> bool:
    """Whether an IP address is one that anybody may reach; of `private` ones see settings."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    if private and _within(address, _PRIVATE):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return not _within(address, _V4)
    return address in _V6_GIVEN and not _within(address, _V6)


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: str) -> bool:
    return any(address in network for network in _networks(networks))


@lru_cache
def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(network) for network in text.split())


async def resolve(host: str, port: int) -> list[str]:
    """IP addresses of a name, by the system's resolver.

    Raises:
        OSError: it has none.

    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


# Sending ----------------------------------------------------------------------------------------


def signature(secret: str, message: Message) -> str:
    """Value of the webhook-signature header (Standard Webhooks, "Symmetric signatures")."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message.id}.{message.timestamp}.".encode() + message.body
    return "v1," + base64.b64encode(hmac.digest(key, signed, sha256)).decode()


async def send(
    url: str,
    secret: str,
    message: Message,
    *,
    private: bool,
    resolver: Resolve = resolve,
    seconds: float = SECONDS,
) -> Answered:
    """Send a message, all of it within `seconds`; nothing that goes wrong is raised."""
    import httpx

    try:
        target = check(url, private=private)
        async with asyncio.timeout(seconds):
            addresses = await resolver(target.host, target.port)
            if addresses and all(allowed(ip, private=private) for ip in addresses):
                return Answered(status=await _post(target, addresses, secret, message))
            problem = "the name leads to no public address"
    except WebhookAddressInvalid as error:
        problem = error.text_en
    except TimeoutError:
        problem = f"no answer within {seconds:g} seconds"
    except httpx.ConnectError as error:
        problem = "TLS failed" if "SSL" in str(error) else "nobody answers at the address"
    except OSError:
        problem = "the name cannot be resolved"
    except (httpx.HTTPError, ValueError):
        problem = "the connection broke, or the answer is not HTTP"
    return Answered(problem=problem)


async def _post(target: Target, addresses: list[str], secret: str, message: Message) -> int:
    """Status that the first address answers that can be connected to."""
    import httpx

    headers = {
        "Host": target.authority,
        "User-Agent": f"datahub/{__version__}",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "webhook-id": message.id,
        "webhook-timestamp": str(message.timestamp),
        "webhook-signature": signature(secret, message),
    }
    # TLS asks for and verifies the name, though the connection goes to an address.
    named: Any = {"sni_hostname": target.host}
    async with httpx.AsyncClient(
        verify=_verifying(), trust_env=False, follow_redirects=False, timeout=SECONDS
    ) as client:
        for number, address in enumerate(addresses, start=1):
            url = httpx.URL(
                scheme=target.scheme,
                host=address,
                port=target.port,
                raw_path=target.path.encode(),
            )
            request = client.build_request(
                "POST", url, content=message.body, headers=headers, extensions=named
            )
            try:
                return await _status(client, request)
            except httpx.ConnectError:
                if number == len(addresses):
                    raise
    raise OSError("no address")  # not reached: `send` refuses an empty list


async def _status(client: httpx.AsyncClient, request: httpx.Request) -> int:
    """Send, and read the answer as far as a receiver may fairly write one."""
    answer = await client.send(request, stream=True)
    try:
        taken = 0
        async for chunk in answer.aiter_raw():
            taken += len(chunk)
            if taken > ANSWER_BYTES:
                break
        return answer.status_code
    finally:
        await answer.aclose()


@lru_cache
def _verifying() -> ssl.SSLContext:
    """Certificates as httpx knows them, or those of SSL_CERT_FILE; made once, it costs 20 ms."""
    import httpx

    return httpx.create_ssl_context()
