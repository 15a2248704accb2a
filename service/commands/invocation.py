"""What one invocation of `refundry` works with: the environment as a value, and what is read with it when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from service.errors import BadRequest
from service.runtime import Runtime, build_runtime, wall_clock
from service.settings import Settings, load_settings

_Command = TypeVar("_Command", bound=Callable[..., Any])

CONFIG_DIR_VARIABLE = "REFUNDRY_CONFIG_DIR"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    environ: Mapping[str, str]
    config_dir: Path
    #: Who sits at the keyboard, for the journal; "" where the system does not say.
    user: str
    clock: Callable[[], datetime] = wall_clock

    def read_settings(self, *, directory: Path | None = None, instead: Mapping[str, Path] | None = None) -> Settings:
        """The settings, or those of another directory; `instead`: source → the file that is tried for it."""
        return load_settings(directory or self.config_dir, self.environ, instead=instead or {})

    @contextmanager
    def open_runtime(self) -> Iterator[Runtime]:
        """The runtime of this configuration, closed afterwards. Nothing is asked of Magento before it is used."""
        runtime = build_runtime(self.read_settings(), clock=self.clock)
        try:
            yield runtime
        finally:
            for client in runtime.magento.values():
                client.close()
            runtime.store.close()

    @property
    def child_environ(self) -> dict[str, str]:
        """For processes of ours: the same configuration, wherever they start."""
        return {**self.environ, CONFIG_DIR_VARIABLE: str(self.config_dir.resolve())}


def json_option(command: _Command) -> _Command:
    return click.option("--json", "as_json", is_flag=True, help="The same as JSON, for scripts.")(command)


def header_option(command: _Command) -> _Command:
    text = "A header that the sender would send with it, as a topic; may be said more than once."
    return click.option("--header", "header_texts", metavar="NAME:VALUE", multiple=True, help=text)(command)


def actor_option(command: _Command) -> _Command:
    text = "Who does this, for the journal; default: the user who is logged in."
    return click.option("--actor", metavar="NAME", help=text)(command)


def actor_of(invocation: Invocation, actor: str | None) -> str:
    """The name that goes to the journal; BadRequest without one."""
    name = (invocation.user if actor is None else actor).strip()
    if not name:
        raise BadRequest("an action needs the name of who does it: --actor NAME")
    return name
