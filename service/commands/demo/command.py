"""`refundry demo`: sets the stage, plays the scenarios, shows what came of them, and stays up to be looked at."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import click

from service.commands.demo.outcome import (
    Check,
    Outcome,
    check_everything,
    is_restocked,
    memo_route,
    read_outcomes,
    units_on_hand,
)
from service.commands.demo.play import play
from service.commands.demo.scenarios import SCENARIOS
from service.commands.demo.stage import Stage, set_up
from service.commands.invocation import Invocation
from service.commands.shown import say, table
from service.core.wording import money
from service.store import Store, open_store


@click.command(name="demo")
@click.option("--exit", "ends", is_flag=True, help="End after the table; non-zero if any outcome was not as expected.")
@click.pass_obj
def demo_command(invocation: Invocation, *, ends: bool) -> None:
    """Play returns through all of it, against a sandbox store.

    Ends with a table of what came of each, and stays up to be looked at. Everything is temporary: a Magento in
    miniature, the service with its worker, a SQLite file, a configuration.
    """
    began = time.monotonic()
    with _signals_as_interrupt():
        try:
            is_good = _run(invocation, began, stays=not ends)
        except KeyboardInterrupt:
            say("", "Ended; everything temporary is gone.")
            return
    if not is_good:
        raise SystemExit(1)


def _run(invocation: Invocation, began: float, *, stays: bool) -> bool:
    say("Setting up a sandbox store, and Refundry with gunicorn and a worker …")
    with set_up(invocation.environ, invocation.clock()) as stage:
        say(f"  store   {stage.shop_url}   Magento {stage.sandbox.store.shop.quirks.magento_version} in miniature")
        say(f"  service {stage.url}", "")
        with closing(open_store(stage.settings.service.database_url)) as store:
            before = units_on_hand(stage)
            posted = play(stage, store, invocation.clock, say)
            outcomes = read_outcomes(stage, store, posted)
            checks = (*map(_check_of, outcomes), *check_everything(stage, before, posted))
            failed = sum(bool(check.differences) for check in checks)
            say("", *_outcome_table(outcomes), "", *_verdicts(checks))
            say("", _summary(failed, seconds=time.monotonic() - began))
            is_good = not failed
            if not is_good:
                say(f"The service's log: {_keep_log(stage)}")
            if stays:
                _stay_up(stage, store, invocation)
    return is_good


def _outcome_table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    heads = ("return", "order", "route", "credit memo", "amount", "restocked", "why")
    return table(heads, [row for outcome in outcomes for row in _rows(outcome)])


def _rows(outcome: Outcome) -> Iterator[tuple[object, ...]]:
    scenario = outcome.scenario
    if not outcome.memos:
        yield scenario.return_id, scenario.order, "a person", "none", "", "", outcome.reason
    for memo in outcome.memos:
        restocked = "yes" if is_restocked(memo) else "no"
        amount = money(memo.base.grand_total, "USD")
        route = {"order": "offline", "invoice": "online"}[memo_route(memo)]
        yield scenario.return_id, scenario.order, route, memo.increment_id, amount, restocked, scenario.title


def _check_of(outcome: Outcome) -> Check:
    scenario = outcome.scenario
    if scenario.memos:
        totals = " + ".join(money(memo.total) for memo in scenario.memos)
        expected = f"{len(scenario.memos)} credit memo{'s' if len(scenario.memos) > 1 else ''} of {totals}"
    else:
        expected = f"no credit memo; a person is asked: {scenario.code}"
    return Check(what=f"{scenario.return_id:<11}  {expected}", differences=outcome.differences)


def _verdicts(checks: Sequence[Check]) -> Iterator[str]:
    for check in checks:
        yield f"{'FAIL' if check.differences else 'PASS'}  {check.what}"
        yield from (f"      {difference}" for difference in check.differences)


def _summary(failed: int, *, seconds: float) -> str:
    said = f"{len(SCENARIOS)} returns in {seconds:.0f} s"
    return f"{said}: {failed} not as expected." if failed else f"{said}: all as expected."


def _keep_log(stage: Stage) -> Path:
    """The log, where it outlives the stage: a failure is looked into afterwards."""
    kept = Path(tempfile.gettempdir()) / f"{stage.folder.name}.log"
    shutil.copyfile(stage.log_file, kept)
    return kept


def _stay_up(stage: Stage, store: Store, invocation: Invocation) -> None:
    token = store.keys.create("demo", ("read",), secrets.token_bytes(32), invocation.clock(), actor="demo")
    say(
        "",
        f"It stays up at {stage.url}. Look around, from another window:",
        "",
        f'  curl -s -H "Authorization: Bearer {token}" {stage.url}/api/v1/returns',
        "",
        f"  export REFUNDRY_CONFIG_DIR={stage.config_dir}",
        "  refundry list                   every return, and why it is where it is",
        "  refundry show ret_1             one of them: plan, reasons, calls, journal",
        "  refundry list --needs-person",
        "",
        "Ctrl-C ends it.",
    )
    while True:
        signal.pause()


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that processes and files go whichever comes.

    SIGINT is asked for too: a shell starts what runs in the background with it ignored.
    """

    def on_signal(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
