"""docs/settings.md from the code: keys and types from the schemas, defaults and reasons from defaults.toml.

defaults.toml is read as text, because TOML readers drop the comments that say why. Its form: one comment line, then
`key = value`, or `#key = example` for a setting without a default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import fields

from service.settings.schemas import SCHEMAS
from service.settings.shipped import shipped_file

_Field = fields.Field[Any]
_SECTION = re.compile(r"\[(?P<name>[a-z.]+)\]")
_SETTING = re.compile(r"(?P<unset>#?)(?P<key>[a-z_.]+) = (?P<value>.+)")

_INTRODUCTION = """\
# Settings

Printed from the code by `refundry settings --reference`; do not edit.

TOML files under the directory named by `REFUNDRY_CONFIG_DIR` (default `config`). Any value can be overridden by an
environment variable: `REFUNDRY__SERVICE__PORT=9000`, `REFUNDRY__STORES__MAIN__MODE=shadow`; two underscores separate.
A key ending in `_env` names an environment variable that holds a secret, one ending in `_file` a file.
"""

_FILES = {"service": "service.toml", "store": "stores/&lt;name&gt;.toml", "source": "sources/&lt;name&gt;.toml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingRow:
    """One setting as documented; `default` is TOML, "" when there is none (`example` then shows one)."""

    section: str
    key: str
    type: str
    default: str
    example: str
    why: str
    required: bool


def settings_reference() -> str:
    """All settings as Markdown."""
    lines = [_INTRODUCTION]
    last = ""
    for row in describe_settings():
        if row.section != last:
            file, _, inner = row.section.partition(".")
            heading = _FILES[file] + (f" `[{inner}]`" if inner else "")
            lines += [f"\n## {heading}\n", "| key | default | is | why |", "|---|---|---|---|"]
            last = row.section
        lines.append(f"| `{row.key}` | {_default_cell(row)} | {_cell(row.type)} | {_cell(row.why)} |")
    return "\n".join(lines) + "\n"


def describe_settings() -> tuple[SettingRow, ...]:
    """Every setting of defaults.toml, in its order, with what its schema expects."""
    known = {(section, key): field for section, key, field in schema_fields()}
    return tuple(_rows(shipped_file("defaults.toml").read_text(encoding="utf-8"), known))


def schema_fields() -> Iterator[tuple[str, str, _Field]]:
    """("store.review", "per_day.amount", its field) for every setting of every schema."""
    for section, schema in SCHEMAS.items():
        for path, field in _leaves(schema().fields, ()):
            # A table within a table is written with a dot: per_day.amount.
            inner, key = (f"{section}.{path[0]}", ".".join(path[1:])) if len(path) > 1 else (section, path[0])
            yield inner, key, field


def _leaves(known: Mapping[str, _Field], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], _Field]]:
    for key, field in known.items():
        if isinstance(field, fields.Nested):
            yield from _leaves(field.schema.fields, (*path, key))
        else:
            # [store.shipping] is a table of free keys; its `default` stands for all of them.
            yield (*path, key, "default") if isinstance(field, fields.Dict) else (*path, key), field


def _rows(text: str, known: Mapping[tuple[str, str], _Field]) -> Iterator[SettingRow]:
    section, why = "", ""
    for line in text.splitlines():
        if heading := _SECTION.fullmatch(line):
            section = heading["name"]
        elif (setting := _SETTING.fullmatch(line)) and (field := known.get((section, setting["key"]))):
            default, example = ("", setting["value"]) if setting["unset"] else (setting["value"], "")
            yield SettingRow(
                section=section,
                key=setting["key"],
                type=field.metadata["expects"],
                default=default,
                example=example,
                why=why,
                required=field.required,
            )
        why = line.removeprefix("# ") if line.startswith("# ") else ""


def _default_cell(row: SettingRow) -> str:
    if row.default:
        return f"`{_cell(row.default)}`"
    return "**required**" if row.required else f"none, as `{_cell(row.example)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
