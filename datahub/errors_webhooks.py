"""Errors of webhooks, a leaf of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import MissingError, RequestError, StateError


class WebhookUnknown(MissingError):
    """The asker has no webhook with this id."""

    code = "webhook-unknown"
    zh = "您没有编号为“{webhook}”的推送订阅；已有的见 /api/v1/webhooks。"
    en = "You have no webhook '{webhook}'; yours are listed at /api/v1/webhooks."


class DeliveryUnknown(MissingError):
    """A webhook's log has no delivery with this number."""

    code = "delivery-unknown"
    zh = "推送订阅 {webhook} 的记录中没有编号为“{delivery}”的投递。"
    en = "The log of webhook {webhook} has no delivery '{delivery}'."


class WebhookAddressInvalid(RequestError):
    """Nothing is delivered to this address."""

    code = "webhook-address-invalid"
    status = 422
    zh = "推送地址 url 不能使用：{reason_zh}"
    en = "Nothing is delivered to this url: {reason_en}"


class WebhookLimit(StateError):
    """One owner has as many webhooks as anybody may have."""

    code = "webhook-limit"
    zh = "每个用户最多 {limit} 个推送订阅，请先删除不用的。"
    en = "Nobody has more than {limit} webhooks; delete one first."
