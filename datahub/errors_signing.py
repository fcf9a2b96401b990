"""What may be wrong with a signed release, each kind with what it means and what to do."""

from __future__ import annotations

from datahub.errors import DigestMismatch

KINDS: dict[str, tuple[str, str]] = {
    "missing": (
        "少了这个文件。请重新运行 datahub pull。",
        "The file is not there. Run datahub pull again.",
    ),
    "altered": (
        "内容与清单不符。请删除后重新下载；仍不符请告诉发布方。",
        "The bytes are not those of the manifest. Delete them and download again.",
    ),
    "extra": (
        "清单里没有这个文件，没有人为它担保。不需要就请删除。",
        "The manifest does not know this file; nobody vouches for it. Delete it.",
    ),
    "unreadable": (
        "读不出来，或格式不对。请重新下载。",
        "It cannot be read, or is not in the form it should have. Download it again.",
    ),
    "oversized": (
        "比应有的大，已停止读取。可能有人冒充服务，请换网络再试。",
        "It is larger than it may be and was not read on. Try from another network.",
    ),
    "name": (
        "清单中的文件名会越出目录，或有两个分不清的名字，已拒绝。请告诉发布方。",
        "File names of the manifest leave the folder or cannot be told apart; refused.",
    ),
    "unsigned": (
        "缺少签名文件，不能证明是谁发布的。请重新运行 datahub pull；只核对摘要可加 --unsigned。",
        "A signed document is missing. Run datahub pull again, or check digests with --unsigned.",
    ),
    "stranger": (
        "由未受信任的密钥签名。请向发布方核对密钥编号；确属更换，用 --key 指定新密钥。",
        "Signed by a key that is not trusted. Ask the publisher for its id, then give --key ID.",
    ),
    "forged": (
        "签名与内容不符：内容被改过。请勿使用，重新下载。",
        "The signature does not fit the bytes: they were changed. Do not use them.",
    ),
    "retired": (
        "用已停用的密钥签名。旧密钥可能已泄露，请勿使用并告诉发布方。",
        "Signed by a key after it was retired; it may be in wrong hands. Tell the publisher.",
    ),
    "expired": (
        "版本链已过期，可能有人扣住了新版本。请稍后从原网站再试。",
        "The chain has expired: newer releases may be kept from you. Try the site again.",
    ),
    "clock": (
        "版本链的签发时间在将来。请校准本机时钟。",
        "The chain was issued in the future. Set this machine's clock.",
    ),
    "rollback": (
        "比您以前见过的版本链旧。请对同一版本重新运行 datahub pull 更新凭证；仍如此请告诉发布方。",
        "The chain is older than one seen before. Pull the release again to renew its proofs.",
    ),
    "rewritten": (
        "以前见过的版本被改写或被删去。发布过的版本永不改变，请勿使用。",
        "Releases that were seen before are changed or gone. Releases never change: do not use.",
    ),
    "unburied": (
        "以前撤回的版本又出现了。撤回不可收回，请勿使用。",
        "A release that was withdrawn is back. A withdrawal is never undone: do not use it.",
    ),
    "chain": (
        "版本链自相矛盾（缺版本、次序或“最新”不对）。请勿使用，告诉发布方。",
        "The chain contradicts itself: a gap, a wrong order, or a wrong latest. Do not use it.",
    ),
    "foreign": (
        "是另一个数据集或另一个版本的内容，被放到了这里。请重新下载。",
        "It belongs to another dataset or version and was put in this place. Download again.",
    ),
    "withdrawn": (
        "这一版已被撤回，请勿使用；请改用最新版本。",
        "This release was withdrawn; do not use it. Take the latest one.",
    ),
}
"""Kinds of faults: meaning and advice in Chinese and English."""


class ProofInvalid(DigestMismatch):
    """Signed documents or bytes are not what the publisher signed."""

    code = "proof-invalid"
    zh = "{place}：{meaning_zh}（应为 {expected}，实为 {actual}）[{kind}]"
    en = "{place}: {meaning_en} (expected {expected}, found {actual}) [{kind}]"


def refused(kind: str, place: str, *, expected: object = "", actual: object = "") -> ProofInvalid:
    """Return the error of a kind; `place` is a document or file by its public name."""
    meaning_zh, meaning_en = KINDS[kind]
    return ProofInvalid(
        kind=kind,
        place=place,
        expected=str(expected)[:200] or "—",
        actual=str(actual)[:200] or "—",
        meaning_zh=meaning_zh,
        meaning_en=meaning_en,
    )
