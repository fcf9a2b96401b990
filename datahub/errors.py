"""One tree of errors; each has a stable code, an HTTP status and public text in two languages.

    DatahubError
    ├── RequestError        the request itself is wrong (4xx)
    │   ├── AccessError     who asks, and whether they may
    │   ├── MissingError    what is asked for is not there
    │   └── StateError      it is there, but not in the state for this
    ├── FileError           bytes handed in cannot be read as a table
    ├── CatalogError        a catalog folder or schema has a mistake
    └── PlatformError       our side: full disk, limits, faults

A text is a template over the error's facts. Facts are public: never put a server path, a token
or a value of personal data into one. `retryable` says that the same request may succeed later.
Names end in what went wrong; the word Error is kept for the branches of the tree.
"""

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
        return self.zh.format_map(_Facts(self.facts))

    @property
    def text_en(self) -> str:
        """The public text in English."""
        return self.en.format_map(_Facts(self.facts))

    def __str__(self) -> str:
        return f"{self.code}: {self.text_zh} {self.text_en}"


class _Facts(dict[str, Any]):
    """Facts for a template; one that is missing shows as an ellipsis, never as a KeyError."""

    def __missing__(self, key: str) -> str:
        return "…"


class RequestError(DatahubError):
    """The request cannot be carried out as it stands."""

    code = "bad-request"
    status = 400
    zh = "请求不正确：{reason_zh}"
    en = "The request is wrong: {reason_en}"


class ParameterInvalid(RequestError):
    """A query or path parameter has a value outside its range or grammar."""

    code = "parameter-invalid"
    zh = "参数 {name} 的值“{value}”不对：{reason_zh}"
    en = "Parameter {name} has the value '{value}': {reason_en}"


class ParameterUnknown(RequestError):
    """A query parameter is neither known nor a column."""

    code = "parameter-unknown"
    zh = "没有叫“{name}”的参数或列；可用的列：{allowed}"
    en = "There is no parameter or column called '{name}'; columns: {allowed}"


class CursorInvalid(RequestError):
    """A cursor was altered or belongs to another resource."""

    code = "cursor-invalid"
    zh = "cursor 不是本接口给出的值。请从第一页重新开始（去掉 cursor 参数）。"
    en = "The cursor was not issued here. Start again at page one, without cursor."


class BodyInvalid(RequestError):
    """A request body does not have the shape that the route documents."""

    code = "body-invalid"
    zh = "请求内容不对：{reason_zh}"
    en = "The request body is wrong: {reason_en}"


class NameInvalid(RequestError):
    """A name has characters or a length that names here do not have."""

    code = "name-invalid"
    zh = "{what}“{value}”不能用作名称：{reason_zh}"
    en = "'{value}' cannot be a {what}: {reason_en}"


class BodyTooLarge(RequestError):
    """The body exceeds the limit for one submission."""

    code = "body-too-large"
    status = 413
    zh = "文件超过上限 {limit} 字节。请拆成几个文件分别报送。"
    en = "The body exceeds the limit of {limit} bytes. Split it into several files."


class MethodNotAllowed(RequestError):
    """The address exists, the method does not."""

    code = "method-not-allowed"
    status = 405
    zh = "这个地址不支持 {method} 方法。"
    en = "This address does not support {method}."


class AccessError(RequestError):
    """Who asks is unknown or may not."""

    code = "forbidden"
    status = 403
    zh = "您没有“{permission}”权限。"
    en = "You lack the permission '{permission}'."


class TokenMissing(AccessError):
    """The route needs a token and none was sent."""

    code = "token-missing"
    status = 401
    zh = "需要令牌：请在请求头里加 Authorization: Bearer <令牌>。令牌请向管理员索取。"
    en = "A token is needed: send Authorization: Bearer <token> (datahub token create makes one)."


class TokenInvalid(AccessError):
    """The token is unknown, revoked or expired; which of them is not told."""

    code = "token-invalid"
    status = 401
    zh = "令牌无效：可能输错、已过期或已撤销。请向管理员要一个新的令牌。"
    en = "The token is not valid: mistyped, expired or revoked. Ask an operator for a new one."


class PublisherForeign(AccessError):
    """A person acts on a dataset of a publisher that is not theirs."""

    code = "publisher-foreign"
    zh = "数据集 {dataset} 属于 {publisher}，您的账号属于 {own}，不能代为操作。"
    en = "Dataset {dataset} belongs to {publisher}; your account belongs to {own}."


