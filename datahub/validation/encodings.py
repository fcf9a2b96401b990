"""Find the encoding of a text over all of its bytes, and say so where it is not certain.

GB18030 decodes almost any bytes: that a file decodes proves nothing. What decides is whether the
decoded characters are those that Chinese text consists of: the common ones, not the rare ones.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from datahub.errors import EncodingUnclear, EncodingUnknown, FileEmpty, LineTooLong, NulFound
from datahub.model import Notice
from datahub.validation.common import COMMON
from datahub.validation.probing import Probe, excerpt, wrong_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 1 << 20
HEAD = 1 << 16
_WINDOW = 8192
_WINDOWS_KEPT = 64
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with theirs
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    ("\ufeff".encode("gb18030"), "gb18030"),
)
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5", "cp950": "big5"}
_MULTI = re.compile(rb"[\x80-\xff]")
_UTF8_RUN = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){3,}")
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1f]")
_TEXTUAL = re.compile(
    "[\t\r\n -~\u00a0-\u00ff\u2010-\u2027\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"
)

# Logarithm of how much likelier a character is in text read rightly than wrongly; sums over
# distinct characters decide. Measured on 40,000 names of streets: margins over 4 never erred.
_COMMON, _USUAL, _RARE, _ODD = 1.8, 0.0, -1.9, -3.0
_PAIR, _GB2312_FROM = 2, 0xA1
_LEADS = {  # by the first byte: symbols and full-width forms, usual and rarer characters
    "gb18030": (
        (range(0xA1, 0xAA), _USUAL),
        (range(0xB0, 0xD8), _USUAL),
        (range(0xD8, 0xF8), _RARE),
    ),
    "big5": ((range(0xA1, 0xC7), _USUAL), (range(0xC7, 0xFA), _RARE)),
}
_PRIOR = {"gb18030": 2.0, "big5": 0.0}  # the city's own offices write GB18030
_SURE, _LIKELY = 4.0, 1.5
_FLUENT = 0.9  # mean per character above which no other language is considered
_HALTING, _MANY = 0.3, 6  # mean below which so many characters are no Chinese
_FOREIGN = {"CP949", "EUC-KR", "EUC-JP", "CP932", "SHIFT_JIS", "SHIFT_JIS_2004", "Windows-1251"}
_OWN = ("gb", "big5", "cp950")
_TEXTUAL_SHARE = 0.9


class Found(NamedTuple):
    """A Python codec's name, and what is uncertain about it."""

    codec: str
    notices: tuple[Notice, ...] = ()


def read_head(probe: Probe) -> bytes:
    """First 64 KiB of a file.

    Raises:
        FileEmpty: there is nothing but blanks and a byte order mark.

    """
    with Path(probe.path).open("rb") as file:
        head = file.read(HEAD)
    if not head.strip(b"\x00\r\n\t \xef\xbb\xbf\xff\xfe"):
        raise FileEmpty(file=probe.name)
    return head


def find_encoding(probe: Probe, head: bytes, *, lines: bool = True) -> Found:
    """Return the encoding of a text file, after decoding all of it.

    `lines` limits the length of a line to the probe's.

    Raises:
        EncodingUnknown: it decodes in none of the encodings, or not in the declared one.
        EncodingUnclear: two readings are equally plausible, or one file mixes two encodings.
        NulFound, FormatMismatch: it is no text.
        LineTooLong: a line has more bytes than it may.

    """
    limit = probe.line_bytes if lines else None
    if probe.charset:
        return _declared(probe, head, limit)
    for bom, codec in _BOMS:
        if head.startswith(bom):
            _check(probe, codec, limit)
            return Found(codec)
    if b"\x00" in head:
        return _wide(probe, head, limit)
    try:
        windows = _check(probe, "utf-8", limit)
    except EncodingUnknown as no_utf8:
        return _chinese(probe, no_utf8, limit)
    return _maybe_utf8(probe, windows)


