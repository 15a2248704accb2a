"""The switches that stop every send, or one store's, or one source's. A row is a stop in force."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from service.errors import BadRequest
from service.store.engine import Database
from service.store.journal import note
from service.store.rows import Switch, row_as
from service.store.statements import Statement, Transaction, given, insert_into
from service.store.tables import switches

ALL = "all"


_ALL_IN_FORCE = Statement(select(switches).order_by(switches.c.scope))
_INSERT = insert_into(switches, "scope", "stopped_at", "actor", "reason")
_DELETE = Statement(delete(switches).where(switches.c.scope == given("scope")))


class Switches:
    def __init__(self, database: Database) -> None:
        self._database = database

    def stop(self, scope: str, actor: str, reason: str, now: datetime) -> None:
        """Stop `scope`: "all", "store:NAME" or "source:NAME". A stop in force is replaced, with its new reason."""
        _check(scope)
        values = {"scope": scope, "stopped_at": now, "actor": actor, "reason": reason}
        self._database.write_again_on_race(lambda tx: _stop(tx, values))

    def go(self, scope: str, actor: str, now: datetime) -> bool:
        """Take a stop back; False when there was none for exactly this scope."""
        _check(scope)
        with self._database.write() as tx:
            was_stopped = tx.change(_DELETE, scope=scope) == 1
            if was_stopped:
                note(tx, now=now, actor=actor, what="switch.started", text=scope, data={"scope": scope})
        return was_stopped

    def stopped_for(self, store: str, source: str) -> Switch | None:
        """The widest stop that holds up this store's refunds for this source."""
        in_force = {switch.scope: switch for switch in self.all()}
        scopes = (ALL, f"store:{store}", f"source:{source}")
        return next((in_force[scope] for scope in scopes if scope in in_force), None)

    def all(self) -> tuple[Switch, ...]:
        with self._database.read() as tx:
            return tuple(row_as(Switch, row) for row in tx.all(_ALL_IN_FORCE))


def _stop(tx: Transaction, values: dict[str, Any]) -> None:
    scope = values["scope"]
    tx.change(_DELETE, scope=scope)
    tx.change(_INSERT, **values)
    text = f"{scope}: {values['reason']}"
    note(
        tx,
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
