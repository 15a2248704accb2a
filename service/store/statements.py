"""SQL that is written once and run often: SQLAlchemy writes each statement per dialect, the driver runs it.

Building an expression and looking it up for every call costs ten times what SQLite needs to run it
(docs/decisions/0017). A statement therefore stands at module level, with names for what differs from call to call; a
transaction takes the values by these names, and gives rows as mappings in our own types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Dialect, Table, TypeDecorator, bindparam, insert, literal_column, update
from sqlalchemy import exc as sql
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Row = dict[str, Any]

_Process = Callable[[Any], Any]
_Column = TypeVar("_Column")


class Statement:
    """An expression of SQLAlchemy's; a value is asked for each `bindparam` in it and for each column in `sets`."""

    __slots__ = ("_by_dialect", "_clause", "_sets")

    def __init__(self, clause: Executable, *, sets: Iterable[str] = ()) -> None:
        self._clause = clause
        self._sets = tuple(sets)
        self._by_dialect: dict[str, _Compiled] = {}

    def compiled(self, dialect: Dialect) -> _Compiled:
        # Two threads may both compile it; either result is right.
        made = self._by_dialect.get(dialect.name)
        if made is None:
            made = self._by_dialect[dialect.name] = _compile(self._clause, self._sets, dialect)
        return made


class Transaction:
    """What is done together; `Database` begins and ends it. Rows are mappings by column name."""

    __slots__ = ("_cursor", "_dialect")

    def __init__(self, cursor: Any, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect

    def all(self, statement: Statement, **values: Any) -> list[Row]:
        compiled = self._run(statement, values)
        return [compiled.row(raw) for raw in self._fetch_all()]

    def first(self, statement: Statement, **values: Any) -> Row | None:
        compiled = self._run(statement, values)
        raw = self._fetch_one()
        return None if raw is None else compiled.row(raw)

    def one(self, statement: Statement, **values: Any) -> Row:
        """The row of a statement that always has one: an aggregate, or an insert that returns what it made."""
        row = self.first(statement, **values)
        assert row is not None, "the statement has a row in any case"
        return row

    def scalar(self, statement: Statement, **values: Any) -> Any:
        """The first column of the first row; None without one."""
        compiled = self._run(statement, values)
        raw = self._fetch_one()
        return None if raw is None else compiled.value(raw)

    def scalars(self, statement: Statement, **values: Any) -> list[Any]:
        compiled = self._run(statement, values)
        return [compiled.value(raw) for raw in self._fetch_all()]

    def change(self, statement: Statement, **values: Any) -> int:
        """How many rows were changed."""
        self._run(statement, values)
        return int(self._cursor.rowcount)

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> _Compiled:
        compiled = statement.compiled(self._dialect)
        parameters = compiled.parameters(values)
        try:
            self._cursor.execute(compiled.sql, parameters)
        except self._dialect.loaded_dbapi.Error as error:
            raise self._translated(error) from error
        return compiled

    def _fetch_one(self) -> Sequence[Any] | None:
        try:
            row: Sequence[Any] | None = self._cursor.fetchone()
        except self._dialect.loaded_dbapi.Error as error:
            raise self._translated(error) from error
        return row

    def _fetch_all(self) -> list[Sequence[Any]]:
        try:
            rows: list[Sequence[Any]] = self._cursor.fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            raise self._translated(error) from error
        return rows

    def _translated(self, error: Exception) -> BaseException:
        """The driver's error under SQLAlchemy's name, so that it is one for all drivers; without values in its text."""
        return translated(error, self._dialect)


def translated(error: Exception, dialect: Dialect) -> BaseException:
    """A driver's error as SQLAlchemy would raise it."""
    made = sql.DBAPIError.instance(None, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect)
    assert isinstance(made, BaseException)
    return made


# --- shapes that recur ------------------------------------------------------------------------------------------------


def insert_into(table: Table, *columns: str, returning: Iterable[Any] = ()) -> Statement:
    """One row, of a value for each of `columns`."""
    clause = insert(table)
    return Statement(clause.returning(*returning) if returning else clause, sets=columns)


def update_where(table: Table, *conditions: ColumnElement[bool], sets: Iterable[str]) -> Statement:
    """A value for each column of `sets`, which names in `conditions` may not be called after."""
    return Statement(update(table).where(*conditions), sets=sets)


def among(column: ColumnElement[_Column], words: Iterable[StrEnum]) -> ColumnElement[bool]:
    """`column` is one of `words`, written out: a planner uses a partial index only for words that it can read."""
    return column.in_([literal_column(f"'{word}'") for word in words])


def given(name: str) -> Any:
    """A value that each call gives."""
    return bindparam(name)


# --- how --------------------------------------------------------------------------------------------------------------


class _Compiled(NamedTuple):
    sql: str
    #: What a call gives: name → how the driver wants it.
    given: dict[str, _Process | None]
    #: What stands in the statement itself, as the driver wants it.
    constants: dict[str, Any]
    #: Names in the driver's order; None: it takes them by name.
    order: tuple[str, ...] | None
    #: Of each column: its name, and how its value becomes ours.
    columns: tuple[tuple[str, _Process | None], ...]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        if values.keys() != self.given.keys():
            raise TypeError(f"the statement takes {sorted(self.given)}, not {sorted(values)}: {self.sql}")
        named = {
            name: values[name] if process is None else process(values[name]) for name, process in self.given.items()
        }
        if self.constants:
            named |= self.constants
        return named if self.order is None else [named[name] for name in self.order]

    def row(self, raw: Sequence[Any]) -> Row:
        return {
            name: value if process is None else process(value)
            for (name, process), value in zip(self.columns, raw, strict=True)
        }

    def value(self, raw: Sequence[Any]) -> Any:
        process = self.columns[0][1]
        return raw[0] if process is None else process(raw[0])


def _compile(clause: Executable, sets: tuple[str, ...], dialect: Dialect) -> _Compiled:
    # SQLAlchemy joins the columns of `sets` to those that the clause sets itself; () would mean every column.
    compiled = clause.compile(dialect=dialect, column_keys=list(sets) or None)  # type: ignore[attr-defined]
    assert isinstance(compiled, SQLCompiler)
    given: dict[str, _Process | None] = {}
    constants: dict[str, Any] = {}
    for bind, name in compiled.bind_names.items():
        process = _as_drivers(bind.type, dialect)
        if bind.required:
            given[name] = process
        else:
            constants[name] = bind.value if process is None else process(bind.value)
    return _Compiled(
        sql=compiled.string,
        given=given,
        constants=constants,
        order=tuple(compiled.positiontup or ()) if compiled.positional else None,
        columns=tuple(
            (column.keyname, _as_ours(column.type, dialect))
            for column in compiled._result_columns  # noqa: SLF001
        ),
    )


def _as_drivers(kind: TypeEngine[Any], dialect: Dialect) -> _Process | None:
    # Our own types take and give what the driver does, so SQLAlchemy's wrapping of them is spared.
    if isinstance(kind, TypeDecorator):
        return partial(kind.process_bind_param, dialect=dialect)
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _as_ours(kind: TypeEngine[Any], dialect: Dialect) -> _Process | None:
    if isinstance(kind, TypeDecorator):
        return partial(kind.process_result_value, dialect=dialect)
    return kind.dialect_impl(dialect).result_processor(dialect, None)
