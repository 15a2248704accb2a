"""Reads recordings: JSON files that tell a scenario, in any folder layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.sandbox import documents
from tests.recordings import recording_files


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One call as it was recorded. `response` None: the client gave up waiting."""

    number: int
    request: dict[str, Any]
    response: dict[str, Any] | None
    at_s: float
    ends_s: float

    @property
    def method(self) -> str:
        return str(self.request["method"])

    @property
    def path(self) -> str:
        return str(self.request["path"])

    @property
    def is_read(self) -> bool:
        return self.method == "GET"

    @property
    def status(self) -> int | None:
        return None if self.response is None else int(self.response["status"])

    @property
    def body(self) -> Any:
        return None if self.response is None else self.response.get("body")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    file: Path
    document: dict[str, Any]

    @property
    def scenario(self) -> str:
        return str(self.document["scenario"])

    @property
    def magento_version(self) -> str:
        return str(self.document["magento_version"])

    @property
    def has_chance(self) -> bool:
        """Its outcomes are a matter of chance: one of those recorded will do."""
        return self.scenario.startswith("concurrent-")

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(
            Exchange(
                number=number,
                request=exchange["request"],
                response=exchange.get("response"),
                at_s=float(exchange["at_s"]),
                ends_s=float(exchange["at_s"]) + float(exchange["elapsed_s"]),
            )
            for number, exchange in enumerate(self.document["exchanges"])
        )


def read_recordings(folder: Path) -> Iterator[Recording]:
    """Every recording below `folder`, by path."""
    for file in recording_files(folder):
        yield Recording(file=file, document=documents.parse(file.read_bytes()))
