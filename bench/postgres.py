"""A PostgreSQL of its own to measure with, from the wheel that the tests use, with the settings that make it safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from tests.databases.server import Server

#: The server's own defaults where it matters, said aloud: what is acknowledged is flushed.
_DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
}


@contextmanager
def postgres(folder: Path) -> Iterator[Callable[[], str]]:
    """Gives a function that makes a new database and says its URL."""
    server = Server(folder=folder)
    server.create()
    server.start(_DURABLE)
    numbers = count(1)

    def new_database() -> str:
        name = f"bench{next(numbers)}"
        with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # a name that was made here
        return f"{server.url}/{name}"

    try:
        yield new_database
    finally:
        server.stop()
