"""Events that nobody posts: from a file, or from a command that asks a sender without webhooks.

They go through the same inbox as a webhook's and are read by the same worker. Whoever brings them is trusted as an
operator is, so nothing is signed. The delivery's key is the body's hash: the same body again is the same delivery,
whoever was killed in the middle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from service.runtime import Runtime
from service.settings import SourceSettings
from service.sources import Headers, Incoming, keep
from service.store import NewDelivery, Received

#: Of one commit. More would be a little faster and would keep webhooks waiting for their turn to write.
MOST_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """One body, and where it is from: "returns.csv line 12"."""

    body: bytes
    origin: str
    #: What the sender would have sent with it, for maps that look there.
    headers: Headers = ()


def take_in(runtime: Runtime, source: SourceSettings, brought: Sequence[Brought]) -> tuple[Received, ...]:
    """Store all of them in one commit; they are on disk when this returns, or none is (StoreUnavailable)."""
    now = runtime.clock()
    return runtime.store.inbox.receive_all(
        [
            NewDelivery(
                source=source.name,
                delivery_key=hashlib.sha256(each.body).hexdigest(),
                body=each.body,
                headers={**keep(source, Incoming(raw=each.body, headers=each.headers)), "x-brought-from": each.origin},
                received_at=now,
            )
            for each in brought
        ]
    )
