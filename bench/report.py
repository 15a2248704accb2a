"""docs/performance.md from the figures that were measured; every number of it comes from a file of results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import scale

_WITHOUT = "storage left out"
_GOAL_RATIO, _GOAL_P99 = 0.8, 2.0
_QUIET = 2.0


def write_report(results: Path, document: Path) -> None:
    found = {file.stem: json.loads(file.read_text()) for file in sorted(results.glob("*.json"))}
    images = document.parent / "img"
    images.mkdir(parents=True, exist_ok=True)
    parts = [_head(found)]
    for name, write in _SECTIONS.items():
        if name in found:
            parts.append(write(found[name], images))
    document.write_text("\n\n".join(part.strip() for part in parts) + "\n")


# --- parts ------------------------------------------------------------------------------------------------------------


def _head(found: Mapping[str, Any]) -> str:
    machine = next(found[name] for name in ("peers", *found) if name in found)["machine"]
    rows = [
        (name, each["measured_at"], " → ".join(f"{load:.1f}" for load in each["load_average"]))
        for name, each in found.items()
    ]
    loud = [name for name, each in found.items() if each["load_average"][0] >= _QUIET and name != "losses"]
    warning = (
        f"\n**The machine was not quiet** when these sections began: {', '.join(loud)}. Their figures are low.\n"
        if loud
        else ""
    )
    return f"""# Performance

Printed by `make bench`; every figure was measured by it, section by section at the times below. Load generator and
what it measures share one machine, so compare rows of one table rather than with other machines.

```console
$ make bench-peers     # Node-RED and n8n from npm, into ~/.cache; Redis comes from Debian: apt-get install redis-server
$ make bench           # all sections, about half an hour; SECONDS=2 ROUNDS=3 ROWS=100000 for less; SECTIONS="intake scale"
```

{_table(("machine", ""), machine.items())}

{_table(("section", "measured at (UTC)", "load average before → after"), rows)}
{warning}
The load generator is one thread with kept-alive connections, each of which sends the next webhook as soon as the last
was answered. A webhook is {_size()} bytes of JSON with six lines, signed by Standard Webhooks, each with an id of its own;
the bytes are made before the round. Times are from the first byte sent to the last byte of the answer."""


def _size() -> int:
    from bench.messages import body_of  # noqa: PLC0415 -- for this number alone

    return len(body_of("a" * 24))


def _intake(section: Mapping[str, Any], images: Path) -> str:
    rounds, size = section["found"], section["size"]
    base_rate, base_p99 = _median(rounds, _WITHOUT, "rate"), _median(rounds, _WITHOUT, "p99_ms")
    names = list(dict.fromkeys(each["system"] for each in rounds))
    rows = []
    for name in names:
        rate, p99 = _median(rounds, name, "rate"), _median(rounds, name, "p99_ms")
        rows.append(
            (
                name,
                _spread(rounds, name, "rate"),
                f"{_median(rounds, name, 'p50_ms'):.1f}",
                f"{p99:.1f}",
                f"{rate / base_rate:.2f}",
                f"{p99 / base_p99:.2f}",
                f"{_median(rounds, name, 'cpu_us'):.0f}",
                sum(each["failed"] for each in rounds if each["system"] == name),
            )
        )
    _bars(images / "intake.svg", "acknowledged webhooks a second", [(n, _all(rounds, n, "rate")) for n in names])
    said = [
        f"{name}: {_median(rounds, name, 'rate') / base_rate:.2f} of the route without storage"
        f" ({'reaches' if _median(rounds, name, 'rate') / base_rate >= _GOAL_RATIO else 'misses'} {_GOAL_RATIO}), p99"
        f" {_median(rounds, name, 'p99_ms') / base_p99:.2f} times its p99"
        f" ({'within' if _median(rounds, name, 'p99_ms') / base_p99 <= _GOAL_P99 else 'above'} {_GOAL_P99:g})"
        for name in names
        if name != _WITHOUT
    ]
    return f"""## Durable intake

