"""Reads the configuration: shipped defaults and presets, service.toml, stores/*.toml, sources/*.toml, the environment.

Each layer replaces single values of the one before; where a value came from is kept. All that is wrong is collected
and shown at once, because a start that fails on one line after the other is a waste of somebody's evening.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from service.errors import SettingsError, SeveralSettingsErrors
from service.settings.build import build_settings
from service.settings.schemas import NAME
from service.settings.secret_values import SecretPlaces
from service.settings.shapes import CANONICAL, GENERIC, Settings
from service.settings.shipped import Preset, preset_kinds, read_preset, shipped_file
from service.settings.tables import Place, Shown, Table

#: REFUNDRY__STORES__MAIN__MODE: two underscores separate, so that one may be part of a name.
ENVIRONMENT_PREFIX = "REFUNDRY__"
ENVIRONMENT_SECTIONS = ("SERVICE", "STORES", "SOURCES")


def load_settings(
    config_dir: Path, environ: Mapping[str, str], *, instead: Mapping[str, Path] | None = None
) -> Settings:
    """The settings under `config_dir` with the environment's overrides; SettingsError names every bad value.

    `instead`: name of a source → the file that is read for it in place of its own, to try it out.
    """
    problems: list[SettingsError] = []
    if not config_dir.is_dir():
        raise SettingsError(
            "there is no such directory",
            file="environment",
            key="REFUNDRY_CONFIG_DIR",
            value=str(config_dir),
            remedy="Run `refundry init` to start from a commented configuration",
        )
    return _load(list(_read_directory(config_dir, instead or {}, problems)), config_dir, environ, problems)


def load_settings_file(file: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of one file with the sections [service], [stores.<name>] and [sources.<name>], as sandbox.toml."""
    problems: list[SettingsError] = []
    return _load(list(_read_single(file, problems)), file.parent, environ, problems)


