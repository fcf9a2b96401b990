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

from datahub.errors_base import DatahubError, codes, from_code
from datahub.errors_files import (
    ArchiveBomb,
    ArchiveUnfit,
    ChildCrashed,
    ChildMemory,
    ChildTimeout,
    ColumnsTooMany,
    EncodingUnclear,
    EncodingUnknown,
    FileEmpty,
    FileError,
    FindingsBlock,
    FormatBroken,
    FormatMismatch,
    FormatUnknown,
    HeaderMissing,
    LineTooLong,
    NulFound,
    QuoteOpen,
    ReferenceMissing,
    SheetTooWide,
    SubmissionIncomplete,
    TableInvalid,
    TableUnclear,
)

__all__ = [
    "AccessError",
    "ArchiveBomb",
    "ArchiveUnfit",
    "BodyInvalid",
    "BodyTooLarge",
    "CatalogError",
    "ChildCrashed",
    "ChildMemory",
    "ChildTimeout",
    "ColumnsTooMany",
    "CursorInvalid",
    "DataNotOpen",
    "DatahubError",
    "DatasetUnknown",
    "DecisionVoid",
    "DigestMismatch",
    "DistributionUnknown",
    "EncodingUnclear",
    "EncodingUnknown",
    "FileEmpty",
    "FileError",
    "FindingsBlock",
    "FormatBroken",
    "FormatMismatch",
    "FormatUnknown",
    "HeaderMissing",
    "LineTooLong",
    "MethodNotAllowed",
    "MissingError",
    "NameInvalid",
    "NulFound",
    "OwnSubmission",
    "ParameterInvalid",
    "ParameterUnknown",
    "PersonUnknown",
    "PlatformError",
    "PublisherForeign",
    "QuoteOpen",
    "ReferenceMissing",
    "ReleaseUnknown",
    "ReleaseWithdrawn",
    "ReportMissing",
    "RequestError",
    "ResourceUnknown",
    "ServiceUnavailable",
    "SheetTooWide",
    "StateError",
    "StorageFull",
    "SubmissionIncomplete",
    "SubmissionUnknown",
    "TableInvalid",
    "TableUnclear",
    "TokenInvalid",
    "TokenMissing",
    "VocabularyUnknown",
    "codes",
    "from_code",
]


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
    zh = "没有叫“{name}”的参数或列；可用的：{there_zh}"
    en = "There is no parameter or column called '{name}'; there are: {there_en}"

    def __init__(self, *, name: str, allowed: str, **_: str) -> None:
        """Keep the name that was given and those there are."""
        there = {"there_zh": allowed or "无", "there_en": allowed or "none"}
        super().__init__(name=name, allowed=allowed, **there)


class CursorInvalid(RequestError):
    """A cursor was altered or belongs to another resource."""

    code = "cursor-invalid"
    zh = (
        "cursor 不是本接口为这个查询给出的值：它只用于上一页给出的 next 地址，筛选、排序、列和版本"
        "都不能改。请从第一页重新开始（去掉 cursor 参数）。"
    )
    en = (
        "The cursor was not issued here for this question: it goes with the next address of the "
        "page before, whose conditions, order, columns and version stay as they are. Start again "
        "at page one, without cursor."
    )


class BodyInvalid(RequestError):
    """A request body does not have the shape that the route documents."""

    code = "body-invalid"
    zh = "请求内容不对：{reason_zh}"
    en = "The request body is wrong: {reason_en}"


class NameInvalid(RequestError):
    """A name has characters or a length that names here do not have."""

    code = "name-invalid"
    zh = "“{value}”不能用作{what_zh}：{reason_zh}"
    en = "'{value}' cannot be a {what_en}: {reason_en}"


class BodyTooLarge(RequestError):
    """The body exceeds the limit for one submission."""

    code = "body-too-large"
    status = 413
    zh = "请求内容超过上限 {limit} 字节。文件请拆成几个分别报送，其他请求请缩短内容。"
    en = "The body exceeds the limit of {limit} bytes. Split files into several; else send less."


class MethodNotAllowed(RequestError):
    """The address exists, the method does not."""

    code = "method-not-allowed"
    status = 405
    zh = "这个地址不支持 {method} 方法，支持的是 {allowed}。"
    en = "This address does not support {method}; it supports {allowed}."


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
    en = (
        "A token is needed: send Authorization: Bearer <token>. Operators of the service make them."
    )


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
    zh = "没有这个地址；全部地址见 /docs。"
    en = "There is nothing at this address; /docs lists all there are."


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


class VocabularyUnknown(MissingError):
    """No code list has this name."""

    code = "vocabulary-unknown"
    zh = "没有名为“{vocabulary}”的代码表；现有：{allowed}"
    en = "There is no vocabulary called '{vocabulary}'; there are: {allowed}"


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
