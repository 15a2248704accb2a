"""One delivery at the door: verify over the raw bytes, store durably, and only then let the sender forget it."""

from __future__ import annotations

from service.errors import RefundryError, Unauthentic
from service.runtime import Runtime
from service.sources import Incoming, keep, verify
from service.store import NewDelivery, Received


def receive(runtime: Runtime, source_name: str, incoming: Incoming) -> Received:
    """Store one delivery and say under which id.

    Raises Unauthentic (counted, and shown without its body), UnknownSource, and StoreUnavailable, after which nothing
    is stored and the sender must try again.
    """
    source = runtime.source(source_name)
    now = runtime.clock()
    try:
        verified = verify(source, incoming, now)
    except Unauthentic as refused:
        refuse(runtime, source_name, refused, size_bytes=len(incoming.raw))
        raise
    return runtime.store.inbox.receive(
        NewDelivery(
            source=source.name,
            delivery_key=verified.delivery_key,
            body=incoming.raw,
            headers=keep(source, incoming),
            received_at=now,
        )
    )


def refuse(runtime: Runtime, source_name: str, error: RefundryError, *, size_bytes: int) -> None:
    """Count a refused delivery, so that a wrongly rotated secret is seen before the sender gives up."""
    runtime.store.refusals.count(source_name, error.status, error.message, size_bytes, runtime.clock())
