"""How a receiver of webhooks checks what comes: told by the API's description and its page."""

from __future__ import annotations

SNIPPET = '''\
import base64, hmac, time

def check(secret, headers, body):
    """Raise ValueError unless the message is ours and new; `body` is the bytes as they came."""
    number, sent = headers["webhook-id"], headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{number}.{sent}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    given = headers["webhook-signature"].split(" ")
    if not any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given):
        raise ValueError("the signature is not that of the message")
    if abs(time.time() - int(sent)) > 300:
        raise ValueError("the message is old: somebody sends it again")
'''
"""Python for receivers, of its standard library alone."""

MADE = f"""Changes from now on are sent to `url` by POST, signed (Standard Webhooks 1.0.0).

The secret (`whsec_…`) is shown this once. Only public addresses are delivered to.

The body is JSON: `type` (ping, or what happened as in /api/v1/changes), `timestamp`, `data` (the
change). Three headers come with it:

- `webhook-id`: the message's own; it stays the same however often it is sent: take each one once.
- `webhook-timestamp`: when this attempt was made, in seconds since 1970.
- `webhook-signature`: `v1,` and the base64 of HMAC-SHA256, over webhook-id, a full stop,
  webhook-timestamp, a full stop and the bytes of the body; the key is what follows `whsec_`,
  decoded from base64. There may be several, separated by blanks.

Answer 2xx within 10 seconds. Otherwise the message is sent again, 7 times in all over 31 hours;
410 ends the webhook.

```python
{SNIPPET}```
"""
"""Description of making a webhook, in CommonMark as OpenAPI has it."""
