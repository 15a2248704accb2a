"""What is said to PostgreSQL's driver and server so that both keep the store's promises.

Every limit stands here: how long a connection, a lock and a statement may take, and when a peer that fell silent is
given up, by us and by the server. What the URL says about one of them goes before.
Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS,
https://www.postgresql.org/docs/current/runtime-config-client.html.
"""

from __future__ import annotations

import math
import select as waiting
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, Text, event, func, select
from sqlalchemy import exc as sql

from service.store.statements import Statement, Transaction

DRIVER = "postgresql+psycopg"

#: No statement of ours takes a second but lists over millions of rows.
_STATEMENT_SECONDS = 30

#: A process that is frozen in the middle of a transaction holds its rows no longer than this: well below a lease.
_IDLE_IN_TRANSACTION_SECONDS = 30

#: A peer that vanished without a word is given up after about eleven seconds, on either side.
_KEEPALIVES = {"idle": 5, "interval": 2, "count": 3}

_SERVER_SETTINGS = Statement(
    select(*(func.current_setting(name, type_=Text).label(name) for name in ("fsync", "full_page_writes")))
)


def connect_args(url: URL, *, patience_seconds: float) -> Mapping[str, Any]:
    """For `psycopg.connect`. It never begins a transaction by itself: we say BEGIN, as to SQLite."""
    patience_ms = int(patience_seconds * 1000)
    limits = {
        "lock_timeout": patience_ms,
        "statement_timeout": _STATEMENT_SECONDS * 1000,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_SECONDS * 1000,
        **{f"tcp_keepalives_{name}": value for name, value in _KEEPALIVES.items()},
    }
    said = str(url.query.get("options", ""))
    ours = {
        "connect_timeout": max(2, math.ceil(patience_seconds)),
        "fallback_application_name": "refundry",
        # After a failover the old server may be back as one that cannot be written to.
        "target_session_attrs": "read-write",
        "tcp_user_timeout": 10_000,
        **{f"keepalives_{name}": value for name, value in _KEEPALIVES.items()},
    }
    return {
        **{name: value for name, value in ours.items() if name not in url.query},
        "options": " ".join((*(f"-c {name}={value}" for name, value in limits.items()), said)).strip(),
        "autocommit": True,
    }


def set_up(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # Off loses what was acknowledged when the server dies. Whatever else it is set to is at least a flushed disk.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )

    @event.listens_for(engine, "checkout")
    def refuse_hung_up(connection: Any, _record: object, _proxy: object) -> None:
        # Nothing is due on an idle connection but goodbye; asking the server would cost each statement a second one.
        if connection.closed or _has_something_to_read(connection.fileno()):
            raise sql.DisconnectionError


def weaknesses(tx: Transaction) -> tuple[str, ...]:
    """Settings of the whole server, which no connection can mend, by which a power cut loses what was acknowledged."""
    switched_off = [name for name, setting in tx.one(_SERVER_SETTINGS).items() if setting == "off"]
    return tuple(f"the server has {name} = off: a power cut can lose what was acknowledged" for name in switched_off)


def _has_something_to_read(descriptor: int) -> bool:
    poll = waiting.poll()
    poll.register(descriptor, waiting.POLLIN)
    return bool(poll.poll(0))


def was_overtaken(error: BaseException | None) -> bool:
    """Whether the server undid this transaction in favour of another: a deadlock, or a serialization failure."""
    return str(getattr(error, "sqlstate", None) or "").startswith("40")


# --- migrations -------------------------------------------------------------------------------------------------------

#: Any number that nobody else takes; advisory locks are each database's own.
_MIGRATION_LOCK = 7_203_141_926

#: A statement that changes a table waits for every reader of it, and everybody else waits behind that statement. Well
#: below the patience of those that serve.
_DDL_LOCK_SECONDS = 1


@contextmanager
def migration_turn(engine: Engine, *, patience_seconds: float) -> Iterator[None]:
    """Exclusive among those that migrate this database; the server gives it back if the holder dies."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{patience_seconds:.0f}s'")
        cursor.execute(f"SET statement_timeout = '{patience_seconds:.0f}s'")
        cursor.execute(f"SELECT pg_advisory_lock({_MIGRATION_LOCK})")
        yield
    finally:
        connection.close()


def be_quick_to_lock(connection: Connection) -> None:
    """In a transaction that changes tables: it gives up soon where it has to wait, and takes its time otherwise."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_DDL_LOCK_SECONDS}s'")
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def was_locked_out(error: BaseException | None) -> bool:
    return getattr(error, "sqlstate", None) == "55P03"
