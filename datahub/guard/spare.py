"""Libraries that ours load where they find them, and can do without: memory and time for nothing.

pyarrow and DuckDB load pandas and numpy (85 MB) to tell their values from others; structlog loads
what a terminal's colours need; SQLAlchemy and structlog load greenlet, which only DBOS uses;
Litestar loads pydantic and attrs, of which no handler here has a model.
"""

from __future__ import annotations

import importlib.abc
import sys

FRAMES = ("pandas", "numpy")
TERMINAL = ("rich", "pygments", "colorama")
GREENLET = ("greenlet",)
MODELS = ("pydantic", "attr", "attrs")


class _Spared(importlib.abc.MetaPathFinder):
    """Finds nothing; of some modules, tells that they are not there."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._names:
            raise ModuleNotFoundError(name, name=name)


def spare(*names: str) -> None:
    """Keep this process from loading these modules; to be called before what would load them."""
    sys.meta_path.insert(0, _Spared(names))
