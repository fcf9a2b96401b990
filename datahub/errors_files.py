"""The branch of errors about files that were handed in: what is wrong, where, what is right.

    FileError               bytes handed in cannot be read as a table; a submission is rejected

Import these from `datahub.errors`, where the whole tree is; the texts follow its rules.
"""

from __future__ import annotations

from datahub.errors_base import DatahubError


class FileError(DatahubError):
    """Bytes handed in cannot be read as a table; the submission is rejected with this."""

    code = "file-unreadable"
    status = 422
    zh = "文件“{file}”无法读取：{reason_zh}"
    en = "File '{file}' cannot be read: {reason_en}"


class FileEmpty(FileError):
    """The file has no bytes, or no row."""

    code = "file-empty"
    zh = "文件“{file}”是空的。请检查导出是否成功，再重新报送。"
    en = "File '{file}' is empty. Check the export and hand it in again."


class FormatMismatch(FileError):
    """The content is not what the file's name says."""

    code = "format-mismatch"
    zh = "文件“{file}”的名称是 {named}，内容却是 {found}。请另存为 CSV（UTF-8）或 XLSX 再报送。"
    en = "File '{file}' is named {named} but contains {found}. Save it as CSV (UTF-8) or XLSX."


class FormatBroken(FileError):
    """The content breaks the rules of its own format: cut off, or crafted."""

    code = "format-broken"
    zh = "文件“{file}”不是完整的 {format}：{reason_zh}。请重新导出，再报送。"
    en = "File '{file}' is no complete {format}: {reason_en}. Export it again and hand it in."


class FormatUnknown(FileError):
    """The content is no format that can be read here."""

    code = "format-unknown"
    zh = "认不出文件“{file}”的格式（{found}）。可以报送 CSV 或 XLSX。"
    en = "The format of '{file}' is not known here ({found}). Hand in CSV or XLSX."


class TableUnclear(FileError):
    """A file holds several tables that fit the schema equally: none is guessed."""

    code = "table-unclear"
    zh = "文件“{file}”里有几个表都像要报送的表：{found}。请只留一个，或分成几个文件报送。"
    en = "Several tables of '{file}' fit: {found}. Keep one of them, or hand in separate files."


class EncodingUnknown(FileError):
    """The text decodes in none of the encodings, or not in the declared one."""

    code = "encoding-unknown"
    zh = "文件“{file}”第 {line} 行（字节 {offset}）不是有效的 {encoding} 文字，请另存为 UTF-8。"
    en = "File '{file}' is not valid {encoding} at line {line} (byte {offset}). Save it as UTF-8."


class EncodingUnclear(FileError):
    """The text reads as sense in two encodings, or as sense in none: the owner must say."""

    code = "encoding-unclear"
    zh = "无法确定文件“{file}”的编码：{reason_zh}。请另存为 UTF-8，或报送时注明 charset。"
    en = "The encoding of '{file}' is unclear: {reason_en}. Save it as UTF-8 or state the charset."


class NulFound(FileError):
    """Text holds a NUL byte: it is binary data, or was damaged on the way."""

    code = "nul-found"
    zh = "文件“{file}”第 {line} 行（字节 {offset}）含有 NUL 字符，不是正常的文字。请重新导出。"
    en = "File '{file}' has a NUL character at line {line} (byte {offset}). Export it again."


class QuoteOpen(FileError):
    """A quotation mark is never closed: everything below it is swallowed by one cell."""

    code = "quote-open"
    zh = (
        "文件“{file}”第 {row} 行（文本第 {line} 行起）的引号 {quote} 没有闭合，其后的内容都被并进"
        "一个单元格。请在该单元格末尾补上引号；单元格内的引号要写两次。"
    )
    en = (
        "The quote {quote} that opens in row {row} (line {line}) of '{file}' is never closed. "
        "Close it; write a quote within a cell twice."
    )


class ColumnsTooMany(FileError):
    """A row has more cells than a table can have columns."""

    code = "columns-too-many"
    zh = "文件“{file}”第 {line} 行有 {columns} 列以上，上限是 {limit} 列。请检查分隔符和换行。"
    en = "Row {line} of '{file}' has {columns} columns or more; the limit is {limit}."


