"""The index in `<data>/search/`: derived, rebuildable, one writer at a time, never half.

    search/writing          locked (flock) by the process that writes
    search/current          name of the folder that readers open, replaced by rename
    search/<name>/          a tantivy index

The number of the last change that is in the index, and what its documents refer to, stand in the
index itself as documents of their own, so that a commit has all of it or nothing. A killed build
leaves a folder that the next one removes.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from datahub.search import schema
from datahub.search.schema import Context

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from datahub.store.sources import Source

_log = structlog.get_logger()
_HEAP = 50_000_000
_SMALL_HEAP = 16_000_000
_SEQUENCE, _CONTEXT = "sequence:", "context:"


class Reader:
    """An open index as it was when it was opened or last refreshed."""

    def __init__(self, folder: Path) -> None:
        """Open the index in a folder; anything wrong with it is an error."""
        self.folder = folder
        self.index = _open(folder)
        self._stamp = 0
        self.sequence = -1
        self.searcher: Any = None
        self.context = Context(publishers={}, themes={}, regions={}, glossary={})
        self._context_text = ""
        self.refresh()

    def refresh(self) -> bool:
        """See what was committed since; tell whether there was anything."""
        stamp = (self.folder / "meta.json").stat().st_mtime_ns
        if stamp == self._stamp:
            return False
        self.index.reload()
        searcher = self.index.searcher()
        text = _noted(searcher, _CONTEXT)
        if text != self._context_text:
            self.context = msgspec.json.decode(text, type=Context)
            self._context_text = text
        self.searcher, self._stamp = searcher, stamp
        self.sequence = int(_noted(searcher, _SEQUENCE))
        return True


def current(root: Path) -> Path | None:
    """Folder that readers open; None where there is none yet."""
    try:
        name = (root / "current").read_text().strip()
    except OSError:
        return None
    folder = root / name
    return folder if name.startswith(_prefix()) and (folder / "meta.json").exists() else None


@contextmanager
def writing(root: Path) -> Iterator[bool]:
    """Hold the right to write, or say at once that another process has it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "writing").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def build(root: Path, sequence: int, sources: Iterable[Source], context: Context) -> Path:
    """Write a new index beside the present one and make it the current one."""
    folder = root / f"{_prefix()}{secrets.token_hex(6)}"
    _sweep(root)
    folder.mkdir()
    index = _open(folder)
    writer = index.writer(_HEAP, 1)
    _add(writer, sources, context)
    _note(writer, _SEQUENCE, str(sequence))
    _note(writer, _CONTEXT, msgspec.json.encode(context).decode())
    writer.commit()
    writer.wait_merging_threads()
    _replace(root / "current", folder.name.encode())
    _sweep(root)
    return folder


def apply(
    reader: Reader, sequence: int, names: Iterable[str], sources: Iterable[Source], context: Context
) -> None:
    """Bring the documents of some datasets up to date, with the number of the change."""
    writer = _open(reader.folder).writer(_SMALL_HEAP, 1)
    for name in names:
        writer.delete_documents_by_term("name", name)
    _add(writer, sources, context)
    _note(writer, _SEQUENCE, str(sequence))
    if context != reader.context:
        _note(writer, _CONTEXT, msgspec.json.encode(context).decode())
    writer.commit()
    writer.wait_merging_threads()


def _add(writer: Any, sources: Iterable[Source], context: Context) -> None:
    for source in sources:
        try:
            writer.add_document(schema.document(source, context))
        except (ValueError, TypeError, KeyError, AttributeError):
            # One record of a shape nobody foresaw must not keep all others from being found.
            _log.exception("record not indexed", dataset=source.dataset.name)


def discard(root: Path) -> None:
    """Forget an index that cannot be read; the next one is built from the catalog."""
    with suppress(OSError):
        (root / "current").unlink()


def _prefix() -> str:
    return f"v{schema.VERSION}-"


def _open(folder: Path) -> Any:
    import tantivy

    index = tantivy.Index(schema.tantivy_schema(), path=str(folder), reuse=True)
    blank = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    index.register_tokenizer("blank", blank)
    index.config_reader("manual")
    return index


def _note(writer: Any, name: str, text: str) -> None:
    """Put something about the index beside its documents, in the same commit."""
    import tantivy

    writer.delete_documents_by_term("name", name)
    note = tantivy.Document()
    note.add_text("name", name)
    note.add_text("meta", text)
    writer.add_document(note)


def _noted(searcher: Any, name: str) -> str:
    import tantivy

    query = tantivy.Query.term_query(schema.tantivy_schema(), "name", name)
    hits = searcher.search(query, 1).hits
    return str(searcher.doc(hits[0][1]).get_first("meta")) if hits else ""


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    beside.write_bytes(content)
    beside.replace(path)


def _sweep(root: Path) -> None:
    """Remove what is not current: replaced indexes, and what a killed build left."""
    kept = current(root)
    for path in root.iterdir():
        if path.is_dir() and path != kept:
            shutil.rmtree(path, ignore_errors=True)
