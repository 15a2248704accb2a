"""The sections of a measurement. Each one's figures are kept as JSON, so that one can be measured again by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import intake, losses, machine, messages, scale
from bench.ours import PATH, set_up
from bench.peers import celery_redis, n8n, node_red
from bench.postgres import postgres

Say = Callable[[str], None]

OURS = "Refundry"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much is measured."""

    seconds: float = 4.0
    rounds: int = 5
    connections: int = 32
    events: int = 100
    closed_seconds: float = 20.0
    quiet_seconds: float = 25.0
    rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    peers: bool = True


def measure(section: str, folder: Path, results: Path, size: Size, say: Say) -> None:
    """One section's figures into `results`."""
    say(f"{section}: load average {machine.load_average():.1f}")
    began_at, load_before = datetime.now(UTC), machine.load_average()
    found = SECTIONS[section](folder, size, say)
    document = {
        "measured_at": began_at.isoformat(timespec="seconds"),
        "load_average": [load_before, machine.load_average()],
        "size": asdict(size),
        "machine": machine.describe(folder),
        "found": found,
    }
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{section}.json").write_text(json.dumps(document, indent=1))


# --- intake -----------------------------------------------------------------------------------------------------------


def measure_intake(folder: Path, size: Size, say: Say) -> list[dict[str, Any]]:
    with postgres(folder / "postgresql") as new_database:

        def start_on_postgresql(place: Path) -> tuple[int, Any]:
            ours = set_up(place, database_url=new_database())
            return ours.port, ours.start_web()

        systems = {
            "storage left out": intake.start_without_storage,
            "SQLite": intake.start_durable,
            "PostgreSQL": start_on_postgresql,
        }
        rounds = []
        for each in intake.measure(
            folder, systems, rounds=size.rounds, seconds=size.seconds, connections=size.connections
        ):
            rounds.append(_round(each.system, each.sent, sum(each.resident_bytes), each.cpu_seconds))
            say(_line(rounds[-1]))
    return rounds


def _round(system: str, sent: Any, resident_bytes: int, cpu_seconds: float = 0.0) -> dict[str, Any]:
    return {
        "system": system,
        "rate": sent.rate,
        "p50_ms": sent.percentile_ms(50),
        "p99_ms": sent.percentile_ms(99),
        "failed": sent.failed,
        "generator": sent.own_seconds / sent.seconds,
        "cpu_us": cpu_seconds / max(1, sent.acknowledged) * 1e6,
        "resident_mb": resident_bytes / 1e6,
    }


def _line(found: Mapping[str, Any]) -> str:
    return (
        f"  {found['system']}: {found['rate']:.0f}/s, p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms,"
        f" {found['failed']} failed, {found['cpu_us']:.0f} µs of processor each"
    )


# --- peers ------------------------------------------------------------------------------------------------------------

_PEERS: dict[str, tuple[Callable[[], str | None], Callable[..., Any], bool]] = {
    "Flask + Celery + Redis": (celery_redis.missing, celery_redis.CeleryAndRedis, True),
    "Node-RED": (node_red.missing, node_red.NodeRed, False),
    "n8n": (n8n.missing, n8n.N8n, False),
}
_PEER_ROUNDS = 3


def measure_peers(folder: Path, size: Size, say: Say) -> dict[str, Any]:
    rounds: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    with losses.plain_store(folder, _environ(), seconds=0) as store:
        for name, system in _each_system(folder, store.url, size, missing):
            system.start(works=False)
            try:
                path = getattr(system, "path", PATH)
                named = messages.names(name)
                intake.send_for(system.port, named, seconds=1, connections=size.connections, path=path)
                for _ in range(min(_PEER_ROUNDS, size.rounds)):
                    sent = intake.send_for(
                        system.port, named, seconds=size.seconds, connections=size.connections, path=path
                    )
                    rounds.append(_round(name, sent, system.resident_bytes()))
                    say(_line(rounds[-1]))
            finally:
                system.stop()
    return {"rounds": rounds, "missing": missing}