class LineTooLong(FileError):
    """One line exceeds what a row can be; line ends or the delimiter are missing."""

    code = "line-too-long"
    zh = "文件“{file}”第 {line} 行超过 {limit} 字节，像是缺少换行。请检查导出的换行符。"
    en = "Line {line} of '{file}' exceeds {limit} bytes; line breaks seem to be missing."


class ArchiveBomb(FileError):
    """A compressed file would unpack to far more than it should."""

    code = "archive-bomb"
    zh = "文件“{file}”解压后有 {bytes} 字节，超过上限 {limit} 字节，已拒绝打开。"
    en = "File '{file}' would unpack to {bytes} bytes, over the limit of {limit}."


class ArchiveUnfit(FileError):
    """An archive does not hold exactly one table that can be read."""

    code = "archive-unfit"
    zh = "压缩文件“{file}”不能使用：{reason_zh}。请只放一个 CSV、XLSX 或 JSON 表，再报送。"
    en = "Archive '{file}' cannot be used: {reason_en}. Put exactly one table into it."


class SheetTooWide(FileError):
    """A sheet has cells far from its table, which make it a huge and nearly empty grid."""

    code = "sheet-too-wide"
    zh = (
        "文件“{file}”的工作表“{sheet}”占 {rows} 行 {columns} 列，实际只有 {cells} 个单元格。"
        "请删除表格以外的零散内容，另存后再报送。"
    )
    en = (
        "Sheet '{sheet}' of '{file}' spans {rows} x {columns} cells but fills only {cells}. "
        "Delete what stands outside the table."
    )


class HeaderMissing(FileError):
    """No row of the file looks like the schema's header."""

    code = "header-missing"
    zh = "在文件“{file}”的前 {searched} 行里找不到表头。应有的列：{expected}；第一行是：{found}"
    en = "No header in the first {searched} rows of '{file}'. Expected: {expected}; row 1: {found}"


class ChildTimeout(FileError):
    """The file took longer to read than a stage may run."""

    code = "time-limit"
    zh = "处理文件超过 {seconds} 秒，已停止。请拆成几个较小的文件。"
    en = "Processing took more than {seconds} s and was stopped. Split the file into smaller ones."


class ChildMemory(FileError):
    """The file took more memory to read than a stage may use."""

    code = "memory-limit"
    zh = "处理文件所需内存超过上限 {limit} 字节，已停止。请拆成几个较小的文件。"
    en = "Processing needed more than {limit} bytes of memory. Split the file into smaller ones."


class ChildCrashed(FileError):
    """The process that read the file died."""

    code = "parser-crashed"
    zh = "文件无法解析（解析进程意外结束：{signal}）。文件可能已损坏，请重新导出。"
    en = "The file could not be parsed (the parser ended by {signal}). Export it again."


class TableInvalid(FileError):
    """The table breaks its schema; the report has every error."""

    code = "table-invalid"
    zh = "数据不符合标准，共 {errors} 处错误（{types}）。请按报告逐项修改后重新报送。"
    en = "The data breaks the schema in {errors} places ({types}). Mend them as the report says."


class ReferenceMissing(FileError):
    """A table of another dataset that foreign keys or rules refer to has no such release."""

    code = "reference-missing"
    zh = "表结构引用的“{reference}”（版本 {version}）没有发布，无法核对。请先发布它，或修改表结构。"
    en = "The schema refers to '{reference}' (version {version}), of which there is no release."


class FindingsBlock(FileError):
    """The screening found what must not be published."""

    code = "findings-block"
    zh = "筛查发现不能公开的内容：{zh}"
    en = "The screening found what must not be published: {en}"


class SubmissionIncomplete(FileError):
    """A submission lacks a file for a resource, or has one for a resource that is not there."""

    code = "submission-incomplete"
    zh = "数据集 {dataset} 需要这些资源的文件：{expected}；收到的是：{received}"
    en = "Dataset {dataset} needs files for: {expected}; received: {received}"
