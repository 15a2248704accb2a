"""What holds online refunds back after this database has forgotten something, and what Magento remembers of it.

A restored copy, or an empty database, does not know the refunds made since. Memos tell of those that left one; two
payments and one memo are possible too, so a person compares before money moves again.
Source: recordings/concurrent-identical-online.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Text, delete, func, literal_column, select

from service.core.lifecycle import DeliveryState
from service.errors import Conflict
from service.store.claims import wake_delivery
from service.store.engine import Database
from service.store.facts import MADE_AS
from service.store.journal import WORKER, note
from service.store.rows import FoundMarker, Guard, row_as
from service.store.statements import Statement, Transaction, given, insert_into, update_where
from service.store.tables import deliveries, facts, found_markers, guards, journal, returns

#: The reason code of deliveries that wait for the guard to be lifted.
DATABASE_BEHIND = "database-behind"

#: Ours and Magento's clock may differ, and a refund that the copy knows as sent may have been made a little later.
_MARGIN = timedelta(days=1)


_ALL = Statement(select(guards).order_by(guards.c.instance))
_OF = Statement(select(guards).where(guards.c.instance == given("instance")))
_DELETE = Statement(delete(guards).where(guards.c.instance == given("instance")))
_INSERT = insert_into(guards, "instance", "set_at", "reason", "known_until", "reconciled_at", "reconciled_by")
_RECONCILED = update_where(guards, guards.c.instance == given("of"), sets=("reconciled_at", "reconciled_by"))

_FOUND = select(found_markers).where(found_markers.c.instance == given("instance")).order_by(found_markers.c.memo_id)
_IS_ACCEPTED = found_markers.c.accepted_at.is_not(None)
#: Whether accepted, not yet, or either.
_FOUND_BY_ACCEPTED = {
    None: Statement(_FOUND),
    True: Statement(_FOUND.where(_IS_ACCEPTED)),
    False: Statement(_FOUND.where(~_IS_ACCEPTED)),
}
_ACCEPT = update_where(
    found_markers, found_markers.c.instance == given("of"), ~_IS_ACCEPTED, sets=("accepted_at", "accepted_by")
)
_FOUND_AGAIN = update_where(
    found_markers,
    found_markers.c.instance == given("of"),
    found_markers.c.memo_id == given("memo"),
    found_markers.c.marker == given("mark"),
    sets=("return_id",),
)
_KEEP = insert_into(
    found_markers,
    "instance",
    "marker",
    "order_entity_id",
    "memo_id",
    "memo_created_at",
    "base_total",
    "return_id",
    "found_at",
    "accepted_by",
)
_ACCEPTED_MARKERS = select(found_markers.c.marker).where(found_markers.c.instance == given("instance"), _IS_ACCEPTED)
_ACCEPTED = Statement(_ACCEPTED_MARKERS)
_ACCEPTED_OF_ORDER = Statement(_ACCEPTED_MARKERS.where(found_markers.c.order_entity_id == given("order")))

#: So many entries tell the time together: a clock that ran ahead, of one host of several or for a while, wrote some.
_ENTRIES_ASKED = 100
_NEWEST_ENTRIES = select(journal.c.at).order_by(journal.c.id.desc()).limit(_ENTRIES_ASKED).subquery()
_OLDEST_OF_NEWEST = Statement(select(func.min(_NEWEST_ENTRIES.c.at)))
_WAITING = Statement(
    select(deliveries.c.id)
    .join(returns, returns.c.id == deliveries.c.return_id)
    .where(
        returns.c.instance == given("instance"),
        deliveries.c.state == DeliveryState.NEEDS_PERSON,
        deliveries.c.reason_code == DATABASE_BEHIND,
    )
    .order_by(deliveries.c.id)
)


_INSTANCES = Statement(select(returns.c.instance).distinct())

#: What a dump does not carry over: the server, and the numbers that it gave the database and a table of ours.
_ORIGIN = Statement(
    select(
        literal_column("(SELECT system_identifier FROM pg_control_system())", Text)
        + literal_column("'/'", Text)
        + literal_column("(SELECT oid FROM pg_database WHERE datname = current_database())", Text)
        + literal_column("'/'", Text)
        + literal_column("'deliveries'::regclass::oid", Text)
    )
)
_IS_ORIGIN = facts.c.name == literal_column(f"'{MADE_AS}'")
_KNOWN_ORIGIN = Statement(select(facts.c.value).where(_IS_ORIGIN))
_LOCK_ORIGIN = Statement(select(facts.c.value).where(_IS_ORIGIN).with_for_update())
_KEEP_ORIGIN = update_where(facts, _IS_ORIGIN, sets=("value",))
_FIRST_ORIGIN = insert_into(facts, "name", "value")


class Guards:
    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, instance: str, reason: str, now: datetime) -> bool:
        """Hold online refunds of an installation back; False when they were already, and the first reason stays."""

        def work(tx: Transaction) -> bool:
            if _guard(tx, instance) is not None:
                return False
            set_guard(tx, instance, reason, now=now, actor=WORKER)
            return True

        return self._database.write_again_on_race(work)

    def hold_back_all(self, reason: str, *, actor: str, now: datetime, instances: Iterable[str]) -> None:
        """Whoever says so has brought the database back from a copy, by whatever means."""

        def work(tx: Transaction) -> None:
            hold_back_all(tx, reason, actor=actor, now=now, instances=instances)
            if not self._database.has_one_writer:
                _settle_in(tx)

        self._database.write_again_on_race(work)

    def notice_restore(self, *, now: datetime, instances: Iterable[str]) -> bool:
        """Whether PostgreSQL's tables were made anew from a dump since a process last looked; refunds wait then.

        A file tells nothing of this, and neither does a server whose own files were put back.
        """
        if self._database.has_one_writer:
            return False
        with self._database.read() as tx:
            if tx.scalar(_ORIGIN) == tx.scalar(_KNOWN_ORIGIN):
                return False
        return self._database.write_again_on_race(lambda tx: _notice_restore(tx, now=now, instances=instances))

    def of(self, instance: str) -> Guard | None:
        with self._database.read() as tx:
            return _guard(tx, instance)

    def all(self) -> tuple[Guard, ...]:
        with self._database.read() as tx:
            return tuple(row_as(Guard, row) for row in tx.all(_ALL))

    def keep_found(self, instance: str, found: Iterable[FoundMarker], actor: str, now: datetime) -> None:
        """What a search through Magento found; afterwards the guard, if there is one, can be accepted."""
        kept = tuple(found)

        def work(tx: Transaction) -> None:
            for each in kept:
                _keep(tx, each)
            tx.change(_RECONCILED, of=instance, reconciled_at=now, reconciled_by=actor)
            text = f"{instance}: {len(kept)} memos with markers that this database does not know"
            note(tx, now=now, actor=actor, what="guard.reconciled", text=text, data={"instance": instance})

        self._database.write_again_on_race(work)

    def found(self, instance: str, *, accepted: bool | None = None) -> tuple[FoundMarker, ...]:
        """Markers that Magento alone knew, oldest memo first."""
        with self._database.read() as tx:
            return tuple(row_as(FoundMarker, row) for row in tx.all(_FOUND_BY_ACCEPTED[accepted], instance=instance))

    def accept(self, instance: str, actor: str, now: datetime) -> int:
        """A person has compared: the guard goes, what was found counts as known, and whatever waited is due.

        How many deliveries that were. Conflict before anybody has looked.
        """
        with self._database.write() as tx:
            guard = _guard(tx, instance)
            if guard is None:
                raise Conflict(f"online refunds of {instance} are not held back; there is nothing to accept")
            if guard.reconciled_at is None:
                raise Conflict(
                    f"nobody has looked yet what Magento knows of {instance}: run refundry reconcile, compare what it"
                    " shows with the gateway, then accept it"
                )
            accepted = tx.change(_ACCEPT, of=instance, accepted_at=now, accepted_by=actor)
            tx.change(_DELETE, instance=instance)
            text = f"{instance}: online refunds go on; {accepted} memos found in Magento count as known"
            note(tx, now=now, actor=actor, what="guard.accepted", text=text, data={"instance": instance})
            waiting = tx.scalars(_WAITING, instance=instance)
            for delivery_id in waiting:
                wake_delivery(tx, delivery_id, now=now, actor=actor)
        self._database.announce()
        return len(waiting)


def set_guard(
    tx: Transaction,
    instance: str,
    reason: str,
    *,
    now: datetime,
    actor: str,
    known_until: datetime | None = None,
) -> None:
    tx.change(_DELETE, instance=instance)
    tx.change(
        _INSERT,
        instance=instance,
        set_at=now,
        reason=reason,
        known_until=known_until,
        reconciled_at=None,
        reconciled_by="",
    )
    text = f"online refunds of {instance} wait: {reason}"
    note(tx, now=now, actor=actor, what="guard.set", text=text, data={"instance": instance})


def hold_back_all(
    tx: Transaction,
    reason: str,
    *,
    actor: str,
    now: datetime,
    instances: Iterable[str],
    copied_at: datetime | None = None,
) -> None:
    """Online refunds of `instances`, and of every installation that the database knows, wait from now on.

    `copied_at`: when the copy was made, where its file tells.
    """
    known_until = last_certainty(tx, not_after=min(now, copied_at or now))
    text = f"{reason}; what was refunded since that copy is known to Magento alone"
    note(tx, now=now, actor=actor, what="database.restored", text=text)
    for instance in sorted({*instances, *tx.scalars(_INSTANCES)}):
        set_guard(tx, instance, text, now=now, actor=actor, known_until=known_until)


def _notice_restore(tx: Transaction, *, now: datetime, instances: Iterable[str]) -> bool:
    known = tx.scalar(_LOCK_ORIGIN)
    is_restored = known is not None and known != tx.scalar(_ORIGIN)
    if is_restored:
        reason = "the tables were made anew, as a dump is restored"
        hold_back_all(tx, reason, actor=WORKER, now=now, instances=instances)
    _settle_in(tx)
    return is_restored


def _settle_in(tx: Transaction) -> None:
    """These tables are the ones from now on."""
    origin = tx.scalar(_ORIGIN)
    if tx.change(_KEEP_ORIGIN, value=origin) == 0:
        tx.change(_FIRST_ORIGIN, name=MADE_AS, value=origin)


def last_certainty(tx: Transaction, *, not_after: datetime) -> datetime | None:
    """Until when this database is known to tell everything, less a margin; None when it is empty.

    Rather too early than too late: what a search begins after is never found to be forgotten.
    """
    written_at: datetime | None = tx.scalar(_OLDEST_OF_NEWEST)
    return None if written_at is None else min(written_at, not_after) - _MARGIN


def accepted_markers(tx: Transaction, instance: str, order_entity_id: int | None) -> frozenset[str]:
    """Of one order, or of all."""
    if order_entity_id is None:
        return frozenset(tx.scalars(_ACCEPTED, instance=instance))
    return frozenset(tx.scalars(_ACCEPTED_OF_ORDER, instance=instance, order=order_entity_id))


def _guard(tx: Transaction, instance: str) -> Guard | None:
    row = tx.first(_OF, instance=instance)
    return None if row is None else row_as(Guard, row)


def _keep(tx: Transaction, each: FoundMarker) -> None:
    """Once: a second search must not take back what was accepted; but it may have learnt the return meanwhile."""
    if tx.change(_FOUND_AGAIN, of=each.instance, memo=each.memo_id, mark=each.marker, return_id=each.return_id) == 0:
        tx.change(
            _KEEP,
            instance=each.instance,
            marker=each.marker,
            order_entity_id=each.order_entity_id,
            memo_id=each.memo_id,
            memo_created_at=each.memo_created_at,
            base_total=each.base_total,
            return_id=each.return_id,
            found_at=each.found_at,
            accepted_by="",
        )
