"""One new delivery and its entry in the journal by one statement of PostgreSQL's: one round trip, one commit.

Begin, look, insert, note and commit would be five. The server itself flushes the commits of many together, so nothing
is grouped here. What is not new gets no row, and is looked at by the statements that both databases have.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, func, insert, literal_column, select
from sqlalchemy.dialects.postgresql import insert as insert_if_new

from service.core.lifecycle import DeliveryState
from service.store.engine import Database
from service.store.rows import NewDelivery
from service.store.statements import Statement
from service.store.tables import deliveries, journal

_GIVEN = ("source", "delivery_key", "body_sha256", "body", "headers", "received_at", "due_at")
_CONSTANT: dict[str, ColumnElement[Any]] = {
    "state": literal_column(f"'{DeliveryState.RECEIVED}'"),
    **dict.fromkeys(("worker", "reason_code", "reason"), literal_column("''")),
    **dict.fromkeys(("fence", "attempts", "redeliveries"), literal_column("0")),
    "wake_asked": literal_column("false"),
}

_stored = (
    insert_if_new(deliveries)
    .values({**{name: bindparam(name, type_=deliveries.c[name].type) for name in _GIVEN}, **_CONSTANT})
    .on_conflict_do_nothing()
    .returning(deliveries.c.id, deliveries.c.source, deliveries.c.received_at, deliveries.c.body)
    .cte("stored")
)

_STORE = Statement(
    insert(journal)
    .from_select(
        ["at", "actor", "what", "text", "data", "delivery_id"],
        select(
            _stored.c.received_at,
            literal_column("'source '", Text) + _stored.c.source,
            literal_column("'delivery.received'"),
            cast(func.length(_stored.c.body), Text) + literal_column("' bytes from '", Text) + _stored.c.source,
            literal_column("'{}'"),
            _stored.c.id,
        ),
    )
    .returning(journal.c.delivery_id)
)


def store_if_new(database: Database, new: NewDelivery) -> int | None:
    """The new delivery's id, once it is committed; None, and nothing done, when its key is known."""
    row = database.write_one(
        _STORE,
        source=new.source,
        delivery_key=new.delivery_key,
        body_sha256=hashlib.sha256(new.body).hexdigest(),
        body=new.body,
        headers=dict(new.headers),
        received_at=new.received_at,
        due_at=new.received_at,
    )
    return None if row is None else int(row["delivery_id"])
