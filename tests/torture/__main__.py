"""`python -m tests.torture`: kill -9 at random moments, and what came of it. Exit code 1 unless all was as promised."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import click

from service.sandbox.versions import DEFAULT_VERSION, QUIRKS
from tests.torture.person import Question
from tests.torture.run import Options, Report, torture

#: As many lines of what went wrong as somebody reads.
_SHOWN = 20


@click.command()
@click.option("--kills", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--seed", type=int, help="Chooses load, victims, pauses and faults; default: a new one, printed.")
@click.option("--speed", default=20.0, show_default=True, help="Of the service's clock.")
@click.option("--pause", "pause_seconds", default=0.5, show_default=True, help="Seconds between kills, on average.")
@click.option("--rest", "rest_seconds", default=300.0, show_default=True, help="Seconds to come to rest in.")
@click.option("--magento-version", default=DEFAULT_VERSION, show_default=True, type=click.Choice(list(QUIRKS)))
@click.option("--keep", is_flag=True, help="Keep database and logs of a good run, too.")
def main(
    *,
    kills: int,
    seed: int | None,
    speed: float,
    pause_seconds: float,
    rest_seconds: float,
    magento_version: str,
    keep: bool,
) -> None:
    """Kill web and workers with SIGKILL at random moments while signed returns come in; compare what was given back."""
    options = Options(
        kills=kills,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        speed=speed,
        pause_seconds=pause_seconds,
        magento_version=magento_version,
        rest_seconds=rest_seconds,
    )
    click.echo(f"seed {options.seed}: {kills} kills, Magento {magento_version}, clock at {speed:g}×")
    folder = Path(mkdtemp(prefix="refundry-torture-"))
    report = torture(options, folder)
    for line in _lines(report):
        click.echo(line)
    if report.verdict.is_good and not keep:
        shutil.rmtree(folder)
    else:
        click.echo(f"database and logs are in {folder}")
    sys.exit(0 if report.verdict.is_good else 1)


def _lines(report: Report) -> Iterator[str]:
    options, verdict, load = report.options, report.verdict, report.load
    assert load is not None
    yield f"kills        {sum(report.kills.values())} in {report.killing_seconds:.0f} s: {_counted(report.kills)}"
    yield f"load         {len(load.returns)} returns of {len(load.orders)} orders in {len(load.messages)} messages"
    yield (
        f"answers      {report.answered} acknowledged as {report.acknowledged} deliveries, "
        f"{report.unanswered} tries without an answer"
    )
    yield f"landed       {_counted(report.landed)}; as the next worker found the refund"
    yield f"store        {sum(report.faults.values())} faults: {_counted(report.faults)}"
    yield (
        f"refunds      {report.sends} calls; {verdict.memos} memos, {verdict.gateway_refunds} refunds at the gateway, "
        f"{verdict.settled_without_memo} without a memo"
    )
    yield f"a person     {report.questions.total()} questions: {_counted(report.questions)}"
    yield (
        f"lost answers {report.lost_by_kills + report.lost_by_faults} calls at most, each may become a question: "
        f"{report.lost_by_kills} in flight at a kill, {report.lost_by_faults} by the store's faults"
    )
    yield f"at rest      {report.resting_seconds:.0f} s after the last kill"
    yield "checked      after each kill: integrity_check, acknowledged deliveries, memos and ledger against returns"
    yield f"database     {report.pragmas}"
    yield "             (kill -9 leaves the operating system's cache alone: it does not test fsync, these settings do)"
    yield "             (the store is not killed, it keeps its state in memory: its faults play that)"
    for name in ("doubled", "lost", "stuck", "needless", "damaged"):
        found = getattr(verdict, name)
        yield f"{name:<12} {len(found)}"
        yield from (f"    {line}" for line in found[:_SHOWN])
    yield (
        f"again        python -m tests.torture --seed {options.seed} --kills {options.kills} --speed {options.speed:g} "
        f"--pause {options.pause_seconds:g} --magento-version {options.magento_version}"
    )
    yield "             (the same load, victims and pauses; the operating system's timing is its own)"


def _counted(counter: Counter[str] | Counter[Question]) -> str:
    return ", ".join(f"{times}× {what}" for what, times in counter.most_common()) or "none"


if __name__ == "__main__":
    main()
