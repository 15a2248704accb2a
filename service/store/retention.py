"""What is forgotten, and what stays: bodies and words about people go by age, the facts of every refund stay.

A purged delivery keeps its key, the hash of its body, its state and its times, so that a redelivery is still known and
what was refunded can be proved; what was approved stays in its event. Its body, its headers, the reasons that customers
gave and the memo's comments but for our marker are gone. Nothing is taken from a delivery that somebody still works on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from service.core.lifecycle import PURGEABLE_STATES, DeliveryState
from service.core.marker import markers_in
from service.store.engine import Database
from service.store.journal import note
from service.store.rows import Erased
from service.store.statements import Row, Statement, Transaction, among, given, update_where
from service.store.tables import deliveries, events, refunds, returns

#: In one transaction: some milliseconds, in which SQLite's other writers wait.
_AT_ONCE = 200

_IS_KEPT = (deliveries.c.purged_at.is_(None), among(deliveries.c.state, PURGEABLE_STATES))
_OLDER = (*_IS_KEPT, deliveries.c.received_at < given("before"))

_COUNT_OLDER = Statement(select(func.count().label("count")).select_from(deliveries).where(*_OLDER))
_SOME_OLDER = Statement(
    select(deliveries.c.id).where(*_OLDER).order_by(deliveries.c.received_at).limit(_AT_ONCE).with_for_update()
)
_FORGET = update_where(deliveries, deliveries.c.id == given("delivery"), sets=("body", "headers", "purged_at"))

_EVENTS = Statement(select(events.c.id, events.c.content).where(events.c.delivery_id == given("delivery")))
_FORGET_WORDS = update_where(events, events.c.id == given("event"), sets=("content",))
_MEMOS = Statement(
    select(refunds.c.id, refunds.c.memo).where(refunds.c.delivery_id == given("delivery"), refunds.c.memo.is_not(None))
)
_FORGET_COMMENTS = update_where(refunds, refunds.c.id == given("refund"), sets=("memo",))

_KEPT_BODIES = Statement(
    select(deliveries.c.id, deliveries.c.body)
    .where(deliveries.c.purged_at.is_(None), deliveries.c.id > given("after"))
    .order_by(deliveries.c.id)
    .limit(_AT_ONCE)
)
_OF_RETURN_OR_ORDER = Statement(
    select(deliveries.c.id)
    .join(events, events.c.delivery_id == deliveries.c.id)
    .join(returns, returns.c.id == events.c.return_id)
    .where(
        deliveries.c.purged_at.is_(None),
        or_(returns.c.return_key == given("return_key"), returns.c.order_increment_id == given("order")),
    )
    .distinct()
    .order_by(deliveries.c.id)
)
_LOCK = Statement(
    select(deliveries.c.id, deliveries.c.state)
    .where(deliveries.c.id == given("delivery"), deliveries.c.purged_at.is_(None))
    .with_for_update()
)


class Retention:
    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, before: datetime) -> int:
        """How many bodies received before a time may be purged."""
        with self._database.read() as tx:
            return int(tx.scalar(_COUNT_OLDER, before=before))

    def purge(
        self, before: datetime, now: datetime, actor: str, *, goes_on: Callable[[int], bool] = lambda _: True
    ) -> int:
        """Purge what was received before a time and is finished, and say how many it were.

        `goes_on` is asked between transactions, with the number so far.
        """
        purged = 0
        while goes_on(purged):
            with self._database.write() as tx:
                ids = tx.scalars(_SOME_OLDER, before=before)
                for delivery_id in ids:
                    _forget(tx, delivery_id, now)
                if ids:
                    text = f"{len(ids)} bodies received before {before:%Y-%m-%d}"
                    note(tx, now=now, actor=actor, what="delivery.purged", text=text, data={"deliveries": ids})
            purged += len(ids)
            if len(ids) < _AT_ONCE:
                break
        return purged

    def find_text(self, text: str) -> tuple[int, ...]:
        """Deliveries whose body holds a text, such as a customer's address; upper and lower case are the same."""
        return tuple(self._search(lambda body: any(form in body.lower() for form in _forms(text))))

    def find(self, *, return_key: str | None = None, order: str | None = None) -> tuple[int, ...]:
        """Deliveries about a return by its sender's number, or about an order by its number."""
        with self._database.read() as tx:
            return tuple(tx.scalars(_OF_RETURN_OR_ORDER, return_key=return_key, order=order))

    def erase(self, delivery_ids: tuple[int, ...], now: datetime, actor: str, why: str) -> Erased:
        """Purge deliveries whatever their age, but for those that are not finished; `why` goes into the journal."""
        erased: list[int] = []
        still_open: dict[int, DeliveryState] = {}
        for delivery_id in delivery_ids:
            with self._database.write() as tx:
                row = tx.first(_LOCK, delivery=delivery_id)
                if row is None:
                    continue
                if row["state"] not in PURGEABLE_STATES:
                    still_open[delivery_id] = row["state"]
                    continue
                _forget(tx, delivery_id, now)
                note(tx, now=now, actor=actor, what="delivery.erased", text=why, delivery_id=delivery_id)
            erased.append(delivery_id)
        return Erased(delivery_ids=tuple(erased), still_open=still_open)

    def _search(self, holds: Callable[[bytes], bool]) -> Iterator[int]:
        after = 0
        while True:
            with self._database.read() as tx:
                rows: list[Row] = tx.all(_KEPT_BODIES, after=after)
            yield from (row["id"] for row in rows if holds(row["body"]))
            if not rows:
                return
            after = rows[-1]["id"]


def _forms(text: str) -> tuple[bytes, ...]:
    """A text as JSON may write it: as it is, or with what is not ASCII escaped."""
    low = text.lower()
    escaped = low.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
    return (low.encode(), escaped)


def _forget(tx: Transaction, delivery_id: int, now: datetime) -> None:
    tx.change(_FORGET, delivery=delivery_id, body=b"", headers={}, purged_at=now)
    for row in tx.all(_EVENTS, delivery=delivery_id):
        tx.change(_FORGET_WORDS, event=row["id"], content=_without_words(row["content"]))
    for row in tx.all(_MEMOS, delivery=delivery_id):
        tx.change(_FORGET_COMMENTS, refund=row["id"], memo=_without_comments(row["memo"]))


def _without_words(event: Mapping[str, Any]) -> dict[str, Any]:
    receipts = [{**receipt, "lines": _unreasoned(receipt["lines"])} for receipt in event.get("receipts", ())]
    return {**event, "lines": _unreasoned(event["lines"]), "receipts": receipts}


def _unreasoned(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**line, "reason": ""} for line in lines]


def _without_comments(memo: Mapping[str, Any]) -> dict[str, Any]:
    """Our marker stays: it is what proves that the memo is ours."""
    comments = [str(marker) for comment in memo.get("comments", ()) for marker in markers_in(comment)]
    return {**memo, "comments": comments}
