"""Limits by cost: each caller may spend so much time of the server and so many bytes in a window.

A caller is an API key, or for all others an address: those without a key share one budget with
their neighbours behind it. People with a token of a role are not limited. Work is the time that
a request takes of this process, shared equally among all requests that it works on meanwhile, and
what its query children take of a processor; to wait for them or for a slow reader is nobody's work.
A job is charged when it ends (errands.compute). Downloads of files count by bytes, however many
requests they come in, and to make a key has a limit of its own. Heavy requests (SQL, exports,
comparisons) wait for each other when a caller has too many at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from litestar.enums import ScopeType

from datahub.errors import DatahubError
from datahub.errors_limits import KeyInvalid, LimitReached, TooManyAtOnce
from datahub.model import Struct
from datahub.serve.asking import NOBODY, PAYER, Payer
from datahub.store import keys
from datahub.store.budgets import Budgets, Levels, name_of, quota_of
from datahub.web import problems, query_string
from datahub.web.access import credential_of
from datahub.web.sendfile import EXTENSION
from datahub.web.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Request
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from datahub.store import Store
    from datahub.store.keys import Key

LINE_SECONDS = 5.0
"""That a heavy request waits for those of the same caller; then it is told to come later."""
_LOOK_SECONDS = 0.05  # between looks for what another process has finished
_AT_ONCE = 16 << 20  # bytes of a long answer that are charged at a time
_MOST_KNOWN = 10_000  # keys that a process remembers
_FREE = ("/health/", "/metrics")  # who watches the service must not be refused
_KEYS = frozenset({("POST", "/api/v1/keys"), ("POST", "/keys"), ("GET", "/keys")})
"""Where keys are made: who is told at a limit to make one must be able to."""
_FILES = re.compile(r"/d/|/api/v1/sql/jobs/[^/]+/result$")
_METER = "meter"
_NAMES = tuple(name.encode() for name in Levels._fields[:3])
"""Kinds of level that are told in headers."""
_UNITS = {"work": "milliseconds", "bytes": "content-bytes", "requests": "requests"}
"""Units of draft-ietf-httpapi-ratelimit-headers-11."""


class Tier(Struct, frozen=True):
    """What callers of a kind may spend; `policy` tells it in a header."""

    quota: Levels
    heavy: int  # requests at once; 0: any number
    policy: bytes
    told: tuple[tuple[int, bytes, float], ...]  # place in the quota, name, amount: of limits


def tier(quota: Levels, heavy: int, window: float) -> Tier:
    """Build a tier with its RateLimit-Policy."""
    told = tuple((place, name, quota[place]) for place, name in enumerate(_NAMES) if quota[place])
    policy = [
        f'"{name.decode()}";q={int(most)};w={int(window)};qu="{_UNITS[name.decode()]}"'
        for _, name, most in told
    ]
    if heavy:
        policy.append(f'"heavy";q={heavy};qu="concurrent-requests"')
    return Tier(quota, heavy, ", ".join(policy).encode(), told)


class Sharing:
    """A clock that runs slower the more requests are being worked on."""

    def __init__(self) -> None:
        self._requests, self._time, self._at = 0, 0.0, time.perf_counter()

    def enter(self) -> float:
        """Begin to work on one more; the time now."""
        now = self._advance()
        self._requests += 1
        return now

    def leave(self, since: float) -> float:
        """Stop working on one; seconds that it took since then."""
        now = self._advance()
        self._requests -= 1
        return now - since

    def _advance(self) -> float:
        now = time.perf_counter()
        self._time += (now - self._at) / max(1, self._requests)
        self._at = now
        return self._time


class Meter(Payer):
    """What one request costs its caller."""

    def __init__(
        self, limits: Limits, caller: bytes, address: bytes, tier: Tier, key: Key | None
    ) -> None:
        self.caller, self.address, self.tier, self.key = caller, address, tier, key
        self.levels = Levels()
        self.refused = False
        self.milliseconds, self.bytes = 0.0, 0
        self._charged = 0  # of the bytes
        self._limits, self._lease = limits, -1
        self._since: float | None = None
        self._over = False

    def work(self) -> None:
        """Go on working."""
        if self._since is None and not self._over:
            self._since = self._limits.sharing.enter()

    def rest(self) -> None:
        """Wait for somebody else."""
        if self._since is not None:
            self.milliseconds += 1000 * self._limits.sharing.leave(self._since)
            self._since = None

    def pay(self, seconds: float) -> None:
        """Add what a child worked."""
        if self._over:  # its reader left, and it ended after the request
            self._charge(1000 * seconds)
        self.milliseconds += 1000 * seconds

    def sent(self, count: int) -> None:
        """Note bytes of the body that went out."""
        self.bytes += count
        if self.bytes - self._charged > _AT_ONCE:
            self._charge(0.0)

    async def hold(self) -> None:
        """Wait until this heavy request may begin.

        Raises:
            TooManyAtOnce: others of its caller take too long.

        """
        if not self.tier.heavy:
            return
        until = time.monotonic() + LINE_SECONDS
        while (lease := self._limits.budgets.take(self.caller, self.tier.heavy)) is None:
            if time.monotonic() >= until:
                self.refused = True
                raise TooManyAtOnce.of(
                    self.tier.heavy, own=self.key is not None, retry_after=int(LINE_SECONDS)
                )
            self.rest()
            await self._limits.freed(_LOOK_SECONDS)
            self.work()
        self._lease = lease

    def new_key(self) -> None:
        """Count a key that is being made.

        Raises:
            LimitReached: its address made too many.

        """
        self._limits.new_key(self.address)

    def guess(self, *, wrong: bool = False) -> None:
        """Count a wrong key of a body; before it, LimitReached when there were too many."""
        self._limits.guess(self.address, wrong=wrong)

    def end(self) -> None:
        """Charge what has not been charged yet."""
        self.rest()
        self._over = True
        if self._lease >= 0:
            self._limits.give(self._lease)
        if not self.refused:
            self._charge(self.milliseconds)

    def _charge(self, milliseconds: float) -> None:
        cost = Levels(milliseconds, self.bytes - self._charged)
        self._charged = self.bytes
        self._limits.budgets.spend(self.caller, self.tier.quota, cost)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Tell the quota that is nearest to its end (of draft -11, and X-RateLimit-…)."""
        if not self.tier.told:
            return [(b"ratelimit-policy", self.tier.policy)] if self.tier.policy else []
        work, sent, requests, _, _ = self.levels
        levels = work + self.milliseconds, sent, requests
        part, place = max((levels[place] / most, place) for place, _, most in self.tier.told)
        name, most = _NAMES[place], self.tier.quota[place]
        left, reset = max(0, int(most - levels[place])), int(part * self._limits.budgets.window) + 1
        return [
            (b"ratelimit-policy", self.tier.policy),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (name, left, reset)),
            (b"x-ratelimit-limit", b"%d" % most),
            (b"x-ratelimit-remaining", b"%d" % left),
            (b"x-ratelimit-reset", b"%d" % reset),
            (b"x-ratelimit-resource", name),
        ]


