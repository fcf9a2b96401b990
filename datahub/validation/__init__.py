"""The table-schema engine: read a file as a table, judge it, and give its typed columns.

Everything here that reads bytes from outside runs in a child of `datahub.guard.process`; as a
library, `validate` judges a table and `infer` proposes a schema for one in the process that calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datahub.validation.inference import infer
    from datahub.validation.library import validate

__all__ = ["infer", "validate"]


def __getattr__(name: str) -> Any:
    """Load the library on its first use only: the stages' children do not need it."""
    if name == "validate":
        from datahub.validation.library import validate

        return validate
    if name == "infer":
        from datahub.validation.inference import infer

        return infer
    raise AttributeError(name)
