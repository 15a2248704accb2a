"""The files of config/ that ship with the service: defaults, examples, and one preset for each sender we know.

A preset is a source's file that somebody else has written: what `kind = "loop"` stands for. One section of it is no
setting: [preset] has the sender's name and what is not verified, [preset.required] what must be added, and why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

_PRESETS = "presets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    kind: str
    #: As people call the sender: "Loop Returns".
    title: str
    #: The settings that it brings, as a source's own file would.
    table: Mapping[str, Any]
    #: What nobody has seen confirmed by the sender's own documentation, one sentence each.
    unverified: tuple[str, ...] = ()
    #: "auth.scheme" → why it cannot be known here and what to write.
    required: Mapping[str, str]

    @property
    def file(self) -> str:
        return f"{_PRESETS}/{self.kind}.toml"


def shipped_file(name: str) -> Path:
    """A file of config/ as it ships: in a wheel beside the package, in a checkout at the top."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_config" / name
    return installed if installed.exists() else package.parent / "config" / name


def preset_kinds() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in shipped_file(_PRESETS).glob("*.toml")))


def read_preset(kind: str) -> Preset:
    content = tomllib.loads(shipped_file(f"{_PRESETS}/{kind}.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    about = content.pop("preset")
    return Preset(
        kind=kind,
        title=about["title"],
        table=content,
        unverified=tuple(about.get("unverified", ())),
        required=about.get("required", {}),
    )
