"""What is true of the database as a whole, by name."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from service.store.tables import facts

#: The oldest program, by the version that it makes, that may run on this database.
OLDEST_PROGRAM = "oldest-program"

#: Which server, database and table these are, as PostgreSQL numbers them: a restored dump has other numbers.
MADE_AS = "made-as"


def read_fact(connection: Connection, name: str) -> str | None:
    value: str | None = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar_one_or_none()
    return value


def write_fact(connection: Connection, name: str, value: str) -> None:
    connection.execute(delete(facts).where(facts.c.name == name))
    connection.execute(insert(facts).values(name=name, value=value))
