"""Secrets come from the environment or from files of their own, never from a configuration file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Names a literal secret might be written under, and what to write instead.
LITERAL_SECRETS: Mapping[str, str] = {
    "token": "token_env",
    "username": "username_env",
    "password": "password_env",
    "consumer_key": "consumer_key_env",
    "consumer_secret": "consumer_secret_env",
    "access_token": "access_token_env",
    "access_token_secret": "access_token_secret_env",
    "secret": "secrets_env",
    "secrets": "secrets_env",
}

#: What may be shown of a name that leads nowhere: one of another shape is a secret in the wrong place, as often as not.
_CUSTOMARY_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def may_be_a_secret(variable: object) -> bool:
    """Whether the "name" of an environment variable could be the secret itself, pasted where its name belongs."""
    return not (isinstance(variable, str) and _CUSTOMARY_VARIABLE.fullmatch(variable))


class SecretUnusable(Exception):
    """Why there is no secret that can be used, and what to do; becomes a SettingsError where file and key are known."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretPlaces:
    """Where secrets may be read from."""

    environ: Mapping[str, str]
    #: What relative paths start from.
    directory: Path

    def read_variable(self, name: str) -> str:
        value = self.environ.get(name, "")
        if not value.strip() and may_be_a_secret(name):
            raise SecretUnusable(
                "no environment variable has this name, and it may be the secret itself",
                "Put the secret into an environment variable and write that one's name here, in capitals",
            )
        if not value.strip():
            raise SecretUnusable(
                f"the environment variable {name} is not set", f"Set {name}, or name a file with _file instead"
            )
        return value.strip()

    def read_file(self, name: str) -> str:
        try:
            value = (self.directory / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SecretUnusable(f"the file cannot be read ({reason})", f"Put the secret into {name}") from error
        if not value:
            raise SecretUnusable("the file is empty", f"Put the secret into {name}")
        return value
