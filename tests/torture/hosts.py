"""Two hosts on one PostgreSQL: one is frozen past its lease or killed in the middle of a refund call, again and again.

A host is a web and a worker, in process groups of their own, with their own address; all they share is the database's
address and the store's. `python -m tests.torture.hosts`; exit code 1 unless all was as promised.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import click
import psycopg

from service.commands.demo.stage import write_config
from service.magento import MagentoClient
from service.runtime import Runtime
from service.sandbox.access import Integration
from service.sandbox.versions import DEFAULT_VERSION
from service.store import format_id, migrate
from tests.databases.server import Server
from tests.torture.clock import FastClock
from tests.torture.load import Load, choose_load
from tests.torture.person import Question, answer_questions
from tests.torture.processes import Fleet, Setup
from tests.torture.run import HOST, SETTINGS, SOURCE, free_ports
from tests.torture.sender import Senders
from tests.torture.shop import Shop
from tests.torture.verdict import Verdict, count_calls_in_flight, count_under_way, judge, judge_questions

_HOSTS = ("a", "b")

#: Seconds of the service's clock: what a poll, a claim and busy processors may add to a lease.
_LATE_SECONDS = 60

#: Each round needs a refund call to land in; more returns than rounds, as calls also end between a look and a blow.
_RETURNS_PER_ROUND = 6

_IN_FLIGHT = """
SELECT r.id, d.lease_until FROM refunds r JOIN deliveries d ON d.id = r.delivery_id
WHERE r.state = 'sending' AND d.lease_until IS NOT NULL AND d.worker LIKE %s LIMIT 1
"""
_TAKEN_OVER_AT = "SELECT min(at) FROM journal WHERE what = 'refund.taken-over' AND refund_id = %s AND at > %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    rounds: int
    seed: int
    speed: float = 20.0
    rest_seconds: float = 300.0


@dataclass(kw_only=True, slots=True)
class Report:
    options: Options
    load: Load | None = None
    blows: Counter[str] = field(default_factory=Counter)
    #: From the end of a lease to what the other host then did, in seconds of the service's clock.
    late: list[float] = field(default_factory=list)
    acknowledged: int = 0
    questions: Counter[Question] = field(default_factory=Counter)
    #: Refund calls that were in flight when their worker was frozen or killed.
    lost_calls: int = 0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    options: Options
    load: Load
    clock: FastClock
    database_url: str
    fleets: dict[str, Fleet]
    senders: dict[str, Senders]
    shop: Shop
    runtime: Runtime
    client: MagentoClient


def two_hosts(options: Options, folder: Path) -> Report:
    """Freeze and kill in turn, then say what came of it."""
    report = Report(options=options)
    began = time.monotonic()
    with _stage(options, folder) as stage:
        report.load = stage.load
        random = Random(f"blows {options.seed}")
        for number in range(options.rounds):
            for senders in stage.senders.values():
                senders.release((number + 1) / options.rounds)
            _strike(stage, random.choice(_HOSTS), "frozen" if number % 2 == 0 else "killed", report)
        _come_to_rest(stage, report)
        _judge(stage, report)
    report.seconds = time.monotonic() - began
    return report


def _strike(stage: _Stage, host: str, how: str, report: Report) -> None:
    """Hit a host that has a refund call in flight, and have it back once the other has taken that refund over."""
    fleet = stage.fleets[host]
    with psycopg.connect(stage.database_url, autocommit=True) as look:
        call = _wait_for_call(look, fleet)
        if call is None:
            report.blows["nothing was in flight"] += 1
            return
        pids = [fleet.pid(name) for name in fleet.running]
        for name in tuple(fleet.running):
            (fleet.freeze if how == "frozen" else fleet.kill)(name)
        report.lost_calls += count_calls_in_flight(stage.runtime, pids)
        report.blows[how] += 1
        late = _wait_for_take_over(look, stage, *call)
        if late is None:
            report.verdict.stuck.append(f"{format_id('refund', call[0])} was not taken over when its lease had ended")
        else:
            report.late.append(late)
        for name in (f"web-{host}", f"worker-{host}"):
            (fleet.thaw if how == "frozen" else fleet.start)(name)


def _wait_for_call(look: psycopg.Connection, fleet: Fleet) -> tuple[int, float] | None:
    """The refund that this host is calling for, and when its lease ends."""
    pid = next(process.pid for name, process in fleet.running.items() if name.startswith("worker"))
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        row = look.execute(_IN_FLIGHT, (f"%:{pid}/%",)).fetchone()
        if row is not None:
            return row[0], row[1] / 1_000_000
        time.sleep(0.01)
    return None


def _wait_for_take_over(look: psycopg.Connection, stage: _Stage, refund_id: int, lease_until: float) -> float | None:
    while stage.clock().timestamp() < lease_until + _LATE_SECONDS:
        (at,) = look.execute(_TAKEN_OVER_AT, (refund_id, round(lease_until * 1_000_000))).fetchone() or (None,)
        if at is not None:
            return at / 1_000_000 - lease_until
        time.sleep(0.02)
    return None


def _come_to_rest(stage: _Stage, report: Report) -> None:
    stage.shop.recover()
    ends = time.monotonic() + stage.options.rest_seconds
    while time.monotonic() < ends:
        report.questions += answer_questions(stage.runtime, stage.client, stage.shop)
        if all(senders.is_done for senders in stage.senders.values()) and count_under_way(stage.runtime) == 0:
            return
        time.sleep(0.3)
    report.verdict.stuck.append("it did not come to rest in time")


def _judge(stage: _Stage, report: Report) -> None:
    verdict = report.verdict
    stored = {each.id: each.body_sha256 for each in stage.runtime.store.inbox.list(limit=1_000_000)}
    for senders in stage.senders.values():
        report.acknowledged += len(senders.acknowledged)
        for delivery_id, sha256 in senders.acknowledged.items():
            if stored.get(delivery_id) != sha256:
                verdict.lost.append(f"{format_id('delivery', delivery_id)} was acknowledged and is not in the database")
    for fleet in stage.fleets.values():
        verdict.stuck += [f"{name} is not running; see its log" for name in fleet.running if not fleet.is_alive(name)]
    judge_questions(report.questions, lost_calls=report.lost_calls, verdict=verdict)
    source = stage.runtime.settings.sources[SOURCE]
    paid_back = stage.shop.read_paid_back()
    judge(stage.runtime, stage.client, source, load=stage.load, paid_back=paid_back, verdict=verdict)


@contextmanager
def _stage(options: Options, folder: Path) -> Iterator[_Stage]:
    clock = FastClock(started_at=time.time(), speed=options.speed)
    load = choose_load(Random(f"load {options.seed}"), returns=options.rounds * _RETURNS_PER_ROUND, now=clock())
    shop_port, *ports = free_ports(1 + len(_HOSTS))
    shop = Shop(f"http://{HOST}:{shop_port}")
    with ExitStack() as cleaning_up:
        server = Server(folder=folder / "postgresql")
        server.create()
        server.start()
        cleaning_up.callback(server.stop)
        database_url = f"{server.url}/postgres"
        migrate(database_url)
        setup = Setup(
            folder=folder,
            config_dir=write_config(folder, shop_url=shop.url, integration=Integration(), port=ports[0]),
            environ={
                **{f"REFUNDRY__{key}": value for key, value in SETTINGS.items()},
                "REFUNDRY__SERVICE__DATABASE_URL": database_url,
            },
            clock=clock,
        )
        fleets = {
            host: Fleet(setup=replace(setup, environ={**setup.environ, "REFUNDRY__SERVICE__PORT": str(port)}))
            for host, port in zip(_HOSTS, ports, strict=True)
        }
        store = Fleet(setup=setup)
        cleaning_up.callback(store.stop)
        store.start_sandbox(shop_port, load.orders, DEFAULT_VERSION)
        shop.wait_until_open()
        shop.make_slow()
        runtime = cleaning_up.enter_context(setup.invocation.open_runtime())
        senders = {}
        for number, (host, fleet) in enumerate(fleets.items()):
            cleaning_up.callback(fleet.stop)
            fleet.start(f"web-{host}")
            fleet.start(f"worker-{host}")
            senders[host] = Senders(
                url=f"http://{HOST}:{ports[number]}",
                source=runtime.settings.sources[SOURCE],
                clock=clock,
                messages=load.messages[number :: len(_HOSTS)],
            )
            cleaning_up.callback(senders[host].stop)
            senders[host].start()
        yield _Stage(
            options=options,
            load=load,
            clock=clock,
            database_url=database_url,
            fleets=fleets,
            senders=senders,
            shop=shop,
            runtime=runtime,
            client=MagentoClient(runtime.settings.stores[runtime.settings.sources[SOURCE].store]),
        )


@click.command()
@click.option("--rounds", default=10, show_default=True, type=click.IntRange(1))
@click.option("--seed", type=int, help="Chooses load and hosts; default: a new one, printed.")
def main(*, rounds: int, seed: int | None) -> None:
    """Freeze and kill one of two hosts in the middle of its refund calls; compare what was given back."""
    options = Options(rounds=rounds, seed=secrets.randbelow(1_000_000) if seed is None else seed)
    click.echo(f"seed {options.seed}: {rounds} blows, clock at {options.speed:g}×")
    folder = Path(mkdtemp(prefix="refundry-hosts-"))
    folder.chmod(0o755)  # the database's server may have another user
    report = two_hosts(options, folder)
    for line in _lines(report):
        click.echo(line)
    if report.verdict.is_good:
        shutil.rmtree(folder)
    else:
        click.echo(f"logs are in {folder}")
    sys.exit(0 if report.verdict.is_good else 1)


def _lines(report: Report) -> Iterator[str]:
    verdict, load = report.verdict, report.load
    assert load is not None
    blows = ", ".join(f"{times}× {what}" for what, times in report.blows.items())
    yield f"blows        {blows}; {report.seconds:.0f} s in all"
    yield f"load         {len(load.returns)} returns of {len(load.orders)} orders in {len(load.messages)} messages"
    yield f"answers      {report.acknowledged} deliveries acknowledged"
    if report.late:
        seconds = sorted(report.late)
        yield f"taken over   {seconds[0]:.1f} to {seconds[-1]:.1f} s of the service's clock after the lease had ended"
    yield f"refunds      {verdict.memos} memos, {verdict.gateway_refunds} refunds at the gateway"
    yield f"a person     {report.questions.total()} questions; {report.lost_calls} calls in flight at a blow"
    for name in ("doubled", "lost", "stuck", "needless"):
        found = getattr(verdict, name)
        yield f"{name:<12} {len(found)}"
        yield from (f"    {line}" for line in found[:20])


if __name__ == "__main__":
    main()
