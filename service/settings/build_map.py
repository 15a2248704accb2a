"""A source's `[map]` as it is written → the compiled map, with every row that cannot work told by its file and key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.errors import SettingsError
from service.settings.expressions import BadExpression, Expression, compile_expression
from service.settings.shapes import GENERIC
from service.settings.source_map import EVENT_ROOTS, LINE, LINE_ROOTS, REQUIRED_ROWS, ROWS, STEPS, Row, SourceMap
from service.settings.tables import Table

#: A repeated group, or a third open repetition, can take a hostile text exponential or cubic time.
_SKIPPED = re.compile(r"\\.|\[\^?\]?[^\]]*\]")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_OPEN_REPETITION = re.compile(r"[*+]|\{\d*,\d*\}")
_MAX_OPEN_REPETITIONS = 2

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def build_source_map(
    table: Table, values: Mapping[str, Any], refund_on: tuple[str, ...], problems: list[SettingsError]
) -> SourceMap | None:
    """The map of a source of another kind than canonical; None after saying what is wrong."""
    before = len(problems)
    given = {name: steps for name, steps in _flat(values) if steps is not None}
    told = {str(problem.context.get("key")) for problem in problems if problem.context.get("file") == table.place.file}
    if given or table.get(("kind",)) == GENERIC:  # a kind that there is not has been told already
        problems.extend(_missing_rows(table, given, told))
    builder = _Builder(table=table, problems=problems, told=told)
    for name, steps in given.items():
        builder.add(name, steps)
    aggregate_by = tuple(values.get("aggregate_by", ()))
    for name in aggregate_by:
        if LINE + name not in given:
            remedy = f"Write line.{name} = …, or aggregate by a row that there is"
            problems.append(table.problem(f"there is no row line.{name}", "map", "aggregate_by", remedy=remedy))
    if "map.type.lookup" not in told:
        problems.extend(_unreachable(table, builder.rows, refund_on))
    zone = _zone(table, values.get("timezone", "UTC"), problems)
    if len(problems) > before or zone is None:
        return None
    return SourceMap(
        rows=tuple(builder.rows), line_rows=tuple(builder.line_rows), aggregate_by=aggregate_by, timezone=zone
    )


@dataclass(slots=True)
class _Builder:
    table: Table
    problems: list[SettingsError]
    #: Keys about which a preset has said already what to write.
    told: set[str]
    rows: list[Row] = field(default_factory=list)
    line_rows: list[Row] = field(default_factory=list)

    def add(self, name: str, steps: Mapping[str, Any]) -> None:
        kind = ROWS[name]
        for step in steps.keys() - {"from", *STEPS[kind]}:
            allowed = ", ".join(("from", *STEPS[kind]))
            self._problem(name, step, f"{name} is a {kind}, which has no {step}", f"Its row may have: {allowed}")
        is_of_line = name.startswith(LINE)
        row = Row(
            name=name.removeprefix(LINE),
            kind=kind,
            expression=self._expression(name, steps.get("from"), LINE_ROOTS if is_of_line else EVENT_ROOTS),
            strip_prefix=steps.get("strip_prefix", ""),
            regex=self._regex(name, steps.get("regex")),
            lookup=_lowered(steps.get("lookup")),
            scale=steps.get("scale", 0),
            default=steps.get("default"),
        )
        (self.line_rows if is_of_line else self.rows).append(row)

    def _expression(self, name: str, text: str | None, roots: tuple[str, ...]) -> Expression:
        if text is None:
            remedy = f'Write from = "{roots[0]}.…", or the expression alone'
            self._problem(name, "from", "the row does not say where to look", remedy)
            return Expression(text="", tree={})
        try:
            return compile_expression(text, roots)
        except BadExpression as bad:
            self._problem(name, "from", bad.problem, bad.remedy)
            return Expression(text="", tree={})

    def _regex(self, name: str, text: str | None) -> re.Pattern[str] | None:
        if text is None:
            return None
        try:
            regex = re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            self._problem(name, "regex", f"not a regular expression: {error}", "Write one as Python's re has them")
            return None
        plain = _SKIPPED.sub("x", text)
        if _REPEATED_GROUP.search(plain) or len(_OPEN_REPETITION.findall(plain)) > _MAX_OPEN_REPETITIONS:
            problem = "a long text could keep it busy for ever"
            self._problem(name, "regex", problem, "Repeat no group, and use * and + twice at most")
        if regex.groups != 1:
            self._problem(name, "regex", f"has {regex.groups} groups", r"Put (…) around what is meant, as ^(\d+)-")
        return regex

    def _problem(self, name: str, step: str, problem: str, remedy: str) -> None:
        path = ("map", *name.split("."))
        # A row that is an expression alone has no steps to blame.
        blamed = (*path, step) if isinstance(self.table.get(path), Mapping) else path
        if ".".join((*path, step)) not in self.told:
            self.problems.append(self.table.problem(problem, *blamed, remedy=remedy))


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """("return.id", its steps) for every row that is written, in the order of ROWS."""
    for name in ROWS:
        found: Any = values
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        yield name, found


def _missing_rows(table: Table, given: Mapping[str, Any], told: set[str]) -> Iterator[SettingsError]:
    for names in REQUIRED_ROWS:
        if not given.keys() & set(names) and not told & {f"map.{name}" for name in names}:
            shown = " or ".join(names)
            remedy = f'Say where it stands, as {names[0]} = "{"line" if names[0].startswith(LINE) else "body"}.…"'
            yield table.problem(f"nothing says {shown}", "map", *names[0].split("."), remedy=remedy)


def _unreachable(table: Table, rows: list[Row], refund_on: tuple[str, ...]) -> Iterator[SettingsError]:
    """A lookup that leads to none of refund_on would ignore every event, and nobody would notice."""
    row = next((row for row in rows if row.name == "type" and row.lookup is not None), None)
    if row is None or row.lookup is None:
        return
    reached = {*row.lookup.values(), row.default}
    if not reached & set(refund_on):
        yield table.problem(
            f"no word of the sender leads to refund_on ({', '.join(refund_on)})",
            "map",
            "type",
            "lookup",
            remedy=f'Say which of its words means "give the money back", as "…" = "{refund_on[0]}"',
        )


def _zone(table: Table, name: str, problems: list[SettingsError]) -> tzinfo | None:
    if name == "UTC":
        return UTC
    if (offset := _OFFSET.fullmatch(name)) and int(offset[2]) < 24 and int(offset[3]) < 60:
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-away if offset[1] == "-" else away)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = 'Write "UTC", an offset as "+01:00", or a name as "Europe/Berlin" that this machine knows'
        problems.append(table.problem("no such time zone", "map", "timezone", remedy=remedy))
        return None


def _lowered(lookup: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if lookup is None else {word.strip().lower(): ours.strip() for word, ours in lookup.items()}
