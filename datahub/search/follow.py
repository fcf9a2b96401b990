"""Keep the index at the catalog's last change, from any number of processes at once.

Every process looks a few times a second. One that writes (the worker), and gets the lock, applies
what is new; all of them open what was committed. Nothing here is ever in the way of a request.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from datahub.search import index, schema
from datahub.search.schema import Context
from datahub.store import changes, glossary, sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datahub.store import Db, Store

PERIOD = 0.25
_MANY = 2000
_CHANGES = 1_000_000
_log = structlog.get_logger()


class Follower:
    """Holds the newest index that this process has seen and a thread that refreshes it."""

    def __init__(self, store: Store, *, writes: bool = True) -> None:
        self.root: Path = store.settings.data.absolute() / "search"
        self.reader: index.Reader | None = None
        self.besides: list[Callable[[], None]] = []  # done in each turn of the thread
        self._catalog, self._writes = store.catalog, writes
        self._turn = threading.Lock()
        self._woken, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow, in the background."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="search", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop following; what is being written is finished or never seen."""
        self._closed.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def wake(self) -> None:
        """Look now: this process has changed the catalog."""
        self._woken.set()

    def wait(self, sequence: int, seconds: float) -> bool:
        """Wait until a change can be found; tell whether it can."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            reader = self.reader
            if reader is not None and reader.sequence >= sequence:
                return True
            self.wake()
            time.sleep(0.02)
        return False

    def step(self) -> None:
        """Open what others wrote, and write, if this one may, what nobody has written yet."""
        with self._turn:
            self._open()
            if not self._writes:
                return
            with self._catalog.read() as db:
                last = changes.last(db)
            if self.reader is None or self.reader.sequence != last:
                with index.writing(self.root) as mine:
                    if mine:
                        self._open()
                        self._write()
                        self._open()

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                self.step()
                for work in self.besides:
                    work()
                failures = 0
            except Exception:  # noqa: BLE001 - a full disk, a killed neighbour: requests go on, so does this
                failures += 1
                _log.exception("search index", failures=failures)
            self._woken.wait(min(PERIOD * 2**failures, 30))
            self._woken.clear()

    def _open(self) -> None:
        """Open the current index, or refresh the one that is open."""
        folder = index.current(self.root)
        if folder is None:
            self.reader = None
            return
        try:
            if self.reader is None or self.reader.folder != folder:
                self.reader = index.Reader(folder)
            else:
                self.reader.refresh()
        except Exception:  # noqa: BLE001 - whatever is wrong, it can be built again
            _log.warning("search index unreadable", folder=folder.name)
            self.reader = None
            if index.current(self.root) == folder:
                index.discard(self.root)

    def _write(self) -> None:
        reader = self.reader
        with self._catalog.read() as db:
            last = changes.last(db)
            if reader is None or not 0 <= reader.sequence <= last:
                self._build(db, last)
                return
            if reader.sequence == last:
                return
            new = changes.since(db, reader.sequence, limit=_CHANGES)
            context = context_of(db) if any(not c.dataset for c in new) else reader.context
            names = {change.dataset for change in new if change.dataset}
            names |= affected(db, reader.context, context)
            if len(names) > _MANY and 2 * len(names) > reader.searcher.num_docs:
                self._build(db, last)
                return
            found = sources.sources(db, names)
            index.apply(reader, new[-1].seq, sorted(names), found, context)

    def _build(self, db: Db, last: int) -> None:
        began = time.perf_counter()
        index.build(self.root, last, sources.sources(db), context_of(db))
        _log.info("search index built", seconds=round(time.perf_counter() - began, 2))


def context_of(db: Db) -> Context:
    """What records refer to, as it is now."""
    referred = sources.referred(db)
    words: dict[str, list[str]] = {}
    entries = []
    for term in glossary.approved(db):
        entries.append((term.term, *term.synonyms))
        for name in term.related_datasets:
            words.setdefault(name, []).extend((term.term, *term.synonyms))
    return Context(
        publishers=referred["publishers"],
        themes=referred["themes"],
        regions=referred["regions"],
        glossary={name: tuple(dict.fromkeys(found)) for name, found in words.items()},
        entries=tuple(entries),
    )


def affected(db: Db, before: Context, after: Context) -> set[str]:
    """Datasets whose documents are others because what they refer to changed."""
    if before == after:
        return set()
    named = {
        name
        for name in before.glossary.keys() | after.glossary.keys()
        if before.glossary.get(name) != after.glossary.get(name)
    }
    publishers = schema.differing(before.publishers, after.publishers)
    themes = schema.differing(before.themes, after.themes)
    changed = schema.differing(before.regions, after.regions)
    regions = {
        code
        for code in before.regions.keys() | after.regions.keys()
        if changed & {*before.path(code), *after.path(code)}
    }
    return named | set(sources.of(db, publishers=publishers, themes=themes, regions=regions))
