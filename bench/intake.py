"""Durable intake against the identical route with storage left out, in turns, on the same machine in the same run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import load, messages
from bench.ours import PATH, set_up
from bench.processes import Running

#: More than any machine that this is run on takes; a round that needs more says so.
_MOST_PER_SECOND = 6_000

_WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    system: str
    sent: load.Sent
    #: Of the serving processes, not of the load generator.
    cpu_seconds: float
    resident_bytes: tuple[int, ...]


def measure(
    folder: Path,
    systems: dict[str, Callable[[Path], tuple[int, Running]]],
    *,
    rounds: int,
    seconds: float,
    connections: int,
) -> Iterator[Round]:
    """Each system once a round: A, B, A, B, so that what else happens on the machine meets all of them alike."""
    for number in range(rounds):
        for name, start in systems.items():
            place = folder / f"{name}-{number}".replace(" ", "-")
            place.mkdir(parents=True)
            port, web = start(place)
            named = messages.names(f"{name}{number}")
            try:
                send_for(port, named, seconds=_WARM_UP_SECONDS, connections=connections)
                before = web.cpu_seconds()
                sent = send_for(port, named, seconds=seconds, connections=connections)
                cpu_seconds = web.cpu_seconds() - before
                resident = tuple(web.resident_bytes())
                yield Round(system=name, sent=sent, cpu_seconds=cpu_seconds, resident_bytes=resident)
            finally:
                web.stop()
                shutil.rmtree(place)


def send_for(port: int, named: Iterator[str], *, seconds: float, connections: int, path: str = PATH) -> load.Sent:
    requests = messages.requests(named, int(seconds * _MOST_PER_SECOND) + connections, path=path)
    return load.send(port, requests, connections=connections, seconds=seconds)


def start_durable(folder: Path) -> tuple[int, Running]:
    ours = set_up(folder)
    return ours.port, ours.start_web()


def start_without_storage(folder: Path) -> tuple[int, Running]:
    ours = set_up(folder)
    return ours.port, ours.start_web(stores=False)