def to_utf8(path: str, codec: str, target: str) -> None:
    """Write a text as UTF-8 without a byte order mark; line ends stay as they are."""
    with (
        Path(path).open(encoding=codec, newline="") as source,
        Path(target).open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(source.read(CHUNK).removeprefix("\ufeff"))
        while text := source.read(CHUNK):
            file.write(text)


# The whole file -----------------------------------------------------------------------------


def _chunks(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield b""


def _check(probe: Probe, codec: str, limit: int | None) -> list[bytes]:
    """Decode the whole file strictly; return samples of it that are more than ASCII."""
    decoder = codecs.getincrementaldecoder(codec)(errors="strict")
    offset, held, start = 0, 0, 0
    wide, windows = codec.startswith("utf-16") or codec == "utf-32", list[bytes]()
    for chunk in _chunks(probe.path):
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            place = offset - held + getattr(error, "start", 0)
            raise EncodingUnknown(
                file=probe.name,
                encoding=codec.removesuffix("-sig").upper(),
                line=_line_at(probe.path, place),
                offset=place,
            ) from None
        if "\0" in text:
            place = offset + chunk.find(b"\0")
            raise NulFound(file=probe.name, line=_line_at(probe.path, place), offset=place)
        if limit is not None:
            start = _check_lines(probe, chunk, offset, start, limit)
        if not wide and len(windows) < _WINDOWS_KEPT:
            windows += _windows(chunk, first=not offset)
        offset, held = offset + len(chunk), len(decoder.getstate()[0])
    return windows


def _check_lines(probe: Probe, chunk: bytes, offset: int, start: int, limit: int) -> int:
    """Measure the lines of a chunk in long steps; return where the last, open one starts."""
    mark = b"\n" if b"\n" in chunk else b"\r"
    end = offset + len(chunk)
    while end - start > limit:
        last = chunk.rfind(mark, max(0, start - offset), max(0, start - offset + limit + 1))
        if last < 0:
            raise LineTooLong(file=probe.name, line=_line_at(probe.path, start), limit=limit)
        start = offset + last + 1
    last = chunk.rfind(mark)
    return offset + last + 1 if last >= 0 else start


def _line_at(path: str, offset: int) -> int:
    """Number of the physical line that a byte stands on, 1-based."""
    line, left = 1, offset
    for chunk in _chunks(path):
        line += chunk[:left].count(b"\n")
        left -= len(chunk)
        if left <= 0 or not chunk:
            break
    return line


def _windows(chunk: bytes, *, first: bool) -> list[bytes]:
    """Whole lines from the first byte beyond ASCII on, as one sample of a chunk.

    A chunk that is not the first one begins within a line, perhaps within a character.
    """
    found = _MULTI.search(chunk, 0 if first else chunk.find(b"\n") + 1)
    if found is None:
        return []
    start = chunk.rfind(b"\n", 0, found.start()) + 1
    window = chunk[start : start + _WINDOW]
    if start + _WINDOW < len(chunk):
        window = window[: window.rfind(b"\n") + 1] or window
    return [window]


# GB18030, Big5 and what only looks like them ------------------------------------------------


def _chinese(probe: Probe, no_utf8: EncodingUnknown, limit: int | None) -> Found:
    decodable: dict[str, str] = {}
    windows: list[bytes] = []
    for family, codec in (("gb18030", "gb18030"), ("big5", "big5"), ("big5", "big5hkscs")):
        if family in decodable:
            continue
        try:
            windows = _check(probe, codec, limit)
        except EncodingUnknown:
            continue
        decodable[family] = codec
    scores = {family: _score(windows, family) for family in decodable}
    ranked = sorted(scores, key=lambda family: -scores[family])
    if not ranked or scores[ranked[0]] <= 0:
        raise no_utf8
    first = ranked[0]
    _refuse_mixture(probe, first, windows, ranked)
    if _is_foreign(windows, first, scores[first]):
        raise _unclear(
            probe, "像是韩文、日文或其他文字", "it may be Korean, Japanese or another language"
        )
    if len(ranked) == 1 or scores[first] - scores[ranked[1]] >= _SURE:
        return Found(decodable[first])
    second = ranked[1]
    samples = {name: excerpt(_decode(windows, name), 8) for name in ranked}
    if scores[first] - scores[second] < _LIKELY:
        raise _unclear(
            probe,
            f"按 {first.upper()} 读是“{samples[first]}”，"
            f"按 {second.upper()} 读是“{samples[second]}”",
            f"'{samples[first]}' in {first}, '{samples[second]}' in {second}",
        )
    return Found(decodable[first], (ambiguity(probe.name, first, second, samples),))


def ambiguity(name: str, first: str, second: str, samples: dict[str, str]) -> Notice:
    """Notice that a text reads as sense in two encodings, with a sample of each."""
    return Notice(
        code="D02",
        severity="warn",
        zh=f"文件“{name}”的编码不能完全确定：按 {first.upper()} 读是“{samples[first]}”（已采用），"
        f"按 {second.upper()} 读是“{samples[second]}”。"
        f"请核对文字，或另存为 UTF-8，或注明 charset。",
        en=f"The encoding of '{name}' is not certain: read as {first} ('{samples[first]}'), it "
        f"might be {second} ('{samples[second]}'). Save it as UTF-8 or state the charset.",
        sample=samples[first],
    )


def _unclear(probe: Probe, zh: str, en: str) -> EncodingUnclear:
    return EncodingUnclear(file=probe.name, reason_zh=zh, reason_en=en)


def _decode(windows: Iterable[bytes], family: str) -> str:
    codec = "big5hkscs" if family == "big5" else family
    text = "".join(window.decode(codec, errors="ignore") for window in windows)
    return "".join(re.findall("[^\x00-\x7f]", text[: 4 * _WINDOW])) or text


def _score(windows: Iterable[bytes], family: str) -> float:
    """Sum of the weights of the distinct characters; positive where the text is Chinese."""
    texts = set[str]()
    for window in windows:
        texts |= set(window.decode("big5hkscs" if family == "big5" else family, errors="ignore"))
        if len(texts) > _WINDOW // 4:  # more would only add the long tail of rare ones
            break
    return _PRIOR[family] + sum(_weight(c, family) for c in texts if c > "\x7f")


def _weight(character: str, family: str) -> float:
    if character in COMMON:
        return _COMMON
    data = character.encode("big5hkscs" if family == "big5" else family, errors="replace")
    plain = family == "big5" or (len(data) == _PAIR and data[1] >= _GB2312_FROM)
    if not plain:  # beyond GB/T 2312: GBK and four-byte characters
        return _ODD
    return next((weight for leads, weight in _LEADS[family] if data[0] in leads), _ODD)


def _is_foreign(windows: list[bytes], family: str, score: float) -> bool:
    """Whether a statistical detector finds another language, and the text is not fluent here."""
    distinct = len(set(_decode(windows, family)))
    if not distinct or score / distinct >= _FLUENT:
        return False
    halting = distinct >= _MANY and (score - _PRIOR[family]) / distinct < _HALTING
    import chardet

    guesses = chardet.detect_all(b"".join(windows)[:HEAD])
    found = {str(g["encoding"]): float(g["confidence"]) for g in guesses}
    own = max((c for name, c in found.items() if name.lower().startswith(_OWN)), default=0.0)
    return (halting and not own) or any(found.get(name, 0) > own for name in _FOREIGN)


def _refuse_mixture(probe: Probe, family: str, windows: list[bytes], ranked: list[str]) -> None:
    """Refuse a file of which one part is in another encoding than the rest.

    Raises:
        EncodingUnclear: with the line where the other encoding begins, or what it is.

    """
    offset = 0
    for chunk in _chunks(probe.path):
        for run in _UTF8_RUN.finditer(chunk):
            start = chunk.rfind(b"\n", 0, run.start()) + 1
            end = chunk.find(b"\n", run.end())
            if _is_utf8(chunk[start : end if end >= 0 else len(chunk)]):
                line = _line_at(probe.path, offset + run.start())
                raise _unclear(
                    probe,
                    f"第 {line} 行像是 UTF-8，其余是 {family.upper()}",
                    f"line {line} seems to be UTF-8, the rest {family}",
                )
        offset += len(chunk)
    for other in ranked[1:]:
        worst = min((_score([w], family) - _score([w], other) for w in windows), default=0)
        if worst < -2 * _SURE:
            raise _unclear(
                probe,
                f"一部分像 {family.upper()}，另一部分像 {other.upper()}",
                f"one part seems to be {family}, another {other}",
            )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _maybe_utf8(probe: Probe, windows: list[bytes]) -> Found:
    """UTF-8, unless so few two-byte characters stand in it that GB18030 is as likely.

    Two hanzi of GB18030 can be two valid UTF-8 sequences: `联通` is the known example.
    """
    text = "".join(w.decode("utf-8", errors="ignore") for w in windows)
    characters = {c for c in text if c > "\x7f"}
    if not characters or any(c > "\u07ff" for c in characters):
        return Found("utf-8")
    try:
        _check(probe, "gb18030", None)
    except EncodingUnknown:
        return Found("utf-8")
    samples = {"utf-8": excerpt("".join(sorted(characters)), 8), "gb18030": ""}
    samples["gb18030"] = excerpt(_decode(windows, "gb18030"), 8)
    score = _score(windows, "gb18030")
    western = all(c <= "\u017f" for c in characters)
    if score <= _PRIOR["gb18030"] and western:
        return Found("utf-8")
    if western:
        return Found("utf-8", (ambiguity(probe.name, "utf-8", "gb18030", samples),))
    if score < _LIKELY:
        return Found("utf-8", (ambiguity(probe.name, "utf-8", "gb18030", samples),))
    return Found("gb18030", (ambiguity(probe.name, "gb18030", "utf-8", samples),))


# UTF-16 without a mark, and declared encodings ----------------------------------------------


def _wide(probe: Probe, head: bytes, limit: int | None) -> Found:
    shares = {codec: _textual_share(head, codec) for codec in ("utf-16-le", "utf-16-be")}
    codec = max(shares, key=lambda name: shares[name])
    if shares[codec] >= _TEXTUAL_SHARE:
        _check(probe, codec, limit)
        return Found(codec)
    if len(_CONTROL.findall(head)) + head.count(0) // 2 > len(head) // 100 + 2:
        raise wrong_format(probe, "二进制数据 binary data")
    place = head.index(0)
    raise NulFound(file=probe.name, line=head[:place].count(b"\n") + 1, offset=place)


def _textual_share(head: bytes, codec: str) -> float:
    text = head[: len(head) // 2 * 2].decode(codec, errors="replace")
    return len(_TEXTUAL.findall(text)) / max(1, len(text))


def _declared(probe: Probe, head: bytes, limit: int | None) -> Found:
    # gb2312 and gbk are widened to gb18030, which contains them (GB 18030-2022).
    codec = _WIDER.get(probe.charset, probe.charset)
    if codec == "utf-8" and head.startswith(codecs.BOM_UTF8):
        codec = "utf-8-sig"
    if codec == "utf-16" and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if b"\x00" not in head:
            raise EncodingUnknown(file=probe.name, encoding="UTF-16", line=1, offset=0)
        return _wide(probe, head, limit)
    if codec not in ("gb18030", "big5"):
        _check(probe, codec, limit)
        return Found(codec)
    if codec == "big5":
        codec = _big5(probe)
    family = codec[:4] if codec.startswith("big5") else codec
    windows = _check(probe, codec, limit)
    if head.startswith("\ufeff".encode("gb18030")):
        return Found(codec)
    if _reads_as_utf8(probe, windows) or (windows and _score(windows, family) <= 0):
        raise EncodingUnknown(file=probe.name, encoding=probe.charset.upper(), line=1, offset=0)
    return Found(codec)


def _big5(probe: Probe) -> str:
    try:
        _check(probe, "big5", None)
    except EncodingUnknown:
        return "big5hkscs"
    return "big5"


def _reads_as_utf8(probe: Probe, windows: list[bytes]) -> bool:
    """Whether the bytes are UTF-8 with characters of three bytes: hardly ever GB18030."""
    try:
        _check(probe, "utf-8", None)
    except EncodingUnknown:
        return False
    return any(c > "\u07ff" for w in windows for c in w.decode("utf-8", errors="ignore"))
