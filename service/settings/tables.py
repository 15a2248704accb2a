"""A configuration table that remembers where each of its values came from, and how a bad one is reported."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError, fields

from service.errors import SettingsError
from service.settings.schemas import SCHEMAS
from service.settings.secret_values import LITERAL_SECRETS, may_be_a_secret

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a value was written: a file, or an environment variable."""

    file: str
    variable: str | None = None
    is_default: bool = False

    def __str__(self) -> str:
        return f"environment {self.variable}" if self.variable else self.file


class Shown(str):
    """Stands in an error for a value that is missing or must not be seen; shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(slots=True, kw_only=True)
class Table:
    section: str
    name: str
    #: Where it was first mentioned; blamed for what is missing.
    place: Place
    content: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)

    @property
    def prefix(self) -> Path:
        """What stands before its keys when it is shown: ("stores", "main")."""
        return (self.section,) if self.section == "service" else (f"{self.section}s", self.name)

    def merge(self, newer: Mapping[str, Any], place: Place) -> None:
        """Replaces single values; a table within is merged, a list is replaced."""
        self._merge(self.content, newer, place, ())

    def _merge(self, into: dict[str, Any], newer: Mapping[str, Any], place: Place, path: Path) -> None:
        for key, value in newer.items():
            here = (*path, key)
            if isinstance(value, Mapping):
                if not isinstance(into.get(key), dict):
                    into[key] = {}
                    self.places.pop(here, None)
                self._merge(into[key], value, place, here)
            else:
                if isinstance(into.get(key), dict):
                    self.places = {known: of for known, of in self.places.items() if known[: len(here)] != here}
                into[key] = value
                self.places[here] = place

    def get(self, path: Path) -> Any:
        value: Any = self.content
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def is_set(self, *path: str) -> bool:
        """Whether somebody wrote it: a default does not count."""
        return path in self.places and not self.places[path].is_default

    def is_set_within(self, *path: str) -> bool:
        """Whether somebody wrote it, or a value of the table that it is."""
        return any(here[: len(path)] == path and not place.is_default for here, place in self.places.items())

    def problem(self, message: str, *path: str, remedy: str, value: object = None) -> SettingsError:
        """A SettingsError that names the place where the value was written."""
        place = self.places.get(path, self.place)
        return SettingsError(
            message,
            file=place.file,
            key=place.variable or ".".join(path),
            value=self._shown(path) if value is None else value,
            remedy=remedy,
        )

    def _shown(self, path: Path) -> object:
        value = self.get(path)
        if value is None:
            return Shown("(missing)")
        return Shown("(not shown)") if _may_hold_a_secret(path[-1], value) else value

    def validate(self, problems: list[SettingsError]) -> dict[str, Any] | None:
        """The content as its schema reads it; None when something was wrong with it."""
        schema = SCHEMAS[self.section]()
        try:
            loaded: dict[str, Any] = schema.load(self.content)
        except ValidationError as error:
            problems.extend(self._explain(schema, error.messages_dict))
            return None
        return loaded

    def _explain(self, schema: Schema, messages: Mapping[Any, Any]) -> Iterator[SettingsError]:
        for path, message in _flatten(schema.fields, messages):
            known = _fields_beside(schema, path)
            name = path[-1]
            if name in LITERAL_SECRETS and name not in known:
                remedy = f'Put the secret into an environment variable and name that: {LITERAL_SECRETS[name]} = "…"'
                yield self.problem("secrets are never written into configuration", *path, remedy=remedy)
            elif message == "Unknown field.":
                # Not shown: a misspelt `token` would stand in the log.
                hidden = Shown("(not shown)")
                yield self.problem("no such setting", *path, remedy=_did_you_mean(name, known), value=hidden)
            else:
                yield self.problem(_as_clause(message), *path, remedy=_remedy(schema, path))


def _may_hold_a_secret(key: str, value: object) -> bool:
    if key in LITERAL_SECRETS:
        return True
    if key.endswith("_env"):
        return any(may_be_a_secret(name) for name in (value if isinstance(value, list) else [value]))
    return "url" in key and any(mark in str(value) for mark in "@?#")


def _flatten(known: Mapping[str, fields.Field[Any]], messages: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """(("auth", "scheme"), "Unknown field.") for each; what is wrong inside a list is blamed on the list."""
    for key, inner in messages.items():
        here, told = (*path, str(key)), inner
        if key == "_schema":
            here = path
        elif isinstance(field_ := known.get(key), fields.Nested) and isinstance(inner, Mapping):
            yield from _flatten(field_.schema.fields, inner, here)
            continue
        elif isinstance(field_, fields.Dict) and isinstance(inner, Mapping):
            yield from (((*here, str(name)), _first(text)) for name, text in inner.items())
            continue
        yield here, _first(told)


def _first(messages: Any) -> str:
    while isinstance(messages, Mapping):
        messages = next(iter(messages.values()))
    return str(messages[0])


def _fields_beside(schema: Schema, path: Path) -> Mapping[str, fields.Field[Any]]:
    known: Mapping[str, fields.Field[Any]] = schema.fields
    for key in path[:-1]:
        inner = known.get(key)
        known = inner.schema.fields if isinstance(inner, fields.Nested) else {}
    return known


def _field_above(schema: Schema, path: Path) -> fields.Field[Any] | None:
    return _fields_beside(schema, path[:-1]).get(path[-2]) if len(path) > 1 else None


def _did_you_mean(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}"


def _remedy(schema: Schema, path: Path) -> str:
    known = _fields_beside(schema, path).get(path[-1]) or _field_above(schema, path)
    expects = known.metadata.get("expects") if known is not None else None
    return f"Write {expects}" if expects else "Write a table, as in defaults.toml"


def _as_clause(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