def measure_losses(folder: Path, size: Size, say: Say) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    trial = losses.Trial(events=size.events, closed_seconds=size.closed_seconds, quiet_seconds=size.quiet_seconds)

    def note(loss: losses.Loss) -> None:
        found.append(asdict(loss))
        say(f"  {loss.system}, {loss.trial}: {loss.lost} of {loss.acknowledged} lost, {loss.doubled} doubled")

    for try_ours in (losses.try_receiver_killed, losses.try_store_closed):
        with _fresh(folder) as place, losses.magento(place, _environ(), trial.events) as shop:
            _try(try_ours, OURS, losses.ours(place, shop.url), shop, trial=trial, note=note, failed=missing)
    for try_it in losses.TRIALS:
        for peer, (why_not, make, has_broker) in _peers(size):
            if (why := why_not()) is not None:
                missing[peer] = why
                continue
            if try_it is losses.try_broker_killed and not has_broker:
                continue
            for durable in (False, True):
                name = _named(peer, durable)
                with _fresh(folder) as place, losses.plain_store(place, _environ()) as store:
                    system = make(folder=place, store=store.url, durable=durable)
                    _try(try_it, name, system, store, trial=trial, note=note, failed=missing)
    return {"losses": found, "missing": missing}


def _try(
    try_it: Any,
    name: str,
    system: Any,
    store: Any,
    *,
    trial: losses.Trial,
    note: Callable[..., None],
    failed: dict[str, str],
) -> None:
    try:
        system.start()
        note(try_it(name, system, store, trial))
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        if name == OURS:
            raise
        # What others' programs do is not ours to judge, and one that did not start has lost nothing.
        failed[name] = str(error).splitlines()[0]
    finally:
        system.stop()


def _each_system(folder: Path, store_url: str, size: Size, missing: dict[str, str]) -> Iterator[tuple[str, Any]]:
    with _fresh(folder) as place:
        yield "Refundry, SQLite", losses.ours(place, "http://127.0.0.1:9", speed=1)
    with _fresh(folder) as place, postgres(folder / "postgresql-2") as new_database:
        yield "Refundry, PostgreSQL", losses.ours(place, "http://127.0.0.1:9", speed=1, database_url=new_database())
    for peer, (why_not, make, _) in _peers(size):
        if (why := why_not()) is not None:
            missing[peer] = why
            continue
        for durable in (False, True):
            with _fresh(folder) as place:
                yield _named(peer, durable), make(folder=place, store=store_url, durable=durable)


def _peers(size: Size) -> list[tuple[str, tuple[Callable[[], str | None], Callable[..., Any], bool]]]:
    return list(_PEERS.items()) if size.peers else []


def _named(peer: str, durable: bool) -> str:  # noqa: FBT001 -- it is what the name says
    return f"{peer}, {'most durable' if durable else 'defaults'}"


# --- scale and latency ------------------------------------------------------------------------------------------------


def measure_scale(folder: Path, size: Size, say: Say) -> list[dict[str, Any]]:
    points = []
    with _fresh(folder) as place:
        for point in scale.measure(place, size.rows, seconds=size.seconds):
            points.append(asdict(point))
            say(f"  {point.rows:>9,} rows: {point.curve} = {point.value:.4g}")
    return points


def measure_latency(folder: Path, size: Size, say: Say) -> str:
    """What `make latency` prints: calls per refund, and the time from acknowledgement to memo."""
    del folder, size
    done = subprocess.run(
        ("make", "--no-print-directory", "latency"),
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    say(done.stdout)
    if done.returncode:
        return f"`make latency` failed with {done.returncode}:\n{done.stdout}{done.stderr[-2000:]}"
    return done.stdout


SECTIONS: Mapping[str, Callable[[Path, Size, Say], Any]] = {
    "intake": measure_intake,
    "peers": measure_peers,
    "scale": measure_scale,
    "losses": measure_losses,
    "latency": measure_latency,
}


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _environ() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "PYTHON": sys.executable,
    }