class Limits:
    """Admits requests, charges their callers, and counts what each key was answered."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        own = store.settings
        self._app, self._store = app, store
        self.budgets = Budgets(own.data / "run" / "budgets", own.limit_window)
        self.sharing, self.usage = Sharing(), Usage(store)
        window = own.limit_window
        self.anonymous = tier(quota_of(own, "anonymous"), own.anonymous_heavy, window)
        self.keyed = tier(quota_of(own, "key"), own.key_heavy, window)
        # Of an address, whatever its requests carry: these are counted apart.
        self._guesses = Levels(guesses=own.limit_guesses)
        self._new_keys = Levels(keys=own.limit_new_keys)
        self._known: dict[bytes, Key] = {}
        self._stamp = -1
        self._freed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        address = name_of("address", self._address(scope))
        try:
            query_string.check(scope["query_string"])
            secret = credential_of(scope["headers"])
            if secret and not secret.startswith(keys.PREFIX):  # a person's, which the guard knows
                self._check(address, self._guesses)
                PAYER.set(NOBODY)
                await self._app(scope, receive, self._watching(address, send))
                return
            meter = await self._meter(scope, address, secret)
        except DatahubError as error:
            await self._refuse(scope, receive, send, error)
            return
        await self._metered(meter, scope, receive, send)

    async def _meter(self, scope: Any, address: bytes, secret: str | None) -> Meter:
        if not secret:
            return Meter(self, address, address, self.anonymous, None)
        key = scope["key"] = await self._key(address, secret)
        return Meter(self, name_of("key", key.id), address, self.keyed, key)

    async def _metered(self, meter: Meter, scope: Any, receive: Receive, send: Send) -> None:
        scope[_METER] = meter
        PAYER.set(meter)
        sender = self._metering(meter, send)
        extensions = scope.get("extensions") or {}
        if EXTENSION in extensions:
            stretch = partial(extensions[EXTENSION], told=meter.sent)
            scope["extensions"] = extensions | {EXTENSION: self._resting(meter, stretch)}
        meter.levels, admitted = self._admit(meter, scope)
        meter.work()
        try:
            if admitted:
                await self._app(scope, receive, sender)
            else:
                meter.refused = True
                error = self._reached(meter.levels, meter.tier.quota, own=meter.key is not None)
                await self._refuse(scope, receive, sender, error)
        finally:
            meter.end()
            self.usage.add(
                meter.key.id if meter.key else "",
                refused=meter.refused, sent=meter.bytes, milliseconds=meter.milliseconds,
            )  # fmt: skip

    def _admit(self, meter: Meter, scope: Any) -> tuple[Levels, bool]:
        if (scope["method"], scope["path"]) in _KEYS:
            return Levels(), True
        counted = not _FILES.match(scope["path"])
        return self.budgets.admit(meter.caller, meter.tier.quota, counted=counted)

    def _metering(self, meter: Meter, send: Send) -> Send:
        async def sender(message: Message) -> None:
            meter.rest()
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *meter.headers()]
            elif message["type"] == "http.response.body":
                meter.sent(len(message.get("body", b"")))
            await send(message)
            meter.work()

        return sender

    def _resting(self, meter: Meter, stretch: Any) -> Any:
        async def sender(handle: int, start: int, length: int) -> bool:
            meter.rest()
            done: bool = await stretch(handle, start, length)
            meter.work()
            return done

        return sender

    # Refusals ---------------------------------------------------------------------------------

    def _reached(self, levels: Levels, quota: Levels, *, own: bool = True) -> LimitReached:
        seconds, name = self.budgets.wait(levels, quota)
        most, window = int(getattr(quota, name)), int(self.budgets.window)
        return LimitReached.of(name, own=own, most=most, window=window, retry_after=seconds)

    async def _refuse(self, scope: Any, receive: Receive, send: Send, error: DatahubError) -> None:
        if problems.wants_page(scope):  # the guard raises it, so that it becomes a page
            scope["refused"] = error
            await self._app(scope, receive, send)
        else:
            await problems.answer(scope, send, error)

    # Callers ----------------------------------------------------------------------------------

    def _address(self, scope: Scope) -> str:
        """Address that a request comes from; of IPv6 the network, of which a host has 2^64."""
        client = scope.get("client")
        found = client[0] if client else ""
        if self._store.settings.proxied:  # it adds at the end what it saw; before that are claims
            said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            found = said[-1].decode("latin-1").rpartition(",")[2].strip() if said else found
        if ":" in found:
            try:
                return str(ipaddress.ip_network(f"{found.partition('%')[0]}/64", strict=False))
            except ValueError:
                return found
        return found

    async def _key(self, address: bytes, secret: str) -> Key:
        """Whose key this is; one that this process does not know counts as a guess if wrong."""
        now, stamp = self._store.clock(), self._store.catalog.stamp()
        if stamp != self._stamp or len(self._known) > _MOST_KNOWN:
            self._known, self._stamp = {}, stamp
        known, name = self._known, name_of("secret", secret)
        found = known.get(name)
        if found is None:
            self._check(address, self._guesses)
            try:
                found = known[name] = await run_sync(self._look_up, secret)
            except KeyInvalid:
                self._note(address, self._guesses, Levels(guesses=1))
                raise
        if found.expires <= keys.at(now):
            raise KeyInvalid
        return found

    def _look_up(self, secret: str) -> Key:
        with self._store.catalog.read() as db:
            return keys.by_secret(db, secret, self._store.clock())

    def _check(self, address: bytes, quota: Levels) -> None:
        """Refuse an address that tried too often; trying is no use then, even what is right."""
        levels, admitted = self.budgets.admit(_apart(address, quota), quota)
        if not admitted:
            raise self._reached(levels, quota)

    def _note(self, address: bytes, quota: Levels, cost: Levels) -> None:
        self.budgets.spend(_apart(address, quota), quota, cost)

    def _watching(self, address: bytes, send: Send) -> Send:
        """Note tokens that the guard does not take."""

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:  # noqa: PLR2004
                self._note(address, self._guesses, Levels(guesses=1))
            await send(message)

        return sender

    def new_key(self, address: bytes) -> None:
        """Count a key that is being made; LimitReached when there were too many."""
        self._check(address, self._new_keys)
        self._note(address, self._new_keys, Levels(keys=1))

    def guess(self, address: bytes, *, wrong: bool) -> None:
        """Admit a guess, LimitReached when there were too many; or count a wrong one."""
        if wrong:
            self._note(address, self._guesses, Levels(guesses=1))
        else:
            self._check(address, self._guesses)

    # Heavy requests ---------------------------------------------------------------------------

    def give(self, lease: int) -> None:
        """End a heavy request, and wake those that wait in this process."""
        self.budgets.give(lease)
        self._freed.set()
        self._freed = asyncio.Event()

    async def freed(self, seconds: float) -> None:
        """Wait until a heavy request ends in this process, or so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), seconds)


def _apart(address: bytes, quota: Levels) -> bytes:
    """Name of a budget of an address beside its main one."""
    return name_of("guesses" if quota.guesses else "keys", address.hex())


# What handlers ask ----------------------------------------------------------------------------


async def before(request: Request[Any, Any, Any]) -> None:
    """Let a request to a route that is heavy begin when its caller may (a hook of the app)."""
    meter = meter_of(request)
    if meter is not None and request.route_handler.opt.get("heavy"):
        await meter.hold()


def meter_of(request: Request[Any, Any, Any]) -> Meter | None:
    """What counts the cost of a request; None: nobody does."""
    found = request.scope.get(_METER)
    return found if isinstance(found, Meter) else None


@contextmanager
def resting(request: Request[Any, Any, Any]) -> Iterator[None]:
    """Wait for something to happen; it is not the caller's work."""
    meter = meter_of(request)
    if meter is not None:
        meter.rest()
    try:
        yield
    finally:
        if meter is not None:
            meter.work()