The answer comes after the commit is flushed: SQLite in WAL with `synchronous=FULL`, PostgreSQL with `fsync` and
`synchronous_commit` on. *Storage left out* is the same command, route, verification, log line and answer, and an inbox
that returns at once (`bench/without_storage.py`). {size["rounds"]} rounds, the systems in turns, {size["seconds"]:g} s
each on a new database, {size["connections"]} connections, settings as shipped.

{_table(("", "acknowledged/s, median (min to max)", "p50 ms", "p99 ms", "ratio", "p99 ratio", "processor, µs each", "failed"), rows)}

{"; ".join(said)}. *Processor* is what the serving processes spent on each webhook (PostgreSQL's server not counted); the
load generator took {100 * median(each["generator"] for each in rounds):.0f} % of one core beside it.

![acknowledged a second](img/intake.svg)"""


def _peers(section: Mapping[str, Any], images: Path) -> str:
    rounds, size = section["found"]["rounds"], section["size"]
    names = list(dict.fromkeys(each["system"] for each in rounds))
    rows = [
        (
            name,
            _spread(rounds, name, "rate"),
            f"{_median(rounds, name, 'p50_ms'):.1f}",
            f"{_median(rounds, name, 'p99_ms'):.1f}",
            f"{_median(rounds, name, 'resident_mb'):.0f}",
            sum(each["failed"] for each in rounds if each["system"] == name),
        )
        for name in names
    ]
    _bars(images / "peers.svg", "acknowledged webhooks a second", [(n, _all(rounds, n, "rate")) for n in names])
    return f"""## Beside what else could be taken

The same webhooks from the same load generator, one system after the other, {size["seconds"]:g} s a round. Each proves the
sender (n8n cannot, see `bench/peers/n8n.py`) and answers 202. *Defaults* is what its documentation shows; *most durable*
is all that it offers against loss: Celery with late acknowledgement and endless retries on a Redis that flushes every
command, Node-RED and n8n answering only when the store has answered. Ours and Flask + Celery have the same gunicorn
settings and their workers switched off; Node-RED and n8n are one process that also tells the store, which answers at
once here.

{_table(("", "acknowledged/s, median (min to max)", "p50 ms", "p99 ms", "resident MB, all processes", "failed"), rows)}

{_missing(section["found"]["missing"])}

![beside others](img/peers.svg)"""


def _losses(section: Mapping[str, Any], images: Path) -> str:
    del images
    found, size = section["found"]["losses"], section["size"]
    trials = list(dict.fromkeys(each["trial"] for each in found))
    systems = list(dict.fromkeys(each["system"] for each in found))
    cells = {
        (each["system"], each["trial"]): f"{each['lost']} of {each['acknowledged']} lost"
        + (f", {each['doubled']} doubled" if each["doubled"] else "")
        if each["acknowledged"]
        else "acknowledged none"
        for each in found
    }
    rows = [(system, *(cells.get((system, trial), "has none") for trial in trials)) for system in systems]
    return f"""## What is lost after an acknowledgement

{size["events"]} webhooks at once, to a store that takes 0.2 s for a refund. *Receiver killed*: `kill -9` to all that
receives and works right after the last acknowledgement, and a new start. *Broker killed*: `kill -9` to what holds the
queue as well. *Store closed*: it answers 503 for {size["closed_seconds"]:g} s (a minute, shortened: what has given up by
then does not come back later). Lost: acknowledged, and the store was never told, when nothing had moved for
{size["quiet_seconds"]:g} s. What was refused instead of acknowledged is not lost: the sender knows.

{_table(("", *trials), rows)}

Ours runs web and worker against the sandbox store, where what counts is credit memos; its clock runs 20 times as fast,
so that the five minutes of a dead worker's lease pass in fifteen seconds. It has no broker: the database is a file, and
its processes are killed in the first trial. Celery's *most durable* hands back what a killed worker held after a
visibility timeout that was set to 10 s; by default that is an hour, which was not waited for, so that what is missing
after *receiver killed* may still come back. `make torture` kills ours at
a thousand random moments instead of one.

{_missing(section["found"]["missing"])}"""


_PLOTS = {
    "intake, acknowledged/s": "rate",
    "intake, p99 ms": "ms",
    "claim, p99 ms": "ms",
    "claim, p50 ms": "ms",
    "list deliveries, ms": "ms",
    "list deliveries in the middle, ms": "ms",
    "list quarantine (none), ms": "ms",
    "list returns, ms": "ms",
    "list returns --needs-person, ms": "ms",
    "oldest due (readyz), ms": "ms",
}


def _scale(section: Mapping[str, Any], images: Path) -> str:
    points = section["found"]
    sizes = sorted({each["rows"] for each in points})
    curves = list(dict.fromkeys(each["curve"] for each in points))
    value = {(each["curve"], each["rows"]): each["value"] for each in points}
    rows = [(curve, *(_number(value.get((curve, size))) for size in sizes)) for curve in curves]
    _curves(images / "scale.svg", sizes, value)
    most = sizes[-1]
    claim, restart = value["claim, p99 ms", most], value["restart until the first 202, s", most]
    first = value["restart until the first claim, s", most]
    return f"""## A million stored deliveries

SQLite, all rows due and waiting (a backlog), bodies of {scale.BODY_BYTES} bytes, each with its entry in the journal and
every second one with an event and a planned return. Claims and pages are timed in a process of their own, by the calls
that workers, console and command line make; a claim is a flushed transaction, and each is finished before the next.

{_table(("", *(f"{size:,}" for size in sizes)), rows)}

At {most:,}: claim p99 {claim:.1f} ms (goal 5), the first 202 {restart:.1f} s and the first claim {first:.1f} s after both
processes were started (goal 2), which is nearly all Python's imports.

![scale](img/scale.svg)"""


def _latency(section: Mapping[str, Any], images: Path) -> str:
    del images
    return f"""## Calls and time per refund

What `make latency` printed:

```text
{section["found"].strip()}
```"""


_SECTIONS = {"intake": _intake, "peers": _peers, "losses": _losses, "scale": _scale, "latency": _latency}


# --- tables and plots -------------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "\n".join(_lines(head, rows))


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


def _missing(missing: Mapping[str, str]) -> str:
    return "\n".join(f"Not measured: {name}; {why}." for name, why in missing.items())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _all(rounds: Sequence[Mapping[str, Any]], system: str, what: str) -> list[float]:
    return [each[what] for each in rounds if each["system"] == system]


def _median(rounds: Sequence[Mapping[str, Any]], system: str, what: str) -> float:
    return float(median(_all(rounds, system, what)))


def _spread(rounds: Sequence[Mapping[str, Any]], system: str, what: str) -> str:
    values = _all(rounds, system, what)
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _bars(file: Path, title: str, systems: Sequence[tuple[str, Sequence[float]]]) -> None:
    figure, axes = _figure(8, 0.6 + 0.45 * len(systems))
    names = [name for name, _ in systems]
    axes.barh(names, [median(values) for _, values in systems], color="#4c72b0")
    for place, (_, values) in enumerate(systems):
        axes.plot([min(values), max(values)], [place, place], color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel(f"{title} (bar: median, line: min to max)")
    _save(figure, file)


def _curves(file: Path, sizes: Sequence[int], value: Mapping[tuple[str, int], float]) -> None:
    figure, (rate, ms) = _figure(9, 4, columns=2)
    for curve, unit in _PLOTS.items():
        axes = rate if unit == "rate" else ms
        axes.plot(sizes, [value[curve, size] for size in sizes], marker="o", label=curve)
    for axes in (rate, ms):
        axes.set_xscale("log")
        axes.set_xlabel("stored deliveries")
        axes.legend(fontsize=7)
    rate.set_ylim(bottom=0)
    ms.set_yscale("log")
    _save(figure, file)


def _figure(width: float, height: float, *, columns: int = 1) -> Any:
    import matplotlib as mpl  # noqa: PLC0415 -- only who writes a report needs it

    mpl.use("Agg")
    # Without it, the same figures would give another file each time.
    mpl.rcParams["svg.hashsalt"] = "refundry"
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- after the choice above

    return plt.subplots(1, columns, figsize=(width, height), layout="constrained")


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, metadata={"Date": None})
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- as above

    plt.close(figure)
