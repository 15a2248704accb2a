"""What is sent: signed webhooks of about 2 kB with six lines, each a return of its own, as bytes ready for the socket.

They are made before a round begins, so that the load generator spends its time on the network alone. Every system gets
the same bytes: Standard Webhooks' headers over the same body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

#: Fit for a loopback and nothing else.
SECRET = b"a secret for measuring with, 32 b"
SECRET_TEXT = f"whsec_{base64.b64encode(SECRET).decode()}"

#: What the sandbox store sells.
SKUS = ("24-MB01", "24-UG06", "24-WG085", "24-WG086", "24-WG088", "WS12-M-Orange")

_LINES = [
    {
        "sku": sku,
        "quantity": "1",
        "disposition": "sellable",
        "reason": {
            "code": "did-not-fit",
            "text": "The customer found it smaller than on the picture; unworn, the tag still on, packed as sent,"
            " inspected by station 4 and found in order; photographs are kept with the return",
        },
    }
    for sku in SKUS
]


def body_of(name: str) -> bytes:
    """A return that nothing else is; `name` is its event's, its return's and its order's."""
    event = {
        "type": "return.approved",
        "id": f"evt_{name}",
        "occurred_at": "2026-11-23T09:00:00Z",
        "return": {"id": f"RMA-{name}"},
        "order": {"increment_id": name},
        "lines": _LINES,
        "fees": [],
        "currency": "USD",
    }
    return json.dumps(event).encode()


def requests(names: Iterator[str], count: int, *, path: str) -> list[bytes]:
    """`count` whole HTTP requests, signed now."""
    timestamp = str(int(time.time()))
    return [_request(next(names), path, timestamp) for _ in range(count)]


def names(prefix: str) -> Iterator[str]:
    """Names without an order, as senders' ids mostly are: an index that is filled in order would be too easy."""
    number = 0
    while True:
        yield hashlib.sha256(f"{prefix}{number}".encode()).hexdigest()[:24]
        number += 1


def _request(name: str, path: str, timestamp: str) -> bytes:
    body = body_of(name)
    signed = f"msg_{name}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nwebhook-id: msg_{name}\r\nwebhook-timestamp: {timestamp}\r\n"
        f"webhook-signature: v1,{signature}\r\n\r\n"
    )
    return head.encode() + body
