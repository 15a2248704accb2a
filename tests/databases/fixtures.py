"""One PostgreSQL server for a whole run of tests, started by the first test that asks for it; a database per process.

With xdist each worker process has its own database, copied from one that was migrated once, and emptied for each test.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg

from service.store import migrate
from service.store.engine import file_turn
from service.store.tables import facts, metadata
from tests.databases.server import Server

_TEMPLATE = "refundry_template"

#: Starting a server takes a second or two, and more beside many other tests.
_PATIENCE_SECONDS = 100


@dataclass
class Databases:
    """Databases of this process on the server of the run."""

    folder: Path
    _made: int = field(default=0)

    @cached_property
    def server(self) -> Server:
        server = Server(folder=self.folder / "postgresql")
        self.folder.mkdir(exist_ok=True)
        with file_turn(self.folder / "lock", patience_seconds=_PATIENCE_SECONDS):
            if not server.is_there():
                server.create()
                server.start()
                _say(server, f"CREATE DATABASE {_TEMPLATE}")
                migrate(f"{server.url}/{_TEMPLATE}")
        return server

    def new(self, *, migrated: bool = True) -> str:
        """The URL of a database of its own."""
        self._made += 1
        name = f"refundry_{os.getpid()}_{self._made}"
        template = _TEMPLATE if migrated else "template0"
        # Before the turn: the first to ask for the server takes a turn itself.
        server = self.server
        with file_turn(self.folder / "lock", patience_seconds=_PATIENCE_SECONDS):
            _say(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return f"{server.url}/{name}"

    @cached_property
    def _reused(self) -> str:
        return self.new()

    def empty(self) -> str:
        """The URL of a migrated database without a row, which the next test will be given too."""
        _say(self.server, _EMPTY, self._reused)
        return self._reused


def _say(server: Server, sql: str, url: str = "") -> None:
    with psycopg.connect(url or f"{server.url}/postgres", autocommit=True) as connection:
        connection.execute(sql)


_EMPTY = ";".join(
    (
        # Whoever still holds a row forgot to close its store.
        "SET lock_timeout = '5s'",
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables) if table is not facts),
        *(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1, false)"
            for table in metadata.sorted_tables
            if "id" in table.c
        ),
    )
)
