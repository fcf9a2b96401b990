"""What a user's own machine remembers of services: their keys, and the newest chain it saw.

Trust on first use, as SSH does it: the first time a service is met its keys are believed and
pinned, and that is said. From then on another key counts only when the last trusted one has
introduced it. Without this memory nothing tells an old state that is signed from the present one.

Who shows an old chain as the present one takes releases and withdrawals away: a rollback. A folder
that was pulled long ago only shows what was so then; of it the newer chain that was seen decides.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from datahub.errors import CatalogError
from datahub.errors_signing import refused
from datahub.model import Struct
from datahub.store.objects import write_file
from datahub.store.signing import (
    KEY_TYPE,
    PublicKey,
    Statement,
    opened,
    payload_of,
    public_bytes,
    strict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datahub.store.chain import Chain

KEYS = "datahub-keys.json"
CHAIN = "chain.json"
_STATEMENT_BYTES = 4096


class Seen(Struct, frozen=True):
    """The newest chain that was seen of a dataset."""

    number: int
    entries: int
    digest: str  # over the manifest digests of these entries, in order
    withdrawn: tuple[int, ...]
    manifests: tuple[str, ...] = ()  # digests of these entries; none in memories of old
    formerly: tuple[str, ...] = ()  # names that the dataset had before

    @property
    def latest(self) -> int:
        """The newest version that was not withdrawn; 0 where there is none."""
        return max(set(range(1, self.entries + 1)) - {*self.withdrawn}, default=0)


class Service(Struct, frozen=True):
    """A service that was met."""

    keys: tuple[PublicKey, ...]  # trusted ones, oldest first
    sites: tuple[str, ...] = ()  # addresses it was met at
    datasets: dict[str, Seen] = msgspec.field(default_factory=dict)


class Trust(Struct, frozen=True):
    """Every service that was met."""

    services: tuple[Service, ...] = ()

    def at(self, site: str) -> Service | None:
        """Return the service known at an address."""
        return next((s for s in self.services if site in s.sites), None)

    def by(self, keys: tuple[PublicKey, ...]) -> Service | None:
        """Return the service known by one of these keys."""
        ids = {key.id for key in keys}
        return next((s for s in self.services if ids & {key.id for key in s.keys}), None)

    def remember(self, new: Service) -> Trust:
        """Put a service in the place of what was known of it; its addresses are its own."""
        ids = {key.id for key in new.keys}
        others = (
            msgspec.structs.replace(s, sites=tuple(at for at in s.sites if at not in new.sites))
            for s in self.services
            if not ids & {key.id for key in s.keys}
        )
        return Trust(services=(*others, new))

    def forget(self, site: str) -> Trust:
        """Forget the service at an address, so that its next use is a first one."""
        return Trust(services=tuple(s for s in self.services if site not in s.sites))


@contextmanager
def remembered(path: Path) -> Iterator[Memory]:
    """Open the trust file alone; what is put into the memory is written when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = load(path)
        memory = Memory(before)
        yield memory
        if memory.trust != before:
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            data = msgspec.json.format(msgspec.json.encode(memory.trust), indent=2) + b"\n"
            write_file(part, data)
            part.replace(path)


class Memory:
    """The trust of a user while it is open."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust


def load(path: Path) -> Trust:
    """Read a trust file; there is none before the first use.

    Raises:
        CatalogError: it is damaged; to begin anew in silence would be to trust anybody.

    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Trust)
    except FileNotFoundError:
        return Trust()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogError(
            place=str(path),
            reason_zh=f"信任文件已损坏（{error}）；请恢复备份，或删除后重新核对各网站的密钥",
            reason_en=f"the trust file is damaged ({error}); restore or delete it",
        ) from None


def extended(known: tuple[PublicKey, ...], given: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
    """Return the keys trusted after `given` was shown: known ones and whom they introduced.

    Keys before the first known one are not trusted, and need not be.

    Raises:
        ProofInvalid: none is known, or one is introduced by nobody who still may.

    """
    ids = [key.id for key in known]
    start = next((n for n, key in enumerate(given) if key.id in ids), None)
    if start is None:
        raise refused("stranger", KEYS, expected=", ".join(ids), actual=given[-1].id)
    trusted = list(known)
    for key in given[start:]:
        if key.id not in ids:
            trusted[-1] = msgspec.structs.replace(trusted[-1], retired=key.created)
            trusted.append(_introduced(key, by=trusted[-1]))
    return tuple(trusted)


def first(given: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
    """Return the keys of a service that is met for the first time: the oldest is believed."""
    root = given[0]
    public_bytes(root, KEYS)
    return extended((msgspec.structs.replace(root, retired=None, introduced=None),), given)


def _introduced(key: PublicKey, *, by: PublicKey) -> PublicKey:
    if key.introduced is None:
        raise refused("stranger", KEYS, expected=f"{key.id} introduced by {by.id}")
    opened(key.introduced, KEY_TYPE, [by], KEYS)
    body = payload_of(key.introduced, KEYS)
    said = strict(body, Statement, place=KEYS, limit=_STATEMENT_BYTES)
    claimed = Statement(id=key.id, public=key.public, created=key.created, previous=by.id)
    if said != claimed:
        raise refused("forged", KEYS, expected=said.id, actual=key.id)
    public_bytes(key, KEYS)
    return msgspec.structs.replace(key, retired=None)


def seen_of(chain: Chain) -> Seen:
    """Return what is kept of a chain."""
    manifests = tuple(entry.manifest_sha256 for entry in chain.entries)
    return Seen(
        number=chain.number,
        entries=len(manifests),
        digest=_digest(manifests),
        withdrawn=tuple(e.version for e in chain.entries if e.withdrawn is not None),
        manifests=manifests,
        formerly=chain.formerly,
    )


def _digest(manifests: tuple[str, ...]) -> str:
    return sha256("".join(manifests).encode()).hexdigest()


def known_of(chain: Chain, known: dict[str, Seen]) -> dict[str, Seen]:
    """What is known of a chain's dataset, whatever it was called then or is called now."""
    names = {chain.dataset, *chain.formerly}
    return {name: seen for name, seen in known.items() if names & {name, *seen.formerly}}


def check_progress(chain: Chain, seen: Seen, *, old: bool) -> bool:
    """Check that a chain and the one seen before tell one past; True when the seen one is newer.

    With `old` the chain may be of long ago: nobody says that it is the newest one.

    Raises:
        ProofInvalid: it is older, tells another past, or a withdrawn release is back.

    """
    now = seen_of(chain)
    behind = now.entries < seen.entries or now.number < seen.number
    comparable = old and now.entries <= seen.entries and seen.manifests
    if behind and not comparable:
        raise refused("rollback", CHAIN, expected=f"≥ {seen.number}", actual=chain.number)
    before, after = (now, seen) if behind else (seen, now)
    if before.digest != _digest(after.manifests[: before.entries]):
        raise refused("rewritten", CHAIN, expected=seen.digest, actual=now.digest)
    for version in sorted({*before.withdrawn} - {*after.withdrawn}):
        raise refused("unburied", f"{CHAIN} {version}", expected="withdrawn")
    return behind
