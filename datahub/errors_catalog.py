"""Errors of catalog records, a leaf of the tree in `errors`: names, proposals, life cycle."""

from __future__ import annotations

from datahub.errors import (
    AccessError,
    BodyInvalid,
    DatasetUnknown,
    MissingError,
    RequestError,
    StateError,
)


class DatasetMoved(DatasetUnknown):
    """The dataset has another name now; requests for the old one are redirected."""

    code = "dataset-moved"
    status = 308
    zh = "数据集“{dataset}”已更名为“{now}”，请使用新的地址。"
    en = "Dataset '{dataset}' is called '{now}' now; use the new address."


class DatasetGone(MissingError):
    """The dataset was withdrawn or is a tombstone: its record stays, its data is not served."""

    code = "dataset-tombstone"
    status = 410
    zh = "数据集 {dataset} 已于 {at} 停止开放，原因：{reason}。{hint_zh}"
    en = "Dataset {dataset} was taken down on {at}: {reason}. {hint_en}"


class RecordInvalid(BodyInvalid):
    """A record breaks rules; `problems` lists all of them with field, rule, zh and en."""

    code = "record-invalid"
    status = 422
    zh = "目录记录有 {count} 处不符合规则：{list_zh}"
    en = "The record breaks {count} rules: {list_en}"


class RecordChanged(StateError):
    """If-Match names another state of the record than the present one."""

    code = "record-changed"
    status = 412
    zh = "数据集 {dataset} 的记录已被别人修改（当前 ETag：{etag}）。请重新读取、合并后再保存。"
    en = "The record of {dataset} was changed meanwhile (ETag now {etag}); read it and try again."


class NameTaken(StateError):
    """A name or code was used before; identifiers are never reused."""

    code = "identifier-taken"
    zh = "{field} 的值“{value}”已经属于数据集 {dataset}；标识符不得重复使用，请换一个。"
    en = "{field} '{value}' belongs to dataset {dataset}; identifiers are never used again."


class SuccessorInvalid(RequestError):
    """A successor does not exist, or following successors would lead in a circle."""

    code = "successor-invalid"
    status = 422
    zh = "后继数据集 successor 的值“{successor}”不对：{reason_zh}"
    en = "The successor '{successor}' is wrong: {reason_en}"


class ProposalUnknown(MissingError):
    """No proposal has this id, or none that the asker may see."""

    code = "proposal-unknown"
    zh = "没有编号为“{proposal}”的变更申请。"
    en = "There is no proposal '{proposal}'."


class OwnProposal(AccessError):
    """Nobody decides on their own proposal, whatever their roles."""

    code = "own-proposal"
    zh = "申请人不能审核自己的变更申请，请由另一位同事审核。"
    en = "Nobody decides on their own proposal; another person must."


class ProposalSuperseded(StateError):
    """The record changed since it was proposed, so the proposal does not apply any more."""

    code = "proposal-superseded"
    zh = "变更申请 {proposal} 提出之后，数据集 {dataset} 的记录已有改动，该申请已失效，请重新提出。"
    en = "The record of {dataset} changed after {proposal} was proposed; propose the change again."


class SeriesMissing(MissingError):
    """The record declares no series, or its table cannot tell one."""

    code = "series-missing"
    zh = "数据集 {dataset} 不能核对期次：{reason_zh}"
    en = "Dataset {dataset} has no series to check: {reason_en}"


class PublisherUnknown(MissingError):
    """No publisher has this id."""

    code = "publisher-unknown"
    zh = "没有标识为“{publisher}”的发布机构；现有机构见 /api/v1/publishers。"
    en = "There is no publisher '{publisher}'; see /api/v1/publishers."
