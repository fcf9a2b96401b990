"""Find what spreadsheets and wrong encodings do to content: damaged codes, broken characters.

All bytes of a table are looked over at once with one pattern; only where it matches is the table
read by columns. Row numbers are those of the report; a sample is short and masked.
"""

from __future__ import annotations

import csv as py_csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from datahub.model import Json, Notice
from datahub.validation.common import COMMON
from datahub.validation.probing import ROWS_SHOWN, excerpt, mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from datahub.model import Dialect

_CHUNK = 1 << 20
_HEAD = 1 << 16
_BLOCK = 4 << 20
_AT_ONCE = 4
_LOOKED_PIECES = 16
_NUMBERS = ("integer", "number")
_CODES = ("string", "integer")
_MEASURED = ("integer", "number", "date", "datetime", "time", "year", "yearmonth")
_LONG_NUMBER = 7
_SENSE = 0.3  # share of common characters that makes a reading plausible

# Three bytes of UTF-8 read as Latin-1 or Windows-1252: å®œ for 宜.
_LATIN_TAIL = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_LATIN = f"[ãäåæçèéï]{_LATIN_TAIL}{{2}}"
_BYTES = range(0x80, 0xC0)  # second and third byte of a hanzi in UTF-8; the first is one of
_FIRST = range(0xE4, 0xEA)


def _pairs(leads: range, tails: range) -> str:
    """Class of the characters that GB18030 reads from two bytes of these ranges."""
    pairs = (bytes((lead, tail)) for lead in leads for tail in tails)
    found = {pair.decode("gb18030", errors="ignore") for pair in pairs}
    return "[" + "".join(sorted(c for c in found if c > "\x7f")) + "]"


# UTF-8 read as GB18030: 瀹滄槍 for 宜昌, three characters for two.
_GBK = f"{_pairs(_FIRST, _BYTES)}[\u3400-\u9fff\ue000-\uf8ff€·-]"
_GBK_WORD = f"{_pairs(_FIRST, _BYTES)}{_pairs(_BYTES, _FIRST)}{_pairs(_BYTES, _BYTES)}"
_GBK_LONG = f"(?:{_GBK_WORD}){{2}}"  # four hanzi: never met in text that is right
_BROKEN = "\ufffd|锟斤拷|烫烫烫|屯屯屯"
_SCIENTIFIC = r"^[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]{1,3}$"
_GROUPED = r"^[^0-9０-９]{0,2}[0-9０-９]{1,3}([,，][0-9０-９]{3})+([.．][0-9０-９]+)?$"
_WIDE_DIGIT = "[０-９]"
_WIDE_CODE = (
    r"^[０-９Ａ-Ｚａ-ｚ0-9A-Za-z．，－／.,/-]*[０-９][０-９Ａ-Ｚａ-ｚ0-9A-Za-z．，－／.,/-]*$"
)
_ANYTHING = (
    f"{_BROKEN}|{_LATIN}|{_WIDE_DIGIT}|"
    r"[0-9][eE]\+[0-9]|"
    '[,"\t;|\n][+-]?[0-9]{1,3}，[0-9]{3}|'
    '["\t;|][^0-9"]?[0-9]{1,3},[0-9]{3}[,".\t;|\r\n]'
)


class _Kind(NamedTuple):
    """One kind of damage: rule, pattern of a cell, fields it applies to, what is told."""

    code: str
    pattern: str
    applies: Callable[[Json], bool]
    title: str
    title_en: str
    advice: str
    advice_en: str
    check: Callable[[str], bool] | None = None


def _kind(field: Json) -> str:
    return str(field.get("type", "string"))


def _is_latin(text: str) -> bool:
    """Whether a text turns into Chinese when its bytes are read as UTF-8."""
    try:
        data = b"".join(_latin_byte(c) for c in text)
        read = data.decode("utf-8")
    except (UnicodeError, ValueError):
        return bool(re.search(f"({_LATIN}){{2}}", text))
    return any(c > "\u2fff" for c in read)


