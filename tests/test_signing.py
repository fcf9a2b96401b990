"""Signed releases: what a client refuses, attack by attack, and what honest changes it follows.

A city in memory plays the service; its clock is turned by hand. Nothing here needs a network.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest
from own_store import own_store, publish, table

from datahub.errors import CatalogError
from datahub.errors_signing import KINDS, ProofInvalid
from datahub.pipeline import withdraw_release
from datahub.store import proofs, signing, trust
from datahub.store.chain import chain_of, check_chain
from datahub.store.proofs import Asked, judge
from datahub.store.signing import CHAIN_TYPE, MANIFEST_TYPE, Keyring, pae
from datahub.store.trust import CHAIN, KEYS, Trust, remembered
from datahub.store.verify import LEFT_OUT, MANIFEST, SIGNATURE, SUMS, verify_folder

SITE = "https://data.example.cn"
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
FILES = {"stops.csv": b"id,name\n1,\xe7\xab\x99\n", "stops.parquet": b"PAR1...PAR1"}


def when(moment):
    """A time as documents write it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def digest(data):
    """SHA-256 of bytes, in hexadecimal."""
    return sha256(data).hexdigest()


class City:
    """A service with one dataset: it releases, withdraws and signs as the protocol says."""

    def __init__(self, folder, dataset="bus"):
        self.now, self.dataset = BEGAN, dataset
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.keyring = Keyring(folder, lambda: self.now)
        self.manifests, self.gone = [], {}

    def release(self, files=None, **changes):
        """Publish the next version."""
        content = {
            "dataset": self.dataset,
            "version": len(self.manifests) + 1,
            "previous": digest(self.manifests[-1]) if self.manifests else None,
            "files": [
                {"path": name, "bytes": len(data), "sha256": digest(data)}
                for name, data in (files or FILES).items()
            ],
        }
        self.manifests.append(json.dumps(content | changes).encode())
        return self

    def chain(self, **changes):
        """The chain as it is now."""
        entries = [
            {
                "version": number,
                "released": when(BEGAN),
                "manifest_sha256": digest(data),
                "previous": digest(self.manifests[number - 2]) if number > 1 else None,
                "withdrawn": self.gone.get(number),
            }
            for number, data in enumerate(self.manifests, start=1)
        ]
        alive = [entry["version"] for entry in entries if entry["withdrawn"] is None]
        return {
            "dataset": self.dataset,
            "formerly": [],
            "number": len(entries) + len(self.gone),
            "issued": when(self.now),
            "expires": when(self.now + timedelta(days=7)),
            "latest": alive[-1] if alive else None,
            "entries": entries,
        } | changes

    def signed(self, chain=None):
        """A chain in its envelope."""
        body = json.dumps(chain or self.chain()).encode()
        return proofs.encoded(self.keyring.sign(CHAIN_TYPE, body))

    def sealed(self, data):
        """The detached signature of a manifest."""
        return proofs.encoded(self.keyring.sign(MANIFEST_TYPE, data, detached=True))

    def documents(self, version=None):
        """What the service answers with for a version; else for its latest."""
        data = self.manifests[(version or self.chain()["latest"] or 1) - 1]
        return {
            KEYS: proofs.encoded(self.keyring.public()),
            CHAIN: self.signed(),
            SIGNATURE: self.sealed(data),
            MANIFEST: data,
        }


@pytest.fixture
def city(tmp_path):
    """A city with three releases of bus, the second one withdrawn."""
    own = City(tmp_path / "city").release().release().release()
    own.gone = {2: {"at": when(BEGAN), "reason": "坐标有误"}}
    return own


@pytest.fixture
def met(city):
    """The trust of a user who has seen the city as it is."""
    return ask(city).trust


def ask(city, documents=None, known=None, asked=None, now=None):
    """Judge what a service answers for the latest release of bus."""
    given = documents or city.documents()
    question = asked or Asked(site=SITE, dataset="bus")
    return judge(lambda name, _: given[name], question, known or Trust(), now or city.now)


