"""The root of the tree of errors (see `errors`), and how an error crosses a process border."""

from __future__ import annotations

from typing import Any, ClassVar


class DatahubError(Exception):
    """Anything that this product says no with."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    zh: ClassVar[str] = "系统内部出错，已经记录。请稍后再试。"
    en: ClassVar[str] = "An internal error occurred and was recorded. Please try again later."
    retryable: ClassVar[bool] = False

    def __init__(self, **facts: Any) -> None:
        """Keep the facts that the texts are made from."""
        self.facts = facts
        super().__init__(self.code, facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return from_code, (self.code, self.facts)

    @property
    def text_zh(self) -> str:
        """The public text in Chinese."""
        return self.zh.format_map(_Facts(self.facts)).strip()

    @property
    def text_en(self) -> str:
        """The public text in English."""
        return self.en.format_map(_Facts(self.facts)).strip()

    def __str__(self) -> str:
        return f"{self.code}: {self.text_zh} {self.text_en}"


class _Facts(dict[str, Any]):
    """Facts for a template; one that is missing shows as an ellipsis, never as a KeyError."""

    def __missing__(self, key: str) -> str:
        return "…"


def _tree(root: type[DatahubError]) -> dict[str, type[DatahubError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def from_code(code: str, facts: dict[str, Any]) -> DatahubError:
    """Rebuild an error that crossed a process or network border."""
    return _tree(DatahubError).get(code, DatahubError)(**facts)


def codes() -> dict[str, type[DatahubError]]:
    """Return every error of the tree by its code, for the documentation."""
    return _tree(DatahubError)
