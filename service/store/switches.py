"""The switches that stop every send, or one store's, or one source's. A row is a stop in force."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from service.errors import BadRequest
from service.store.engine import Database
from service.store.journal import note
from service.store.rows import Switch, row_as
from service.store.tables import switches

ALL = "all"


class Switches:
    def __init__(self, database: Database) -> None:
        self._database = database

    def stop(self, scope: str, actor: str, reason: str, now: datetime) -> None:
        """Stop `scope`: "all", "store:NAME" or "source:NAME". A stop in force is replaced, with its new reason."""
        _check(scope)
        values = {"scope": scope, "stopped_at": now, "actor": actor, "reason": reason}
        self._database.write_again_on_race(lambda connection: _stop(connection, values))

    def go(self, scope: str, actor: str, now: datetime) -> bool:
        """Take a stop back; False when there was none for exactly this scope."""
        _check(scope)
        with self._database.write() as connection:
            was_stopped = connection.execute(delete(switches).where(switches.c.scope == scope)).rowcount == 1
            if was_stopped:
                note(connection, now=now, actor=actor, what="switch.started", text=scope, data={"scope": scope})
        return was_stopped

    def stopped_for(self, store: str, source: str) -> Switch | None:
        """The widest stop that holds up this store's refunds for this source."""
        in_force = {switch.scope: switch for switch in self.all()}
        scopes = (ALL, f"store:{store}", f"source:{source}")
        return next((in_force[scope] for scope in scopes if scope in in_force), None)

    def all(self) -> tuple[Switch, ...]:
        with self._database.read() as connection:
            rows = connection.execute(select(switches).order_by(switches.c.scope)).mappings()
            return tuple(row_as(Switch, row) for row in rows)


def _stop(connection: Connection, values: dict[str, Any]) -> None:
    scope = values["scope"]
    connection.execute(delete(switches).where(switches.c.scope == scope))
    connection.execute(insert(switches).values(values))
    text = f"{scope}: {values['reason']}"
    note(
        connection,
        now=values["stopped_at"],
        actor=values["actor"],
        what="switch.stopped",
        text=text,
        data={"scope": scope},
    )


def _check(scope: str) -> None:
    kind, _, name = scope.partition(":")
    if scope != ALL and not (kind in {"store", "source"} and name):
        raise BadRequest(f"{scope!r} cannot be stopped: say {ALL}, store:NAME or source:NAME", scope=scope)
