"""Commands that bring releases here and check them: pull and verify.

Both believe signed documents only: which files there are, their sizes and digests come from the
manifest, and the manifest from the chain that one of the service's trusted keys has signed.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, unquote, urlsplit

import msgspec
import typer

from datahub import settings
from datahub.cli import show
from datahub.clock import system_clock
from datahub.errors_signing import KINDS, ProofInvalid, refused
from datahub.guard.outbound import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.progress import Progress

    from datahub.guard.download import Wanted
    from datahub.store.proofs import Asked, Judged
    from datahub.store.verify import Fault

_JOBS = 4
_ID_LENGTH = 64
_WEB = ("http://", "https://")
Key = Annotated[
    str | None, typer.Option(help="只信任这个密钥：编号或密钥文件 · ID or file of the key to trust")
]
Only = Annotated[
    str | None, typer.Option(help="只要这种，如 parquet、csv、original（报送原件）· one form")
]
Jobs = Annotated[int, typer.Option(help="同时传几块 · pieces at a time", min=1, max=16)]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog="例：datahub pull air_hourly --to 数据/ · 断了再运行一次即可续传")(pull)
    app.command(epilog="例：datahub verify（整个数据目录）· datahub verify 数据/air_hourly/1 · "
                       "datahub verify http://127.0.0.1:8000/d/air_hourly/latest")(
        verify
    )  # fmt: skip


def pull(
    dataset: Annotated[str, typer.Argument(help="数据集名 · name of the dataset")],
    version: Annotated[int | None, typer.Option(help="版本；不写则最新 · release")] = None,
    to: Annotated[Path, typer.Option(help="放到哪里 · folder")] = Path(),
    only: Only = None,
    jobs: Jobs = _JOBS,
    key: Key = None,
    server: show.Server = None,
    json: show.Json = False,
) -> None:
    """下载一个版本：并行、可续传，核对签名和摘要 · Download a release, resume, check it all."""
    from datahub.cli import left_out
    from datahub.guard.download import download
    from datahub.store.verify import MANIFEST, PROOFS

    chosen = settings.load(server=server)
    hub = Service(chosen.server, chosen.token)
    asked = _asked(chosen.server.rstrip("/"), dataset, version, key)
    found = _prove(hub, asked, chosen.trust)
    folder = to / dataset / str(found.manifest.version)
    files = _files(hub, dataset, found, only)
    paths = [folder / unquote(file.name) for file in files]
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), show.transfer() as progress:
        for name in PROOFS:
            _replace(folder / name, found.documents[name])
        left = left_out.note(folder, found.manifest, found.documents[MANIFEST], only, _replace)
        pairs = list(zip(files, paths, strict=True))
        fetched = download(hub, pairs, jobs=jobs, seen=_seen(progress, files))
    if json:
        rows = zip(files, paths, fetched, strict=True)
        show.as_json([
            {"path": str(path), "bytes": file.bytes, "sha256": file.sha256, "fetched": new}
            for file, path, new in rows
        ])  # fmt: skip
        return
    count = f"{len(files)} 个文件，签名和摘要全部相符"
    show.out.print(f"✓ {folder} · {count} · signature and digests match", markup=False)
    if left:
        told = f"没有要这些 · left out: {left_out.shown(left)}"
        show.out.print(f"  {told}", markup=False)


def verify(
    target: Annotated[
        str | None, typer.Argument(help="下载的版本目录，或网址；不写则核对整个数据目录")
    ] = None,
    key: Key = None,
    only: Only = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="只核对摘要 · digests only")] = False,
    manifest_only: Annotated[
        bool, typer.Option("--manifest-only", help="网址：不读数据文件 · URL: documents only")
    ] = False,
    jobs: Jobs = _JOBS,
    data: Annotated[Path | None, typer.Option(help="数据目录 · data folder")] = None,
    json: show.Json = False,
) -> None:
    """核对签名、版本链和每个字节 · Check signature, chain and every byte; a folder offline."""
    chosen = settings.load(data=data)
    with show.busy("核对中…"):
        told, unchecked = "全部相符 · everything verifies", ""
        if target is None:
            faults = _of_store(chosen)
        elif target.startswith(_WEB):
            read = None if manifest_only else jobs
            faults = list(_of_site(target, key, chosen.trust, read, only))
            if only is not None:
                unchecked = f"只核对了 {only} · files in other forms were not read"
            if manifest_only:
                told = "签名和版本链相符 · signature and chain match"
                unchecked = "没有读数据文件 · data files were not read"
        else:
            faults = list(_of_folder(Path(target), key, chosen.trust, only, signed=not unsigned))
            if not faults:
                told, unchecked = _told_of(Path(target), signed=not unsigned)
    if json:
        show.as_json([{n: getattr(f, n) for n in f.__struct_fields__} for f in faults])
    elif faults:
        _tell(faults)
    else:
        show.out.print(f"✓ {told}", markup=False)
    if faults:
        raise typer.Exit(1)
    if unchecked:
        (show.err if json else show.out).print(f"! {unchecked}", markup=False)


def _tell(faults: Sequence[Fault]) -> None:
    rows = [(f.kind, f.place, f.expected, f.actual) for f in faults]
    show.table(("问题", "位置", "应为", "实为"), rows)
    for kind in dict.fromkeys(f.kind for f in faults):
        if kind in KINDS:
            zh, en = KINDS[kind]
            show.out.print(f"\n{kind}：{zh}\n  {en}", markup=False)


# What is verified -------------------------------------------------------------------------


def _of_store(chosen: settings.Settings) -> list[Fault]:
    from datahub.store import open_store
    from datahub.store.verify import verify_store

    if not (chosen.data / "catalog.sqlite").is_file():
        raise typer.BadParameter(f"{chosen.data} 不是数据目录 · no data folder")
    store = open_store(chosen)
    faults = list(verify_store(store))
    store.close()
    return faults


def _of_folder(
    folder: Path, key: str | None, trust: Path, only: str | None, *, signed: bool
) -> Iterator[Fault]:
    from datahub.cli import left_out
    from datahub.store.verify import MANIFEST, PROOFS, verify_folder

    def read(name: str, limit: int) -> bytes:
        path = folder / name
        if not path.is_file():
            raise refused("unsigned" if name in PROOFS else "missing", name)
        with path.open("rb") as file:
            return file.read(limit + 1)

    left: frozenset[str] = frozenset()
    try:
        left = left_out.left_out(folder)
    except ProofInvalid as error:
        yield _fault(error)
    faults = list(verify_folder(folder, only=only, left=left))
    yield from faults
    if not signed or MANIFEST in {fault.place for fault in faults}:
        return  # what is signed is the manifest as it was
    try:
        latest = "latest" in (folder.absolute().name, folder.resolve().name)
        asked = msgspec.structs.replace(_asked("", "", None, key), latest=latest)
        found = _judge(read, asked, trust)
        _check_names(folder.resolve(), found)
    except ProofInvalid as error:
        yield _fault(error)


def _told_of(folder: Path, *, signed: bool) -> tuple[str, str]:
    """What was verified in a folder without a fault, and what was not, since it is not there."""
    from datahub.cli import left_out
    from datahub.store.signing import strict
    from datahub.store.verify import MANIFEST, MANIFEST_BYTES, SUMS, Manifest, read_document

    data = read_document(folder / MANIFEST)
    manifest = strict(data, Manifest, place=MANIFEST, limit=MANIFEST_BYTES)
    absent = [file.path for file in manifest.files if not (folder / file.path).exists()]
    count = len(manifest.files) - len(absent) + len((MANIFEST, SUMS))  # as pull counts
    which = f"{manifest.dataset} 第 {manifest.version} 版，{count} 个文件"
    told = f"{which}，签名和摘要相符 · signature and digests match"
    unchecked = []
    if not signed:
        told = f"{which}，摘要相符 · digests match"
        unchecked.append("没有核对签名 · signature not checked")
    if absent:
        names = left_out.shown(absent)
        unchecked.append(
            f"没有核对不在这里的 {len(absent)} 个文件 · not here, not checked: {names}"
        )
    return told, "\n! ".join(unchecked)


def _check_names(folder: Path, found: Judged) -> None:
    """Check that a folder named …/DATASET/VERSION, as `pull` makes them, holds that version."""
    ours = folder.parent.name in (found.chain.dataset, *found.chain.formerly)
    if ours and folder.name.isdecimal() and folder.name != str(found.manifest.version):
        raise refused("foreign", folder.name, expected=folder.name, actual=found.manifest.version)


def _of_site(
    address: str, key: str | None, trust: Path, jobs: int | None, only: str | None
) -> Iterator[Fault]:
    from datahub.guard.download import measure

    site, dataset, version = _place(address)
    hub = Service(site)  # without the user's token: the address may be anybody's
    try:
        found = _prove(hub, _asked(site, dataset, version, key), trust)
        files = _files(hub, dataset, found, only)
    except ProofInvalid as error:
        yield _fault(error)
        return
    if jobs is None:
        return
    for _, wrong in measure(hub, files, jobs=jobs):
        if isinstance(wrong, ProofInvalid):
            yield _fault(wrong)
        elif wrong is not None:
            raise wrong


def _place(address: str) -> tuple[str, str, int | None]:
    """Site, dataset and version that an address names; no version is the latest."""
    parts = urlsplit(address)
    steps = [unquote(step) for step in parts.path.split("/")]
    at = next((n for n, step in enumerate(steps) if step in ("d", "datasets")), None)
    if at is None or len(steps) <= at + 1 or not steps[at + 1] or not parts.netloc:
        raise typer.BadParameter(
            "网址应为 https://…/d/数据集/版本 或 …/datasets/数据集 · give the address of a release"
        )
    base = "/".join(steps[:at]).removesuffix("/api/v1")
    named = steps[at + 2].removeprefix("v") if steps[at] == "d" and len(steps) > at + 2 else ""
    version = int(named) if named.isascii() and named.isdecimal() else None
    return f"{parts.scheme}://{parts.netloc}{quote(base)}", steps[at + 1], version


# Signed documents -------------------------------------------------------------------------


def _asked(site: str, dataset: str, version: int | None, key: str | None) -> Asked:
    from datahub.store.proofs import Asked
    from datahub.store.signing import KEYS_BYTES, Keys, strict

    if key is None:
        return Asked(site=site, dataset=dataset, version=version)
    if len(key) == _ID_LENGTH and not Path(key).exists():
        return Asked(site=site, dataset=dataset, version=version, key=key.lower())
    if not Path(key).is_file():
        raise typer.BadParameter(f"--key {key}：应为 64 位编号或密钥文件 · an id or a file")
    given = strict(Path(key).read_bytes(), Keys, place=key, limit=KEYS_BYTES)
    return Asked(site=site, dataset=dataset, version=version, keys=given.keys)


def _prove(hub: Service, asked: Asked, trust: Path) -> Judged:
    """Fetch and judge the documents of a release; once more, if one came in between."""
    from datahub.store.proofs import LIMITS
    from datahub.store.trust import CHAIN, KEYS

    folder = f"/d/{quote(asked.dataset, safe='')}"
    paths = {KEYS: f"/.well-known/{KEYS}", CHAIN: f"{folder}/{CHAIN}"}

    def fetched() -> Judged:
        proofs = {
            name: hub.document(
                paths.get(name, f"{folder}/{asked.version or 'latest'}/{name}"), limit
            )
            for name, limit in LIMITS.items()
        }
        return _judge(lambda name, _: proofs[name], asked, trust)

    try:
        return fetched()
    except ProofInvalid:
        return fetched()


def _judge(read: Callable[[str, int], bytes], asked: Asked, trust: Path) -> Judged:
    from datahub.store.proofs import judge
    from datahub.store.trust import remembered

    with remembered(trust) as memory:
        found = judge(read, asked, memory.trust, system_clock())
        memory.trust = found.trust
    for note in found.notes:
        show.err.print(f"! {note.zh}\n  {note.en}", markup=False)
    return found


def _files(hub: Service, dataset: str, found: Judged, only: str | None) -> list[Wanted]:
    """Every file of a release as its manifest promises it, the manifest and the sums among them."""
    from datahub.guard.download import Wanted
    from datahub.store.verify import MANIFEST, MANIFEST_BYTES, SUMS, check_sums

    forms = found.manifest.forms
    if only is not None and only not in forms:
        raise typer.BadParameter(f"--only {only}：有 · there are: {', '.join(forms)}")
    folder = f"/d/{quote(dataset, safe='')}/{found.manifest.version}"
    data = {MANIFEST: found.documents[MANIFEST]}
    data[SUMS] = hub.document(f"{folder}/{SUMS}", MANIFEST_BYTES)
    check_sums(found.manifest, data[MANIFEST], data[SUMS])
    listed = [(f.path, f.bytes, f.sha256) for f in found.manifest.wanted(only)]
    listed += [(name, len(text), sha256(text).hexdigest()) for name, text in data.items()]
    return [
        Wanted(path=f"{folder}/{quote(path, safe='')}", bytes=size, sha256=digest)
        for path, size, digest in listed
    ]


def _fault(error: ProofInvalid) -> Fault:
    from datahub.store.verify import Fault

    return Fault(**{name: error.facts[name] for name in ("kind", "place", "expected", "actual")})


def _seen(progress: Progress, files: Sequence[Wanted]) -> Callable[[Wanted, int], None]:
    tasks: dict[str, Any] = {
        file.path: progress.add_task(unquote(file.name), total=file.bytes) for file in files
    }
    return lambda file, count: progress.advance(tasks[file.path], count)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other pulls out of a folder meanwhile: they would write the same parts."""
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            show.err.print("另一个 pull 正在写这个目录，等它结束… · waiting for another pull")
            fcntl.flock(place, fcntl.LOCK_EX)
        except OSError:
            pass  # some network disks know no locks
        yield
    finally:
        os.close(place)


def _replace(path: Path, data: bytes) -> None:
    from datahub.store.objects import full_disk_told

    part = path.with_name(f"{path.name}.part")  # of the same name each time: nothing piles up
    with full_disk_told():
        part.write_bytes(data)
        part.replace(path)