def _latin_byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def _is_gbk(text: str) -> bool:
    """Whether a text turns into better Chinese when its GB18030 bytes are read as UTF-8."""
    data = text.encode("gb18030", errors="replace")
    read = data.decode("utf-8", errors="replace").rstrip("\ufffd?")
    han = [c for c in read if c > "\u2fff"]
    if not han or "\ufffd" in read[: len(read) * 2 // 3]:
        return False
    own = [c for c in text if c > "\u2fff"]
    share = sum(c in COMMON for c in han) / len(han)
    return share >= _SENSE and share > 2 * sum(c in COMMON for c in own) / max(1, len(own))


_KINDS = (
    _Kind(
        "Q13",
        f"{_BROKEN}|{_LATIN}|{_GBK}",
        lambda _field: True,
        "乱码",
        "broken characters",
        "原文已丢失或被错误的编码读过，请用正确的编码从源系统重新导出",
        "export them again from the source, in the right encoding",
        lambda text: bool(re.search(_BROKEN, text)) or _is_latin(text) or _is_gbk(text),
    ),
    _Kind(
        "Q14",
        _SCIENTIFIC,
        lambda field: _kind(field) in _CODES,
        "被改成科学计数法的编码",
        "codes in scientific notation",
        "末尾的数字已丢失，请把该列设为文本格式，从源系统重新导出",
        "their last digits are lost: format the column as text and export it again",
    ),
    _Kind(
        "Q18",
        _GROUPED,
        lambda field: _kind(field) in _NUMBERS and not field.get("groupChar"),
        "带千位分隔符的数字",
        "numbers with thousands separators",
        "请去掉分隔符，例如 1,234 写成 1234",
        "write 1,234 as 1234",
    ),
    _Kind(
        "Q19",
        _WIDE_DIGIT,
        lambda field: _kind(field) in _MEASURED,
        "全角数字",
        "full-width digits",
        "请改成半角，例如 １２ 写成 12",
        "write １２ as 12",
    ),
    _Kind(
        "Q19",
        _WIDE_CODE,
        lambda field: _kind(field) not in _MEASURED,
        "全角数字",
        "full-width digits",
        "请改成半角，例如 １２ 写成 12",
        "write １２ as 12",
    ),
)

_LOST_ZEROS = _Kind(
    "Q20",
    "",
    lambda _field: False,
    "位数不够的编码，像是丢了开头的 0",
    "codes that are too short and seem to have lost leading zeros",
    "请把该列设为文本格式，从源系统重新导出",
    "format the column as text and export it again",
)


def find_damage(
    path: str, dialect: Dialect, labels: Sequence[str], fields: dict[str, Json]
) -> tuple[Notice, ...]:
    """Notices of damaged content in a UTF-8 CSV whose header has these labels.

    Rows of another width than the header's are left to the validation.
    """
    columns = [fields.get(label.strip(), {"name": label.strip()}) for label in labels]
    kinds = [_kinds_of(field) for field in columns]
    if not labels or not (_has_short(path, dialect, columns) or _is_suspicious(path)):
        return ()
    hits: dict[tuple[int, _Kind], _Hits] = {}
    for first, skipped, batch in _batches(path, dialect, len(labels)):
        for number, cells in enumerate(batch.columns):
            for kind in kinds[number]:
                for offset, text in _matches(kind, cells):
                    found = hits.setdefault((number, kind), _Hits())
                    found.add(_row(first + offset, skipped), text)
    order = sorted(hits.items(), key=lambda hit: (hit[0][0], hit[0][1].code))
    return tuple(_notice(columns[number], kind, found) for (number, kind), found in order)


def _kinds_of(field: Json) -> list[_Kind]:
    kinds = [kind for kind in _KINDS if kind.applies(field)]
    length = code_length(field)
    if length:
        kinds.append(_LOST_ZEROS._replace(pattern=f"^[0-9]{{1,{length - 1}}}$"))
    return kinds


def code_length(field: Json) -> int:
    """Digits that every code of a text field has, by its pattern or its length; else 0."""
    constraints = field.get("constraints", {})
    if _kind(field) != "string":
        return 0
    fixed = re.fullmatch(r"\^?(?:\\d|\[0-9\])\{(\d+)\}\$?", constraints.get("pattern", ""))
    if fixed:
        return int(fixed[1])
    same = constraints.get("minLength") == constraints.get("maxLength")
    return int(constraints["minLength"]) if same and "minLength" in constraints else 0


def _has_short(path: str, dialect: Dialect, columns: list[Json]) -> bool:
    """Whether the first rows show digits shorter than their code: it concerns whole columns."""
    lengths = {i: n for i, field in enumerate(columns) if (n := code_length(field))}
    if not lengths:
        return False
    with Path(path).open(encoding="utf-8", newline="") as file:
        head = io.StringIO(file.read(_HEAD), newline="")
    rows = py_csv.reader(head, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
    try:
        return any(
            i < len(row) and 0 < len(row[i]) < n and row[i].isdecimal()
            for row in islice(rows, dialect.header_row, None)
            for i, n in lengths.items()
        )
    except py_csv.Error:
        return False


class _Hits:
    """Cells of one column with one kind of damage."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[int] = []
        self.sample = ""

    def add(self, row: int, text: str) -> None:
        """Count a cell; keep the first few places and one sample."""
        self.count += 1
        if not self.sample:
            long = sum(c.isdecimal() for c in text) >= _LONG_NUMBER  # may be a person's
            self.sample = mask(text) if long else excerpt(text, 12)
        if len(self.rows) < ROWS_SHOWN:
            self.rows.append(row)


def _is_suspicious(path: str) -> bool:
    """Look over all bytes with one pattern, a few pieces at a time.

    The pattern for UTF-8 read as GB18030 is slow: of a large file it sees every fourth piece,
    which is enough for what happens to whole columns.
    """
    small = Path(path).stat().st_size <= _LOOKED_PIECES * _CHUNK
    long = _GBK_WORD if small else _GBK_LONG
    pieces, number = _pieces(path), 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(pieces, _AT_ONCE)):
            looks = [pool.submit(_has_any, piece, _ANYTHING) for piece in some]
            slow = some if number < _LOOKED_PIECES else some[:1]
            looks += [pool.submit(_has_any, piece, long) for piece in slow]
            if any(look.result() for look in looks):
                return True
            number += len(some)
    return False


def _pieces(path: str) -> Iterator[bytes]:
    """Pieces of a file, each of whole lines."""
    rest = b""
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            piece = rest + chunk
            cut = piece.rfind(b"\n") + 1 or len(piece)
            rest = piece[cut:]
            yield piece[:cut]
    yield rest


def _has_any(data: bytes, pattern: str) -> bool:
    ends = pa.py_buffer(len(data).to_bytes(8, "little").rjust(16, b"\0"))
    cells = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(data)])
    return bool(pc.match_substring_regex(cells, pattern)[0].as_py())


def _batches(
    path: str, dialect: Dialect, width: int
) -> Iterator[tuple[int, list[int], pa.RecordBatch]]:
    """Cells as text: number of the batch's first row but for skipped ones, those, columns."""
    names = [f"c{number}" for number in range(width)]
    skipped: list[int] = []

    def skip(row: Any) -> str:
        skipped.append(int(row.number or 0) - dialect.header_line + dialect.header_row)
        return "skip"

    first = dialect.header_row + 1
    try:
        reader = csv.open_csv(
            path,
            read_options=csv.ReadOptions(
                column_names=names,
                skip_rows=dialect.header_line,
                block_size=_BLOCK,
                use_threads=False,
            ),
            parse_options=csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote_char,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        for batch in reader:
            yield first, skipped, batch
            first += batch.num_rows
    except pa.ArrowInvalid:  # no rows, or no table at all: the validation tells
        return


def _row(number: int, skipped: list[int]) -> int:
    """Row number with the skipped rows before it counted."""
    for other in skipped:
        if other > number:
            break
        number += 1
    return number


def _matches(kind: _Kind, cells: pa.Array) -> Iterator[tuple[int, str]]:
    where = pc.indices_nonzero(pc.match_substring_regex(cells, kind.pattern))
    if not len(where):
        return
    for offset, text in zip(where.to_pylist(), cells.take(where).to_pylist(), strict=True):
        if kind.check is None or kind.check(text):
            yield offset, text


def _notice(field: Json, kind: _Kind, hits: _Hits) -> Notice:
    name = field["name"]
    label = f"{field['title']}（{name}）" if "title" in field else name
    rows = "、".join(map(str, hits.rows)) + (" 等" if hits.count > len(hits.rows) else "")
    return Notice(
        code=kind.code,
        severity="warn",
        zh=f"列 {label}第 {rows} 行有{kind.title}，共 {hits.count} 处（例：{hits.sample}）。"
        f"{kind.advice}。",
        en=f"Column {name} has {kind.title_en} in {hits.count} cells, first in rows "
        f"{', '.join(map(str, hits.rows))}; {kind.advice_en}.",
        field=name,
        count=hits.count,
        rows=tuple(hits.rows),
        sample=hits.sample,
    )