class DataNotOpen(AccessError):
    """The catalog record is public, the data is not (open type 2 and 3 of the catalog)."""

    code = "data-not-open"
    zh = "数据集 {dataset} 为“{openness}”，目录信息公开，数据不能直接下载。"
    en = "Dataset {dataset} is not open without conditions: its record is public, its data is not."


class OwnSubmission(AccessError):
    """Nobody decides on their own submission, whatever their roles."""

    code = "own-submission"
    zh = "报送人不能审核自己的报送，请由另一位同事审核。"
    en = "Nobody decides on their own submission; another person must."


class MissingError(RequestError):
    """What is asked for is not there."""

    code = "not-found"
    status = 404
    zh = "没有这个地址。"
    en = "There is nothing at this address."


class DatasetUnknown(MissingError):
    """No dataset has this name."""

    code = "dataset-unknown"
    zh = "没有名为“{dataset}”的数据集。{hint_zh}"
    en = "There is no dataset called '{dataset}'. {hint_en}"


class ResourceUnknown(MissingError):
    """The dataset has no resource of this name."""

    code = "resource-unknown"
    zh = "数据集 {dataset} 没有名为“{resource}”的资源；现有：{allowed}"
    en = "Dataset {dataset} has no resource called '{resource}'; it has: {allowed}"


class ReleaseUnknown(MissingError):
    """The dataset has no such release."""

    code = "release-unknown"
    zh = "数据集 {dataset} 没有第 {version} 版；{hint_zh}"
    en = "Dataset {dataset} has no release {version}; {hint_en}"


class DistributionUnknown(MissingError):
    """The release has no such file."""

    code = "file-unknown"
    zh = "数据集 {dataset} 第 {version} 版没有文件“{file}”；现有：{allowed}"
    en = "Release {version} of {dataset} has no file '{file}'; it has: {allowed}"


class SubmissionUnknown(MissingError):
    """No submission has this id."""

    code = "submission-unknown"
    zh = "没有编号为“{submission}”的报送。"
    en = "There is no submission '{submission}'."


class ReportMissing(MissingError):
    """The submission has not been validated (yet)."""

    code = "report-missing"
    zh = "报送 {submission} 现在是“{state}”，还没有校验报告。"
    en = "Submission {submission} is '{state}' and has no report yet."


class PersonUnknown(MissingError):
    """No person has this name."""

    code = "person-unknown"
    zh = "没有名为“{person}”的人员。"
    en = "There is no person called '{person}'."


class ReleaseWithdrawn(MissingError):
    """The release was taken down; the tombstone tells why."""

    code = "release-withdrawn"
    status = 410
    zh = "数据集 {dataset} 第 {version} 版已于 {at} 撤回，原因：{reason}"
    en = "Release {version} of {dataset} was withdrawn on {at}: {reason}"


class StateError(RequestError):
    """The thing is there, but not in the state for this."""

    code = "wrong-state"
    status = 409
    zh = "{what} {id} 现在是“{state}”，不能{action_zh}。"
    en = "{what} {id} is '{state}' and cannot be {action_en}."


class DecisionVoid(StateError):
    """Data or metadata changed after the decision, which therefore does not count."""

    code = "decision-void"
    zh = "报送 {submission} 批准之后元数据有改动，原决定作废，已重新进入校验和审核。"
    en = "The metadata changed after {submission} was approved; it is validated and reviewed again."


class DigestMismatch(StateError):
    """Bytes read back are not the bytes that were recorded."""

    code = "digest-mismatch"
    zh = "文件“{file}”的摘要与清单不符：应为 {expected}，实为 {actual}。请删除后重新下载。"
    en = "The digest of '{file}' is {actual}, not {expected}. Delete it and download again."


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


class CatalogError(DatahubError):
    """A catalog folder or schema has a mistake; place is file, line and field."""

    code = "catalog-invalid"
    status = 422
    zh = "{place}：{reason_zh}"
    en = "{place}: {reason_en}"


class PlatformError(DatahubError):
    """Our side failed; nothing that was acknowledged is lost."""

    retryable = True


class StorageFull(PlatformError):
    """There is no room to store what was sent."""

    code = "storage-full"
    status = 507
    zh = "服务器磁盘空间不足，本次报送没有保存，原有数据不受影响。请联系管理员后重试。"
    en = "The server is out of disk space; this was not stored, nothing else is affected."


class ServiceUnavailable(PlatformError):
    """The server cannot be reached or is not ready."""

    code = "unavailable"
    status = 503
    zh = "服务暂不可用（{reason_zh}），请稍后再试。"
    en = "The service is not available ({reason_en}); try again later."


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
