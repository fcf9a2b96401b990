"""Reads a parameter's text from left to right, and says at which character it is wrong."""

from __future__ import annotations

from datahub.errors import ParameterInvalid

_BARE_ENDS = ',.:()"{}'
_SHOWN = 80


class Scanner:
    """A text and how far it was read."""

    def __init__(self, parameter: str, text: str) -> None:
        self.parameter, self.text, self.at = parameter, text, 0

    @property
    def done(self) -> bool:
        """Tell whether all was read."""
        return self.at >= len(self.text)

    def sees(self, text: str) -> bool:
        """Tell whether `text` comes next."""
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        """Read `text` if it comes next."""
        found = self.sees(text)
        self.at += len(text) if found else 0
        return found

    def expect(self, text: str, zh: str = "", en: str = "") -> None:
        """Read `text`, which has to come next."""
        if not self.take(text):
            raise self.wrong(zh or f"此处应为“{text}”", en or f"'{text}' is expected here")

    def end(self) -> None:
        """Make sure that nothing is left."""
        if not self.done:
            raise self.wrong(
                "此处多出内容；含 , . : ( ) 的名称和值请写在双引号里",
                "nothing more is expected; names and values with , . : ( ) are quoted",
            )

    def blanks(self) -> None:
        """Pass over white space."""
        while not self.done and self.text[self.at].isspace():
            self.at += 1

    def word(self) -> str:
        """Read letters, digits and _ of ASCII: an operator, a function, a type."""
        began = self.at
        while not self.done:
            sign = self.text[self.at]
            if not (sign.isascii() and (sign.isalnum() or sign == "_")):
                break
            self.at += 1
        return self.text[began : self.at]

    def name(self) -> str:
        """Read a name: in double quotes anything, else up to one of , . : ( ) { } and quotes."""
        self.blanks()
        began = self.at
        found = self.quoted() if self.sees('"') else self.until(_BARE_ENDS).strip()
        if not found:
            self.at = began
            raise self.wrong("此处应为列名", "a column's name is expected here")
        self.blanks()
        return found

    def quoted(self) -> str:
        r"""Read a text in double quotes, in which \" and \\ stand for " and \."""
        parts: list[str] = []
        began = self.at
        self.at += 1
        while not self.done:
            sign = self.text[self.at]
            self.at += 1
            if sign == '"':
                return "".join(parts)
            if sign == "\\" and not self.done:
                sign = self.text[self.at]
                self.at += 1
            parts.append(sign)
        self.at = began
        raise self.wrong("双引号没有结束", "the double quote is not closed")

    def until(self, ends: str) -> str:
        """Read up to one of the signs in `ends`, or to the end of the text."""
        text, began, at, stop = self.text, self.at, self.at, len(self.text)
        while at < stop and text[at] not in ends:
            at += 1
        self.at = at
        return text[began:at]

    def rest(self) -> str:
        """Read all that is left."""
        found, self.at = self.text[self.at :], len(self.text)
        return found

    def wrong(self, zh: str, en: str) -> ParameterInvalid:
        """Make the error about the text at the present position."""
        return invalid(self.parameter, self.text, zh, en, position=self.at + 1)


def invalid(
    parameter: str, text: str, zh: str, en: str, position: int | None = None
) -> ParameterInvalid:
    """Make the error about a parameter; `position` counts characters from 1."""
    more = {} if position is None else {"position": position}
    at_zh = "" if position is None or position == 1 else f"第 {position} 个字符处，"
    at_en = "" if position is None or position == 1 else f"at character {position}: "
    return ParameterInvalid(
        name=parameter[:_SHOWN],
        value=text[:_SHOWN],
        reason_zh=f"{at_zh}{zh}",
        reason_en=f"{at_en}{en}",
        **more,
    )