def _load(
    documents: list[_Document], directory: Path, environ: Mapping[str, str], problems: list[SettingsError]
) -> Settings:
    tables = _Tables(
        defaults=tomllib.loads(shipped_file("defaults.toml").read_text(encoding="utf-8"), parse_float=Decimal),
        environ=environ,
    )
    for document in documents:
        table = tables.table(document.section, document.name, Place(file=document.file), document.content.get("kind"))
        table.merge(document.content, Place(file=document.file))
    problems.extend(_apply_environment(tables, environ))
    problems.extend(tables.preset_problems())
    settings = build_settings(
        service=tables.service,
        stores=tables.stores,
        sources=tables.sources,
        places=SecretPlaces(environ=environ, directory=directory),
        problems=problems,
    )
    if settings is None or problems:
        raise problems[0] if len(problems) == 1 else SeveralSettingsErrors(problems)
    return settings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Document:
    """What one file says about the service, one store or one source."""

    file: str
    section: str
    name: str
    content: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class _Tables:
    """The service's, each store's and each source's table; a new one starts as a copy of the defaults."""

    defaults: Mapping[str, Any]
    environ: Mapping[str, str]
    service: Table = field(init=False)
    stores: dict[str, Table] = field(default_factory=dict)
    sources: dict[str, Table] = field(default_factory=dict)
    #: Source → the preset below its own file.
    presets: dict[str, Preset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.service = self._fresh("service", "", Place(file="service.toml"))

    def table(self, section: str, name: str, place: Place, kind: object = None) -> Table:
        """`kind` as a source's own file says it: which preset lies below that file."""
        if section == "service":
            return self.service
        named = self.stores if section == "store" else self.sources
        if name not in named:
            named[name] = self._fresh(section, name, place)
            if section == "source":
                self._lay_preset(named[name], kind)
        return named[name]

    def preset_problems(self) -> Iterator[SettingsError]:
        """Kinds that there are not, and what a preset cannot know and nobody has added."""
        for name, table in self.sources.items():
            kind = table.get(("kind",))
            if name in self.presets:
                for key, remedy in self.presets[name].required.items():
                    path = tuple(key.split("."))
                    if not table.is_set_within(*path):
                        yield SettingsError(
                            f"{self.presets[name].title} needs it",
                            file=table.place.file,
                            key=key,
                            value=Shown("(missing)"),
                            remedy=remedy,
                        )
            elif isinstance(kind, str) and kind not in {CANONICAL, GENERIC}:
                known = (CANONICAL, GENERIC, *preset_kinds())
                near = difflib.get_close_matches(kind, known, n=1)
                remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"
                yield table.problem("no such kind", "kind", remedy=remedy)

    def _lay_preset(self, table: Table, kind: object) -> None:
        variable = f"{ENVIRONMENT_PREFIX}SOURCES__{table.name.replace('-', '_').upper()}__KIND"
        kind = self.environ.get(variable, kind)
        if isinstance(kind, str) and kind in preset_kinds():
            preset = self.presets[table.name] = read_preset(kind)
            table.merge(preset.table, Place(file=preset.file, is_default=True))

    def _fresh(self, section: str, name: str, place: Place) -> Table:
        table = Table(section=section, name=name, place=place)
        table.merge(self.defaults[section], Place(file="defaults.toml", is_default=True))
        return table


def _read_directory(
    config_dir: Path, instead: Mapping[str, Path], problems: list[SettingsError]
) -> Iterator[_Document]:
    service_file = config_dir / "service.toml"
    if service_file.exists():
        yield from _documents(service_file, "service", "", problems)
    for section, folder in (("store", "stores"), ("source", "sources")):
        files = {file.stem: file for file in (config_dir / folder).glob("*.toml")}
        for name, file in sorted({**files, **(instead if section == "source" else {})}.items()):
            if _is_name(name, str(file), "file name", problems):
                yield from _documents(file, section, name, problems)


def _documents(file: Path, section: str, name: str, problems: list[SettingsError]) -> Iterator[_Document]:
    content = _read_toml(file, problems)
    if content is not None:
        yield _Document(file=str(file), section=section, name=name, content=content)


def _read_single(file: Path, problems: list[SettingsError]) -> Iterator[_Document]:
    content = _read_toml(file, problems) or {}
    entries = [("service", "service", "", content.pop("service", {}))]
    for section, folder in (("store", "stores"), ("source", "sources")):
        named = content.pop(folder, {})
        entries += [
            (f"{folder}.{name}", section, name, table)
            for name, table in (named.items() if isinstance(named, dict) else ())
            if _is_name(name, str(file), f"{folder}.{name}", problems)
        ]
    for key, section, name, table in entries:
        if isinstance(table, dict):
            yield _Document(file=str(file), section=section, name=name, content=table)
        else:
            problems.append(_no_section(file, key, "not a table"))
    problems.extend(_no_section(file, key, "no such section") for key in content)


def _no_section(file: Path, key: str, message: str) -> SettingsError:
    remedy = "Use [service], [stores.<name>] and [sources.<name>]"
    return SettingsError(message, file=str(file), key=key, value=Shown("(not shown)"), remedy=remedy)


def _read_toml(file: Path, problems: list[SettingsError]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = SettingsError(
            "this is not TOML" if isinstance(error, tomllib.TOMLDecodeError) else "the file cannot be read",
            file=str(file),
            key="the file",
            value=Shown(str(error)),
            remedy='Text values stand in quotes: mode = "live"',
        )
        problems.append(problem)
        return None


def _is_name(name: str, file: str, key: str, problems: list[SettingsError]) -> bool:
    if NAME.fullmatch(name):
        return True
    remedy = "Use lower-case letters, digits, - and single _: the name is part of URLs and environment variables"
    problems.append(SettingsError("not a name", file=file, key=key, value=name, remedy=remedy))
    return False


def _apply_environment(tables: _Tables, environ: Mapping[str, str]) -> Iterator[SettingsError]:
    for variable in sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX)):
        section, *path = variable.removeprefix(ENVIRONMENT_PREFIX).split("__")
        wanted = 1 if section == "SERVICE" else 2
        if section not in ENVIRONMENT_SECTIONS or len(path) < wanted or not all(path):
            yield _misspelt(variable, section)
            continue
        keys = [part.lower() for part in path]
        place = Place(file="environment", variable=variable)
        if section == "SERVICE":
            table = tables.service
        else:
            known = tables.stores if section == "STORES" else tables.sources
            name = _existing_name(keys.pop(0), known)
            table = tables.table(section.lower().removesuffix("s"), name, place)
        table.merge(_nested(keys, _parsed(environ[variable])), place)


def _existing_name(name: str, known: Iterable[str]) -> str:
    """Environment variables know no `-`: STORES__OUTLET_EU means outlet-eu when there is one."""
    return next((other for other in known if other.replace("-", "_") == name), name)


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _parsed(text: str) -> Any:
    """A number, list or truth value where it reads as one in TOML, else the text itself."""
    try:
        table = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if list(table) == ["value"] else text


def _misspelt(variable: str, section: str) -> SettingsError:
    near = difflib.get_close_matches(section, ENVIRONMENT_SECTIONS, n=1)
    hint = f"Did you mean {ENVIRONMENT_PREFIX}{near[0]}__…?" if near and near[0] != section else ""
    return SettingsError(
        "no such setting",
        file="environment",
        key=variable,
        value=Shown("(not shown)"),
        remedy=hint
        or "Write REFUNDRY__SERVICE__<KEY>, REFUNDRY__STORES__<NAME>__<KEY> or REFUNDRY__SOURCES__<NAME>__<KEY>",
    )
