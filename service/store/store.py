"""The store as the rest of the program has it: one value, whose parts are named after what they keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from service.store import postgresql
from service.store.bell import Listener
from service.store.checks import Checks
from service.store.engine import PATIENCE_SECONDS, Database, read_url
from service.store.guards import Guards
from service.store.inbox import Inbox
from service.store.journal import Journal
from service.store.keys import Keys
from service.store.migrate import check_current
from service.store.pauses import Pauses
from service.store.refunds import Refunds
from service.store.refusals import Refusals
from service.store.retention import Retention
from service.store.returns import Returns
from service.store.rows import Beat, row_as
from service.store.statements import Statement, Transaction, given, insert_into, update_where
from service.store.switches import Switches
from service.store.tables import heartbeats

#: The heartbeat row that is nobody's: writing it proves that writing works.
_PROBE = "(can we write)"

_BEATS = Statement(
    select(heartbeats.c.name.label("worker"), heartbeats.c.at)
    .where(heartbeats.c.name != _PROBE)
    .order_by(heartbeats.c.at.desc())
)
_BEAT = update_where(heartbeats, heartbeats.c.name == given("worker"), sets=("at",))
_FIRST_BEAT = insert_into(heartbeats, "name", "at")


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """Nothing is connected before first use, and a forked process connects by itself."""

    database: Database
    inbox: Inbox
    returns: Returns
    refunds: Refunds
    checks: Checks
    guards: Guards
    journal: Journal
    keys: Keys
    switches: Switches
    pauses: Pauses
    refusals: Refusals
    retention: Retention

    def health(self, now: datetime) -> None:
        """Return if a row can be committed, raise StoreUnavailable if not."""
        self.beat(_PROBE, now)

    def weaknesses(self) -> tuple[str, ...]:
        """What the database's server is set to that breaks a promise of ours; a file has no server."""
        if self.database.has_one_writer:
            return ()
        with self.database.read() as tx:
            return postgresql.weaknesses(tx)

    def beat(self, worker: str, now: datetime) -> None:
        """A worker says that it is alive."""
        self.database.write_again_on_race(lambda tx: _beat(tx, worker, now))

    def beats(self) -> tuple[Beat, ...]:
        """When each worker that ever ran was last alive, latest first."""
        with self.database.read() as tx:
            return tuple(row_as(Beat, row) for row in tx.all(_BEATS))

    def last_beat(self) -> datetime | None:
        """When any worker was last alive; None when none ever was."""
        return next((beat.at for beat in self.beats()), None)

    def listen(self) -> Listener:
        """What an idle worker waits on: it returns as soon as somebody stores work, or after a while."""
        return self.database.listen()

    def close(self) -> None:
        self.database.close()


def open_store(database_url: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Store:
    """The store at a URL; SchemaMismatch unless `migrate` has brought it to this program's version.

    A write waits `patience_seconds` for its turn before it is StoreUnavailable.
    """
    url = read_url(database_url)
    check_current(url)
    return store_on(Database(url, patience_seconds=patience_seconds))


def store_on(database: Database) -> Store:
    """The parts of a store, all on one database whose schema is known to be current."""
    return Store(
        database=database,
        inbox=Inbox(database),
        returns=Returns(database),
        refunds=Refunds(database),
        checks=Checks(database),
        guards=Guards(database),
        journal=Journal(database),
        keys=Keys(database),
        switches=Switches(database),
        pauses=Pauses(database),
        refusals=Refusals(database),
        retention=Retention(database),
    )


def _beat(tx: Transaction, worker: str, now: datetime) -> None:
    if tx.change(_BEAT, worker=worker, at=now) == 0:
        tx.change(_FIRST_BEAT, name=worker, at=now)
