"""Many new deliveries by three statements: what a group of senders waits for on SQLite.

Each step of a statement gives other threads the interpreter and has to wait until it comes back, which takes longer
than the row does. Only the one writer may do this: it numbers the rows itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, column, func, insert, literal_column, select, table

from service.core.lifecycle import DeliveryState
from service.store.rows import NewDelivery
from service.store.statements import Statement, Transaction, given
from service.store.tables import deliveries, journal

#: Highest number that was ever given, which AUTOINCREMENT keeps here; no row yet: none was.
_sequence = table("sqlite_sequence", column("name"), column("seq"))
_LAST_ID = Statement(select(_sequence.c.seq).where(_sequence.c.name == literal_column(f"'{deliveries.name}'")))

_GIVEN = ("id", "source", "delivery_key", "body_sha256", "body", "headers", "received_at", "due_at")
_CONSTANT: dict[str, ColumnElement[Any]] = {
    "state": literal_column(f"'{DeliveryState.RECEIVED}'"),
    **dict.fromkeys(("worker", "reason_code", "reason"), literal_column("''")),
    **dict.fromkeys(("fence", "attempts", "wake_asked", "redeliveries"), literal_column("0")),
}

_NOTE = Statement(
    insert(journal).from_select(
        ["at", "actor", "what", "text", "data", "delivery_id"],
        select(
            deliveries.c.received_at,
            literal_column("'source '", Text) + deliveries.c.source,
            literal_column("'delivery.received'"),
            cast(func.length(deliveries.c.body), Text) + literal_column("' bytes from '", Text) + deliveries.c.source,
            literal_column("'{}'"),
            deliveries.c.id,
        )
        .where(deliveries.c.id.between(given("first"), given("last")))
        .order_by(deliveries.c.id),
    )
)


def insert_together(tx: Transaction, batch: Sequence[NewDelivery]) -> list[int]:
    """Their ids, in order, each with its entry in the journal; IntegrityError, and nothing done, if one is not new."""
    first = (tx.scalar(_LAST_ID) or 0) + 1
    values: dict[str, object] = {}
    for number, new in enumerate(batch):
        values |= _values(number, first + number, new)
    tx.change(_insert(len(batch)), **values)
    last = first + len(batch) - 1
    tx.change(_NOTE, first=first, last=last)
    return list(range(first, last + 1))


@cache
def _insert(rows: int) -> Statement:
    # A group has at most some hundreds, and SQLite takes 32,766 values in one statement.
    return Statement(insert(deliveries).values([_row(number) for number in range(rows)]))


def _row(number: int) -> dict[str, ColumnElement[Any]]:
    named = {name: bindparam(f"{name}_{number}", type_=deliveries.c[name].type) for name in _GIVEN}
    return {**named, **_CONSTANT}


def _values(number: int, delivery_id: int, new: NewDelivery) -> dict[str, object]:
    return {
        f"id_{number}": delivery_id,
        f"source_{number}": new.source,
        f"delivery_key_{number}": new.delivery_key,
        f"body_sha256_{number}": hashlib.sha256(new.body).hexdigest(),
        f"body_{number}": new.body,
        f"headers_{number}": dict(new.headers),
        f"received_at_{number}": new.received_at,
        f"due_at_{number}": new.received_at,
    }