def edited(envelope, **changes):
    """A signed document whose payload was edited and not signed again."""
    found = json.loads(envelope)
    payload = json.loads(base64.b64decode(found["payload"])) | changes
    found["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    return json.dumps(found).encode()


def entries(city, change):
    """The chain with its entries changed, signed with the city's own key: as a thief could."""
    chain = city.chain()
    change(chain["entries"])
    gone = sum(entry["withdrawn"] is not None for entry in chain["entries"])
    alive = [entry["version"] for entry in chain["entries"] if entry["withdrawn"] is None]
    number = len(chain["entries"]) + gone
    return city.signed(chain | {"number": number, "latest": alive[-1]})


def other(tmp_path, dataset="bus"):
    """A city of an attacker's, with as many releases."""
    return City(tmp_path / "attacker", dataset).release().release().release()


def refusal(city, documents, known, **more):
    """Kind of the fault that documents are refused for."""
    with pytest.raises(ProofInvalid) as told:
        ask(city, documents, known, **more)
    facts = told.value.facts
    assert facts["meaning_zh"], facts["meaning_en"]
    assert facts["place"]
    return facts["kind"]


# Honest services --------------------------------------------------------------------------


def test_pae_is_that_of_dsse():
    """The example of the DSSE protocol."""
    encoded = pae("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_first_use_is_told(city):
    """A service that is met for the first time is believed, and that is said with its key."""
    found = ask(city)
    assert [note.kind for note in found.notes] == ["first-use"]
    assert city.keyring.public().keys[-1].id in found.notes[0].en
    assert found.manifest.version == 3


def test_the_second_use_is_silent(city, met):
    """What was seen before passes again without a word, and nothing new is remembered."""
    found = ask(city, known=met)
    assert found.notes == ()
    assert found.trust == met


def test_a_new_release_passes(city, met):
    """A release more, and a tombstone more, are an honest way on."""
    city.release()
    city.gone[1] = {"at": when(BEGAN), "reason": "x"}
    assert ask(city, known=met).manifest.version == 4


def test_an_older_release_that_is_asked_for_passes(city, met):
    """A numbered release that is not the latest passes, and the newer one is told."""
    asked = Asked(site=SITE, dataset="bus", version=1)
    found = ask(city, city.documents(1), met, asked=asked)
    assert (found.manifest.version, [note.kind for note in found.notes]) == (1, ["newer"])


@pytest.mark.parametrize("times", [1, 3])
def test_rotation_passes(city, met, times):
    """A key that the old one introduced is trusted, however many came in between."""
    for _ in range(times):
        city.now += timedelta(days=1)
        city.keyring.rotate()
    found = ask(city, known=met)
    (service,) = found.trust.services
    assert len(service.keys) == times + 1
    assert [key.retired is None for key in service.keys] == [False] * times + [True]


def test_a_service_at_a_second_address_is_the_same(city, met):
    """A key that is known is known at another address of the service."""
    found = ask(city, known=met, asked=Asked(site="http://10.0.0.1", dataset="bus"))
    assert found.notes == ()
    assert found.trust.services[0].sites == (SITE, "http://10.0.0.1")


def test_a_renamed_dataset_keeps_its_past(city, met):
    """Releases from before a renaming pass under the new name, and the old memory still counts."""
    signed = city.signed(city.chain(dataset="transit", formerly=["bus"]))
    found = ask(city, city.documents() | {CHAIN: signed}, met)
    assert found.chain.dataset == "transit"
    assert set(found.trust.services[0].datasets) == {"transit"}
    older = city.signed(city.chain(dataset="transit", formerly=["bus"], number=1, entries=[]))
    assert refusal(city, city.documents() | {CHAIN: older}, met) in ("chain", "rollback")


def test_a_folder_of_long_ago_passes_and_says_so(city, met):
    """Offline, a chain that has expired is told, not refused."""
    found = ask(city, known=met, asked=Asked(), now=BEGAN + timedelta(days=400))
    assert [note.kind for note in found.notes] == ["expired"]


def test_a_given_key_is_trusted(city, tmp_path):
    """--key ID trusts that key and whom it introduces, and no other."""
    asked = Asked(site=SITE, dataset="bus", key=city.keyring.public().keys[0].id)
    city.now += timedelta(days=1)
    city.keyring.rotate()
    assert ask(city, asked=asked).notes == ()
    attacker = other(tmp_path)
    assert refusal(city, attacker.documents(), None, asked=asked) == "stranger"
    assert refusal(city, attacker.documents(), None, asked=Asked(
        site=SITE, keys=city.keyring.public().keys)) == "stranger"  # fmt: skip


# Attacks on the documents -----------------------------------------------------------------


def signed_chain(**changes):
    """A chain that lies in these fields, with a true signature."""
    return lambda c, _: {CHAIN: c.signed(c.chain(**changes))}


def lie(change):
    """Entries changed, with a true signature."""
    return lambda c, _: {CHAIN: entries(c, change)}


def manifest(data, **also):
    """A manifest of version 3 of these bytes, truly signed and in the chain."""

    def make(c, _):
        c.manifests[2] = data(c) if callable(data) else data
        return c.documents() | also

    return make


def files(*listed):
    """A manifest, truly signed, that lists these files."""

    def data(c):
        return json.dumps(json.loads(c.manifests[2]) | {"files": list(listed)}).encode()

    return manifest(data)


def named(*names):
    """A manifest, truly signed, with files of these names."""
    return files(*({"path": name, "bytes": 1, "sha256": "0" * 64} for name in names))


def rotated(change):
    """The keys after a rotation, with the last one changed."""

    def make(c, folder):
        c.now += timedelta(hours=1)
        c.keyring.rotate()
        keys = json.loads(proofs.encoded(c.keyring.public()))
        change(keys["keys"], folder)
        return c.documents() | {KEYS: json.dumps(keys).encode()}

    return make


def introduced_by_attacker(keys, folder):
    """Let an attacker's key sign for the new one."""
    statement = base64.b64decode(keys[1]["introduced"]["payload"])
    forged = other(folder).keyring.sign(signing.KEY_TYPE, statement)
    keys[1]["introduced"] = json.loads(msgspec.json.encode(forged))


def another_key_introduced(keys, folder):
    """Put another key into the place of the one that was introduced."""
    attacker = other(folder).keyring.public().keys[0]
    keys[1] |= {"id": attacker.id, "public": attacker.public}


def retired_signs(c, _folder):
    """Keep the old private key and sign a new chain with it after the rotation."""
    old = c.keyring.public().keys[0].id
    pem = (c.folder / "keys" / f"{old}.pem").read_bytes()
    c.now += timedelta(hours=1)
    c.keyring.rotate()
    keys = proofs.encoded(c.keyring.public())
    c.now += timedelta(hours=1)
    (c.folder / "keys" / f"{old}.pem").write_bytes(pem)
    listed = json.loads(keys)
    (c.folder / "keys" / "keys.json").write_text(json.dumps({"keys": listed["keys"][:1]}))
    return {KEYS: keys, CHAIN: c.signed()}


def resigned(c, folder):
    """The whole state under an attacker's keys."""
    attacker = City(folder / "attacker")
    attacker.manifests, attacker.gone = c.manifests, c.gone
    return attacker.documents()


def truncate_tail(found):
    """Leave the last release out."""
    del found[-1]


def cut_head(found):
    """Leave the first release out."""
    del found[0]
    found[0]["previous"] = None


def skip(found):
    """Leave the second release out."""
    del found[1]


def swap(found):
    """Let two releases change places."""
    found[0], found[1] = found[1], found[0]


def unlink(found):
    """Break the link between two releases."""
    found[2]["previous"] = found[0]["manifest_sha256"]


def rewrite(found):
    """Put another first release into the past."""
    found[0]["manifest_sha256"] = found[1]["previous"] = "ab" * 32


def unbury(found):
    """Bring a withdrawn release back, and hide it behind another tombstone."""
    found[0]["withdrawn"], found[1]["withdrawn"] = found[1]["withdrawn"], None


def exhume(found):
    """Bring a withdrawn release back."""
    found[1]["withdrawn"] = None


ATTACKS = {
    "the manifest is edited": ("forged", lambda c, _: {MANIFEST: c.manifests[2] + b" "}),
    "the size of a file is edited": (
        "forged",
        lambda c, _: {MANIFEST: c.manifests[2].replace(b'"bytes": 14', b'"bytes": 12')},
    ),
    "the manifest is signed by a stranger": (
        "stranger",
        lambda c, f: {SIGNATURE: other(f).sealed(c.manifests[2])},
    ),
    "another manifest with a true signature": (
        "altered",
        lambda c, _: {MANIFEST: (m := c.manifests[2] + b" "), SIGNATURE: c.sealed(m)},
    ),
    "an older manifest is replayed as the latest": (
        "foreign",
        lambda c, _: {MANIFEST: c.manifests[0], SIGNATURE: c.sealed(c.manifests[0])},
    ),
    "the signature is of an older manifest": (
        "forged",
        lambda c, _: {SIGNATURE: c.sealed(c.manifests[0])},
    ),
    "the signature of the chain stands for the manifest's": (
        "forged",
        lambda c, _: {SIGNATURE: c.signed()},
    ),
    "the manifest is signed as a chain": (
        "forged",
        lambda c, _: {
            SIGNATURE: proofs.encoded(c.keyring.sign(CHAIN_TYPE, c.manifests[2], detached=True))
        },
    ),
    "no signature at all": ("stranger", lambda c, _: {
        SIGNATURE: json.dumps(json.loads(c.sealed(c.manifests[2])) | {"signatures": []}).encode()
    }),
    "a signature of zeros": ("forged", lambda c, _: {
        SIGNATURE: json.dumps(
            (e := json.loads(c.sealed(c.manifests[2])))
            | {"signatures": [e["signatures"][0] | {"sig": base64.b64encode(bytes(64)).decode()}]}
        ).encode()
    }),
    "a signature that is no base64": ("unreadable", lambda c, _: {
        SIGNATURE: json.dumps(
            (e := json.loads(c.sealed(c.manifests[2])))
            | {"signatures": [e["signatures"][0] | {"sig": "！"}]}
        ).encode()
    }),
    "the type of the chain is edited": (
        "forged",
        lambda c, _: {CHAIN: c.signed().replace(CHAIN_TYPE.encode(), MANIFEST_TYPE.encode())},
    ),
    "the latest is edited in the chain": (
        "forged",
        lambda c, _: {CHAIN: edited(c.signed(), latest=1)},
    ),
    "the expiry is edited in the chain": (
        "forged",
        lambda c, _: {CHAIN: edited(c.signed(), expires=when(BEGAN + timedelta(days=900)))},
    ),
    "the chain is signed by a stranger": ("stranger", lambda _, f: {CHAIN: other(f).signed()}),
    "the chain is cut at its end": ("rollback", lie(truncate_tail)),
    "the chain is cut at its beginning": ("chain", lie(cut_head)),
    "a version is skipped": ("chain", lie(skip)),
    "two versions change places": ("chain", lie(swap)),
    "a link is broken": ("chain", lie(unlink)),
    "an empty chain": ("rollback", signed_chain(entries=[], number=0, latest=None)),
    "the past is rewritten": ("rewritten", lie(rewrite)),
    "a tombstone is removed": ("rollback", lie(exhume)),
    "a tombstone is removed behind another": ("unburied", lie(unbury)),
    "the number is lowered": ("chain", signed_chain(number=1)),
    "the number is huge": ("unreadable", signed_chain(number=1 << 60)),
    "latest points back": ("chain", signed_chain(latest=1)),
    "latest is a tombstone": ("chain", signed_chain(latest=2)),
    "latest is to come": ("chain", signed_chain(latest=9)),
    "latest is hidden": ("withdrawn", signed_chain(latest=None)),
    "the chain never expires": ("chain", signed_chain(expires="2099-01-01T00:00:00.000Z")),
    "the chain is frozen": ("expired", signed_chain(
        issued=when(BEGAN - timedelta(days=9)), expires=when(BEGAN - timedelta(days=2)))),
    "the chain is of the future": ("clock", signed_chain(
        issued=when(BEGAN + timedelta(days=9)), expires=when(BEGAN + timedelta(days=10)))),
    "a date that is none": ("unreadable", signed_chain(issued="2026-13-41T99:99:99.000Z")),
    "the chain of another dataset": ("foreign", signed_chain(dataset="schools")),
    "the manifest of another dataset": ("foreign", lambda c, _: {
        MANIFEST: (m := c.manifests[2].replace(b'"bus"', b'"tax"')), SIGNATURE: c.sealed(m)}),
    "a manifest that the chain does not have yet": ("foreign", lambda c, _: {
        MANIFEST: (m := City(c.folder).release(version=4).manifests[0]), SIGNATURE: c.sealed(m)}),
    "a manifest with another past": ("chain", manifest(
        lambda c: c.manifests[2].replace(b'"previous": "', b'"previous": null, "was": "'))),
    "the service's keys are swapped, and all signed anew": ("stranger", resigned),
    "the key file alone is swapped": (
        "stranger",
        lambda _, f: {KEYS: proofs.encoded(other(f).keyring.public())},
    ),
    "a new key that nobody introduced": (
        "stranger", rotated(lambda keys, _: keys[1].update(introduced=None))),
    "a new key that an attacker introduced": ("stranger", rotated(introduced_by_attacker)),
    "a new key in the place of the introduced one": ("forged", rotated(another_key_introduced)),
    "an id that is not the key's": ("forged", rotated(
        lambda keys, _: keys[1].update(public=keys[0]["public"]))),
    "a retired key signs on": ("retired", retired_signs),
    "no keys": ("unreadable", lambda *_: {KEYS: b'{"keys": []}'}),
    "keys nested without end": ("unreadable", lambda *_: {KEYS: b'{"keys":' + b"[" * 100_000}),
    "keys that are no JSON": ("unreadable", lambda *_: {KEYS: b"<html>"}),
    "keys that are no text": ("unreadable", lambda *_: {KEYS: b"\xff\xfe\x00"}),
    "keys without end": ("oversized", lambda *_: {KEYS: b" " * (signing.KEYS_BYTES + 1)}),
    "a chain without end": ("oversized", lambda *_: {CHAIN: b" " * (proofs.LIMITS[CHAIN] + 1)}),
    "a signature without end": ("oversized", lambda *_: {SIGNATURE: b" " * (1 << 17)}),
    "a name twice in the chain": ("unreadable", lambda c, _: {CHAIN: proofs.encoded(
        c.keyring.sign(CHAIN_TYPE, json.dumps(c.chain()).encode()[:-1] + b', "latest": 1}'))}),
    "a name twice in the manifest": ("unreadable", manifest(
        lambda c: c.manifests[2][:-1] + b', "version": 3}')),
    "a negative size": ("unreadable", files({"path": "a", "bytes": -1, "sha256": "0" * 64})),
    "a huge size": ("unreadable", files({"path": "a", "bytes": 1 << 60, "sha256": "0" * 64})),
    "a size that is not a number": (
        "unreadable", manifest(lambda c: c.manifests[2].replace(b'"bytes": 14', b'"bytes": NaN'))),
    "a size of 5,000 digits": ("unreadable", manifest(
        lambda c: c.manifests[2].replace(b'"bytes": 14', b'"bytes": ' + b"9" * 5000))),
    "a digest that is too short": ("unreadable", files({"path": "a", "bytes": 1, "sha256": "00"})),
    "a digest with a line break": (
        "unreadable", files({"path": "a", "bytes": 1, "sha256": "0" * 64 + "\n"})),
    "a name that leaves the folder": ("name", named("../../.ssh/authorized_keys")),
    "a name from the root": ("name", named("/etc/passwd")),
    "a name with a backslash": ("name", named("..\\x")),
    "a name with NUL": ("name", named("a\0.csv")),
    "a name of dots": ("name", named("..")),
    "an empty name": ("name", named("")),
    "a name twice": ("name", named("a.csv", "a.csv")),
    "names that differ in case": ("name", named("a.csv", "A.CSV")),
    "names that are one in Unicode": ("name", named("é.csv", "e\u0301.csv")),
    "names that differ in width": ("name", named("a.csv", "ａ.csv")),
    "a file called like another's unfinished part": ("name", named("a.csv", "a.csv.Part")),
    "a file called like the manifest": ("name", named("manifest.json")),
    "a file called like a proof": ("name", named("Chain.JSON")),
}  # fmt: skip


def test_there_are_enough_attacks():
    """The plan asks for 40; every kind of fault that documents can have is among them."""
    assert len(ATTACKS) >= 60
    found = {kind for kind, _ in ATTACKS.values()}
    assert KINDS.keys() - found == {"missing", "extra", "unsigned"}  # those of a folder, below


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused(city, met, tmp_path, name):
    """Each way of tampering is refused by the fault that it is, before a file is read."""
    kind, attack = ATTACKS[name]
    documents = city.documents()
    documents = city.documents() | attack(city, tmp_path) if attack else documents
    known = met
    if any(kind == k for k in ("unreadable", "name")) or "with another past" in name:
        known = None  # the manifest differs from the one seen: a client who meets the city now
    assert refusal(city, documents, known) == kind


def test_the_withdrawn_release_is_refused(city, met):
    """A withdrawn release is refused, with the reason, although its bytes are right."""
    asked = Asked(site=SITE, dataset="bus", version=2)
    assert refusal(city, city.documents(2), met, asked=asked) == "withdrawn"


def test_a_newer_manifest_than_the_chain(city):
    """A manifest that the chain does not reach is refused: the chain was cut."""
    documents = city.documents()
    city.release()
    data = city.manifests[3]
    documents |= {MANIFEST: data, SIGNATURE: city.sealed(data)}
    assert refusal(city, documents, None, asked=Asked()) == "chain"


def test_a_retired_key_introduces_nobody(city, met, tmp_path):
    """A thief of the old key cannot found another line of keys once the true one is known."""
    old = city.keyring.public().keys[0].id
    thief = City(tmp_path / "thief")
    (thief.folder / "keys").mkdir()
    for name in (f"{old}.pem", "keys.json"):
        (thief.folder / "keys" / name).write_bytes((city.folder / "keys" / name).read_bytes())
    city.keyring.rotate()
    known = ask(city, known=met).trust
    thief.manifests, thief.gone = city.manifests, city.gone
    thief.keyring.rotate()
    assert refusal(city, thief.documents(), known) == "stranger"


def test_an_old_list_of_keys_revives_nobody(city, met):
    """A list of keys from before a rotation does not make the old key count again."""
    old, keys = City(city.folder), proofs.encoded(city.keyring.public())
    documents = city.documents()
    city.now += timedelta(hours=1)
    pem = next((city.folder / "keys").glob("*.pem"))
    private = pem.read_bytes()
    city.keyring.rotate()
    known = ask(city, known=met).trust
    city.now += timedelta(hours=1)
    pem.write_bytes(private)
    (city.folder / "keys" / "keys.json").write_bytes(keys)
    old.now = city.now
    assert refusal(city, city.documents() | {KEYS: keys}, known) == "retired"
    assert ask(city, documents, known).manifest.version == 3  # signed while it was valid


# Folders, offline -------------------------------------------------------------------------


@pytest.fixture
def folder(city, tmp_path):
    """A pulled folder of the city's latest release."""
    place = tmp_path / "bus" / "3"
    place.mkdir(parents=True)
    for name, data in (city.documents() | FILES).items():
        (place / name).write_bytes(data)
    sums = [*FILES.items(), (MANIFEST, city.manifests[2])]
    (place / SUMS).write_text("".join(f"{digest(data)}  {name}\n" for name, data in sums))
    return place


def offline(folder, known, now=BEGAN):
    """Kinds of all faults of a folder: its files, then its documents."""
    found = [fault.kind for fault in verify_folder(folder)]
    try:
        judge(lambda name, _: (folder / name).read_bytes(), Asked(), known, now)
    except ProofInvalid as error:
        found.append(error.facts["kind"])
    return found


def flip(path):
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def fix_sums(folder):
    """Swap a file and make manifest and SHA256SUMS agree with it."""
    new = b"id,name\n1,X\n"
    (folder / "stops.csv").write_bytes(new)
    before = (folder / MANIFEST).read_bytes()
    after = before.replace(digest(FILES["stops.csv"]).encode(), digest(new).encode())
    (folder / MANIFEST).write_bytes(after)
    text = (folder / SUMS).read_text()
    for old, now in ((FILES["stops.csv"], new), (before, after)):
        text = text.replace(digest(old), digest(now))
    (folder / SUMS).write_text(text)


HARMS = {
    "a bit of a file": (["altered"], lambda f: flip(f / "stops.parquet")),
    "a swapped blob": (
        ["altered"], lambda f: (f / "stops.csv").write_bytes(FILES["stops.parquet"])),
    "a swapped blob with manifest and sums fixed": (["forged"], fix_sums),
    "a file cut off": (["altered"], lambda f: (f / "stops.csv").write_bytes(b"id")),
    "an empty file": (["altered"], lambda f: (f / "stops.csv").write_bytes(b"")),
    "a missing file": (["missing"], lambda f: (f / "stops.csv").unlink()),
    "a folder in its place": (
        ["missing"], lambda f: ((f / "stops.csv").unlink(), (f / "stops.csv").mkdir())),
    "a pipe in its place": (
        ["missing"], lambda f: ((f / "stops.csv").unlink(), os.mkfifo(f / "stops.csv"))),
    "a note from nowhere": (["extra"], lambda f: (f / LEFT_OUT).write_text("{}")),
    "an extra file": (["extra"], lambda f: (f / "README.exe").write_bytes(b"MZ")),
    "sums without a file": (
        ["altered", "extra"],
        lambda f: (f / SUMS).write_text("\n".join((f / SUMS).read_text().split("\n")[1:]))),
    "a letter of the signature": (["forged"], lambda f: (f / SIGNATURE).write_text(
        re.sub('"sig": "(.)', lambda m: m[0][:-1] + "AB"[m[1] == "A"], (f / SIGNATURE).read_text())
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMS)
def test_harmed_folders_are_refused(met, folder, name):
    """Whatever was done to a pulled folder is found offline and called what it is."""
    expected, harm = HARMS[name]
    harm(folder)
    assert offline(folder, met) == expected


@pytest.mark.parametrize("name", [MANIFEST, SUMS])
def test_a_pipe_instead_of_a_document(folder, name):
    """A pipe in the place of a document is not read for ever."""
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert [fault.kind for fault in verify_folder(folder)] == ["unreadable"]


def test_a_clean_folder_passes(folder, met):
    """Control: a folder as it was pulled has no fault."""
    assert offline(folder, met) == []
    assert offline(folder, Trust()) == []  # first use


def test_a_folder_that_was_swapped_as_a_whole(folder, met, tmp_path):
    """A folder with its own keys, chain and signatures is refused by who has met a service."""
    for name, data in other(tmp_path).documents().items():
        if name != MANIFEST:
            (folder / name).write_bytes(data)
    assert "stranger" in offline(folder, met)


# Folders of long ago, when a newer chain was seen since --------------------------------------


def held(folder, known, asked=None, now=BEGAN):
    """Judge the documents of a folder."""
    return judge(lambda name, _: (folder / name).read_bytes(), asked or Asked(), known, now)


def test_a_folder_of_an_older_state_passes(city, met, folder):
    """A newer release that was seen since is told; the memory of it is kept as it is."""
    city.release()
    known = ask(city, known=met).trust
    found = held(folder, known)
    assert [(note.kind, "4" in note.zh) for note in found.notes] == [("newer", True)]
    assert found.trust == known


def test_a_folder_from_before_a_withdrawal_passes(city, folder):
    """When another release was withdrawn since, nothing is wrong with this one, nor newer."""
    city.gone = {1: city.gone[2], 2: city.gone[2]}
    found = held(folder, ask(city).trust)
    assert found.notes == ()


def withdrawn_since(c):
    """Withdraw the release after it was pulled."""
    c.release()
    c.gone[3] = {"at": when(BEGAN), "reason": "错"}
    return c.signed()


def another_past(c):
    """A newer chain in which the release has another digest."""
    c.manifests[2] += b" "
    return c.release().signed()


def another_first(c):
    """A newer chain in which another release has another digest."""
    c.release()
    return entries(c, rewrite)


def unburied_since(c):
    """A newer chain in which the second release was never withdrawn."""
    c.release().release()
    return entries(c, exhume)


SINCE = {
    "withdrawn": withdrawn_since,
    "rewritten": another_past,
    "rewritten, another release": another_first,
    "unburied": unburied_since,
}


@pytest.mark.parametrize("name", SINCE)
def test_a_newer_chain_decides_on_an_older_folder(city, folder, name):
    """What the newer chain that was seen says against a folder counts, and for what it is."""
    chain = SINCE[name](city)
    latest = len(city.manifests)
    documents = city.documents(latest) | {CHAIN: chain}
    known = ask(city, documents, asked=Asked(site=SITE, version=latest)).trust
    with pytest.raises(ProofInvalid) as told:
        held(folder, known)
    assert told.value.facts["kind"] == name.split(",")[0]


OLD = {
    "the latest of an address": Asked(site=SITE, dataset="bus"),
    "a version of an address": Asked(site=SITE, dataset="bus", version=3),
    "a folder called latest": Asked(latest=True),
}


@pytest.mark.parametrize("name", OLD)
def test_who_says_now_must_not_show_then(city, met, name):
    """A service that shows an older chain, whatever is asked of it, has gone back."""
    before = city.documents()
    city.release()
    known = ask(city, known=met).trust
    assert refusal(city, before, known, asked=OLD[name]) == "rollback"


def test_an_older_folder_is_not_the_latest(city, met, folder):
    """A folder called latest holds what its chain calls latest."""
    documents = city.documents(1)
    assert refusal(city, documents, met, asked=Asked(latest=True)) == "foreign"
    assert held(folder, met, Asked(latest=True)).manifest.version == 3


def test_a_memory_without_digests_decides_nothing(city, met, folder):
    """A memory of before digests were kept cannot clear an older folder; the next look mends it."""
    city.release()
    known = ask(city, known=met).trust
    (service,) = known.services
    bare = msgspec.structs.replace(service.datasets["bus"], manifests=(), formerly=())
    old = Trust(services=(msgspec.structs.replace(service, datasets={"bus": bare}),))
    with pytest.raises(ProofInvalid, match="rollback"):
        held(folder, old)
    assert ask(city, known=old).trust == known
    city.manifests[0] += b" "
    assert refusal(city, city.documents(), old) == "rewritten"


def test_a_renaming_since_does_not_blind(city, met, folder):
    """What was seen under the new name counts for the old one: offline, and at an address."""
    before = city.documents()
    city.release()
    renamed = {"dataset": "transit", "formerly": ["bus"]}
    known = ask(city, city.documents() | {CHAIN: city.signed(city.chain(**renamed))}, met).trust
    assert held(folder, known).trust == known
    assert refusal(city, before, known) == "rollback"
    city.gone[3] = {"at": when(BEGAN), "reason": "错"}
    known = ask(city, city.documents() | {CHAIN: city.signed(city.chain(**renamed))}, known).trust
    with pytest.raises(ProofInvalid, match="withdrawn"):
        held(folder, known)


# The trust file ---------------------------------------------------------------------------


def test_the_trust_file_keeps_what_was_learnt(city, tmp_path):
    """What is put into the memory is there the next time; a fault in between changes nothing."""
    path = tmp_path / "config" / "trust.json"
    with remembered(path) as memory:
        memory.trust = ask(city).trust
    assert trust.load(path) == ask(city).trust
    with suppress(KeyError), remembered(path) as memory:
        memory.trust = Trust()
        raise KeyError
    assert trust.load(path) == ask(city).trust
    with remembered(path) as memory:
        memory.trust = memory.trust.forget(SITE)
    assert trust.load(path) == Trust()


def test_a_damaged_trust_file_is_no_first_use(tmp_path):
    """Damage to the memory is told, not taken for having met nobody."""
    path = tmp_path / "trust.json"
    path.write_text('{"services": [')
    with pytest.raises(CatalogError, match="trust file is damaged"):
        trust.load(path)


# Our own service --------------------------------------------------------------------------


def test_keys_are_private(tmp_path):
    """The private half is readable by its owner alone; after a rotation only the new one is there."""
    keyring = Keyring(tmp_path, lambda: BEGAN)
    first = keyring.public().keys[0].id
    second = keyring.rotate().id
    folder = tmp_path / "keys"
    assert [path.name for path in folder.glob("*.pem")] == [f"{second}.pem"]
    assert stat.S_IMODE((folder / f"{second}.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [key.id for key in keyring.public().keys] == [first, second]
    assert b"PRIVATE" not in (folder / "keys.json").read_bytes()


def test_the_chain_follows_the_catalog(tmp_path):
    """Our chain lists releases and tombstones, agrees with itself, and is the same all day."""
    now = [datetime(2030, 1, 1, 8, tzinfo=UTC)]
    store = own_store(tmp_path, clock=lambda: now[0])
    publish(store)
    publish(store, table(5))
    withdraw_release(store, "lamps", 1, reason="有误", who="wang")
    with store.catalog.read() as db:
        one = chain_of(db, "lamps", now[0])
        same = chain_of(db, "lamps", now[0] + timedelta(hours=9))
        later = chain_of(db, "lamps", now[0] + timedelta(days=3))
    store.close()
    check_chain(one, CHAIN)
    assert (one.number, one.latest, one.issued[:10]) == (3, 2, "2030-01-01")
    assert one.entries[0].withdrawn.reason == "有误"
    assert one.entries[1].previous == one.entries[0].manifest_sha256
    assert one == same
    assert (later.issued, later.expires) == ("2030-01-04T00:00:00.000Z", "2030-01-11T00:00:00.000Z")
