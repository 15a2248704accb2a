"""What only tests say to a database: statements that the product has no use for, in a transaction of its own."""

from typing import Any

from service.store.statements import Transaction


def scalar_of(tx: Transaction, sql: str) -> Any:
    """The first column of the first row; None without one."""
    tx._cursor.execute(sql)
    row = tx._cursor.fetchone()
    return None if row is None else row[0]
