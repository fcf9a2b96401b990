"""Errors of the glossary (政务词条), a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import AccessError, MissingError, RequestError, StateError


class TermUnknown(MissingError):
    """No glossary entry has this id, or none that the asker may see."""

    code = "term-unknown"
    zh = "没有编号为“{term}”的政务词条；现有词条见 /api/v1/glossary。"
    en = "There is no glossary entry '{term}'; see /api/v1/glossary."


class TermVersionUnknown(MissingError):
    """The glossary entry has no such version, or none that the asker may see."""

    code = "term-version-unknown"
    zh = "词条“{term}”没有第 {version} 版；现有：{allowed}"
    en = "Glossary entry '{term}' has no version {version}; it has: {allowed}"


class TermInvalid(RequestError):
    """A field of a glossary entry breaks a rule."""

    code = "term-invalid"
    status = 422
    zh = "词条“{term}”的 {field} 不对：{reason_zh}"
    en = "Field {field} of glossary entry '{term}' is wrong: {reason_en}"


class TermTaken(StateError):
    """Two glossary entries may not share a term or synonym."""

    code = "term-taken"
    zh = "词条“{term}”的 {field}“{word}”已属于词条 {other}（{other_title}），两条不能同词。"
    en = (
        "'{word}' ({field} of '{term}') belongs to glossary entry {other} already; change that one."
    )


class TermChanged(StateError):
    """The glossary entry changed since the asker read it (RFC 9110 §13.1.1)."""

    code = "term-changed"
    status = 412
    zh = "词条“{term}”已经是第 {current} 版，您的修改基于 {given}。请重新读取后再改。"
    en = "Glossary entry '{term}' is at version {current}, not {given}. Read it again and retry."


class ConditionMissing(RequestError):
    """A change of something that exists needs If-Match (RFC 6585 §3)."""

    code = "condition-missing"
    status = 428
    zh = "修改词条“{term}”须带请求头 If-Match（读取时的 ETag，现为 {current}），免得覆盖别人。"
    en = "Send If-Match with the ETag you read (now {current}) to change entry '{term}'."


class TermPending(StateError):
    """Another person's proposal for the same glossary entry waits for its decision."""

    code = "term-pending"
    zh = "词条“{term}”的第 {version} 版正等待审核，审核后才能再提修改。"
    en = "Version {version} of glossary entry '{term}' waits for its decision; propose after it."


class TermForeign(AccessError):
    """A reviewer of one publisher decides on another publisher's glossary entry."""

    code = "term-foreign"
    zh = "词条“{term}”由 {owner} 负责，应由其审核人、平台审核人或管理员决定；您的账号属于 {own}。"
    en = (
        "Entry '{term}' is {owner}'s: its reviewers, the platform's or operators decide, not {own}."
    )


class OwnTerm(AccessError):
    """Nobody decides on their own proposal."""

    code = "own-term"
    zh = "提出人不能审核自己提出的词条修改，请由另一位同事审核。"
    en = "Nobody decides on their own proposal; another person must."
