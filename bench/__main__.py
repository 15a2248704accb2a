"""`python -m bench`: measure, and write what was found."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import click

from bench.peers.cache import VERSIONS, install
from bench.report import write_report
from bench.run import SECTIONS, Size, measure

_REPOSITORY = Path(__file__).resolve().parents[1]
_RESULTS = _REPOSITORY / ".bench"


@click.group()
def main() -> None:
    """What the service does under load."""


@main.command()
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
@click.option("--seconds", default=4.0, show_default=True, help="Of each round.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--events", default=100, show_default=True, help="Of each trial of losses.")
@click.option("--closed-seconds", default=20.0, show_default=True, help="How long the store answers 503.")
@click.option("--quiet-seconds", default=25.0, show_default=True, help="Nothing more comes after this long.")
@click.option("--rows", default=1_000_000, show_default=True, help="The largest database.")
@click.option("--peers/--no-peers", default=True, show_default=True)
@click.option("--results", default=_RESULTS, type=click.Path(path_type=Path), help="Where figures are kept as JSON.")
@click.option("--wait-quiet", default=0.0, help="Wait at most so many seconds for a load average below 2.")
def run(
    *,
    sections: tuple[str, ...],
    seconds: float,
    rounds: int,
    events: int,
    closed_seconds: float,
    quiet_seconds: float,
    rows: int,
    peers: bool,
    results: Path,
    wait_quiet: float,
) -> None:
    """Measure SECTIONS, or all of them, on the disk that holds the temporary folder (TMPDIR)."""
    size = Size(
        seconds=seconds,
        rounds=rounds,
        events=events,
        closed_seconds=closed_seconds,
        quiet_seconds=quiet_seconds,
        peers=peers,
    )
    size = replace(size, rows=tuple(each for each in size.rows if each <= rows))
    _wait_for_quiet(wait_quiet)
    folder = Path(mkdtemp(prefix="refundry-bench-"))
    folder.chmod(0o755)  # PostgreSQL's server may be another user's
    try:
        for section in sections or tuple(SECTIONS):
            measure(section, folder, results, size, click.echo)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@main.command()
@click.option("--results", default=_RESULTS, type=click.Path(path_type=Path))
@click.option("--write", "document", default=_REPOSITORY / "docs" / "performance.md", type=click.Path(path_type=Path))
def report(*, results: Path, document: Path) -> None:
    """Write the document and its plots from what was measured."""
    write_report(results, document)


@main.command()
def peers() -> None:
    """Install Node-RED and n8n from npm into a cache folder (BENCH_CACHE); what cannot be is said and left out."""
    for package in VERSIONS:
        try:
            install(package)
        except Exception as error:  # noqa: BLE001 -- whatever the reason, the others can be measured
            click.echo(f"{package} could not be installed: {error}", err=True)


def _wait_for_quiet(seconds: float) -> None:
    ends = time.monotonic() + seconds
    while os.getloadavg()[0] >= 2 and time.monotonic() < ends:
        time.sleep(5)


if __name__ == "__main__":
    main()
