"""Many deliveries in one transaction, by a few statements for all of them instead of a few for each.

For what is brought in bulk. What is already known stays untouched: nobody sent it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, select

from service.core.lifecycle import DeliveryState
from service.store.rows import NewDelivery, Received
from service.store.tables import deliveries, journal

_FIRST_STATE = {
    "state": DeliveryState.RECEIVED,
    "worker": "",
    "fence": 0,
    "attempts": 0,
    "wake_asked": False,
    "reason_code": "",
    "reason": "",
    "redeliveries": 0,
}


def receive_many(
    connection: Connection,
    batch: Sequence[NewDelivery],
    receive_one: Callable[[Connection, NewDelivery], Received],
) -> tuple[Received, ...]:
    """What became of each, in order; `receive_one` is asked about a key that is known with another body."""
    keyed = [(new.source, new.delivery_key) for new in batch]
    hashes = [hashlib.sha256(new.body).hexdigest() for new in batch]
    known = _known(connection, batch)
    fresh: dict[tuple[str, str], NewDelivery] = {}
    for new, key in zip(batch, keyed, strict=True):
        if key not in known:
            fresh.setdefault(key, new)
    stored = dict(zip(fresh, _insert(connection, list(fresh.values())), strict=True))
    received = []
    for new, key, sha256 in zip(batch, keyed, hashes, strict=True):
        if fresh.get(key) is new:
            received.append(Received(delivery_id=stored[key], duplicate=False, clash=False))
        elif (delivery_id := known.get(key, {}).get(sha256)) is not None:
            received.append(Received(delivery_id=delivery_id, duplicate=True, clash=False))
        else:
            received.append(receive_one(connection, new))
    return tuple(received)


def _known(connection: Connection, batch: Sequence[NewDelivery]) -> dict[tuple[str, str], dict[str, int]]:
    """(source, key) → hash of a body → the delivery that has it."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for source in {new.source for new in batch}:
        keys = [new.delivery_key for new in batch if new.source == source]
        query = select(deliveries.c.id, deliveries.c.delivery_key, deliveries.c.body_sha256).where(
            deliveries.c.source == source, deliveries.c.delivery_key.in_(keys)
        )
        for row in connection.execute(query):
            found.setdefault((source, row.delivery_key), {})[row.body_sha256] = row.id
    return found


def _insert(connection: Connection, fresh: Sequence[NewDelivery]) -> list[int]:
    if not fresh:
        return []
    statement = insert(deliveries).returning(deliveries.c.id, sort_by_parameter_order=True)
    rows = [
        {
            **_FIRST_STATE,
            "source": new.source,
            "delivery_key": new.delivery_key,
            "body_sha256": hashlib.sha256(new.body).hexdigest(),
            "body": new.body,
            "headers": dict(new.headers),
            "received_at": new.received_at,
            "due_at": new.received_at,
        }
        for new in fresh
    ]
    ids = list(connection.execute(statement, rows).scalars())
    connection.execute(
        insert(journal),
        [
            {
                "at": new.received_at,
                "actor": f"source {new.source}",
                "what": "delivery.received",
                "text": f"{len(new.body)} bytes from {new.source}",
                "data": {},
                "delivery_id": delivery_id,
            }
            for new, delivery_id in zip(fresh, ids, strict=True)
        ],
    )
    return ids
