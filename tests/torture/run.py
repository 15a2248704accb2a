"""One run: start everything, send and kill, let it come to rest, and compare what was done with what was asked."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from service.commands.demo.stage import write_config
from service.magento import MagentoClient
from service.runtime import Runtime
from service.sandbox.access import Integration
from service.settings import SourceSettings
from service.store import migrate
from tests.torture.clock import FastClock
from tests.torture.load import Load, choose_load
from tests.torture.person import Question, answer_questions
from tests.torture.processes import Fleet, Setup
from tests.torture.sender import Senders
from tests.torture.shop import FAULTS, Books, Shop
from tests.torture.verdict import (
    Approved,
    Verdict,
    approved_by,
    check_database,
    check_pragmas,
    count_calls_in_flight,
    count_landed,
    count_under_way,
    judge,
    judge_questions,
    judge_so_far,
)

HOST = "127.0.0.1"
SOURCE = "warehouse"

_WEB = "web"
_WORKERS = ("worker-1", "worker-2")

#: What dies, and how often in proportion. "web-child" is the process that gunicorn forked; it is replaced by itself.
_VICTIMS = {
    (_WEB,): 3,
    ("web-child",): 2,
    (_WORKERS[0],): 4,
    (_WORKERS[1],): 4,
    _WORKERS: 1,
    (_WEB, *_WORKERS): 1,
}

#: As short as the settings let them be, so that a run ends; in the fast clock.
SETTINGS = {
    "SERVICE__LEASE_SECONDS": "100",
    "SERVICE__RETRY_MAX_SECONDS": "60",
    "STORES__SANDBOX__REFUND_READ_TIMEOUT_SECONDS": "120",
    "STORES__SANDBOX__SEND_DEADLINE_SECONDS": "60",
    "STORES__SANDBOX__SETTLE_SECONDS": "200",
}

#: How often the store goes wrong, per kill.
_FAULTS_PER_KILL = 0.25

_REST_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    kills: int
    seed: int
    #: Of the clock: a lease of minutes ends in seconds.
    speed: float
    #: Of our clock, between two kills, on average.
    pause_seconds: float
    magento_version: str
    #: After the last kill, everything has to come to rest within this time of ours.
    rest_seconds: float


@dataclass(kw_only=True, slots=True)
class Report:
    options: Options
    pragmas: str = ""
    kills: Counter[str] = field(default_factory=Counter)
    #: What refunds were doing when their worker died.
    landed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    questions: Counter[Question] = field(default_factory=Counter)
    #: Refund calls that were in flight when their worker died.
    lost_by_kills: int = 0
    load: Load | None = None
    acknowledged: int = 0
    answered: int = 0
    unanswered: int = 0
    killing_seconds: float = 0.0
    resting_seconds: float = 0.0
    sends: int = 0
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def lost_by_faults(self) -> int:
        """Refund calls of which the store's faults can have taken the answer away."""
        return sum(FAULTS[rule] * times for rule, times in self.faults.items())


def torture(options: Options, folder: Path) -> Report:
    """Kill so often, then say what came of it."""
    report = Report(options=options)
    with ExitStack() as cleaning_up:
        stage = cleaning_up.enter_context(_stage(options, folder))
        report.load = stage.load
        report.pragmas = check_pragmas(stage.runtime)
        began = time.monotonic()
        _kill_at_random(stage, Random(f"kills {options.seed}"), report)
        report.killing_seconds = time.monotonic() - began
        _come_to_rest(stage, report)
        report.resting_seconds = time.monotonic() - began - report.killing_seconds
        _judge(stage, report)
    return report


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    options: Options
    load: Load
    database: Path
    fleet: Fleet
    shop: Shop
    senders: Senders
    runtime: Runtime
    client: MagentoClient
    source: SourceSettings
    approved: Approved


@contextmanager
def _stage(options: Options, folder: Path) -> Iterator[_Stage]:
    clock = FastClock(started_at=time.time(), speed=options.speed)
    load = choose_load(Random(f"load {options.seed}"), returns=options.kills, now=clock())
    shop_port, port = free_ports(2)
    shop = Shop(f"http://{HOST}:{shop_port}")
    setup = Setup(
        folder=folder,
        config_dir=write_config(folder, shop_url=shop.url, integration=Integration(), port=port),
        environ={f"REFUNDRY__{key}": value for key, value in SETTINGS.items()},
        clock=clock,
    )
    settings = setup.invocation.read_settings()
    migrate(settings.service.database_url)
    with ExitStack() as cleaning_up:
        fleet = Fleet(setup=setup)
        cleaning_up.callback(fleet.stop)
        fleet.start_sandbox(shop_port, load.orders, options.magento_version)
        shop.wait_until_open()
        shop.make_slow()
        for name in (_WEB, *_WORKERS):
            fleet.start(name)
        source = settings.sources[SOURCE]
        senders = Senders(url=f"http://{HOST}:{port}", source=source, clock=clock, messages=load.messages)
        cleaning_up.callback(senders.stop)
        senders.start()
        store = settings.stores[source.store]
        yield _Stage(
            options=options,
            load=load,
            database=folder / "refundry.db",
            fleet=fleet,
            shop=shop,
            senders=senders,
            runtime=cleaning_up.enter_context(setup.invocation.open_runtime()),
            client=MagentoClient(store),
            source=source,
            approved=approved_by(load, source, store, shop.read_order_ids()),
        )


def free_ports(count: int) -> list[int]:
    with ExitStack() as probing:
        probes = [probing.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _kill_at_random(stage: _Stage, random: Random, report: Report) -> None:
    fleet, options, books = stage.fleet, stage.options, Books(shop=stage.shop)
    while fleet.kills < options.kills:
        # Somewhat ahead, so that there is always something to do when a kill comes.
        stage.senders.release((fleet.kills + 10) / options.kills)
        time.sleep(random.expovariate(1 / options.pause_seconds))
        if random.random() < _FAULTS_PER_KILL:
            report.faults[stage.shop.go_wrong(random)] += 1
        (victims,) = random.choices(list(_VICTIMS), weights=list(_VICTIMS.values()))
        if victims == ("web-child",):
            report.kills["web-child"] += fleet.kill_child(_WEB)
        else:
            pids = [fleet.pid(name) for name in victims]
            for name in victims:
                fleet.kill(name)
                report.kills[name] += 1
            report.lost_by_kills += count_calls_in_flight(stage.runtime, pids)
        check_database(stage.database, dict(stage.senders.acknowledged), report.verdict)
        changed = books.read_on()
        judge_so_far(stage.approved, changed, given=books.given, paid_back=books.paid_back, verdict=report.verdict)
        for name in (_WEB, *_WORKERS):
            if name not in fleet.running:
                fleet.start(name)


def _come_to_rest(stage: _Stage, report: Report) -> None:
    """Nothing dies any more and the store is well; a person answers. Until nothing is under way, or time is up."""
    stage.senders.release(1.0)
    stage.shop.recover()
    ends = time.monotonic() + stage.options.rest_seconds
    while time.monotonic() < ends:
        report.questions += answer_questions(stage.runtime, stage.client, stage.shop)
        if stage.senders.is_done and count_under_way(stage.runtime) == 0:
            return
        time.sleep(_REST_SECONDS)


def _judge(stage: _Stage, report: Report) -> None:
    senders, verdict = stage.senders, report.verdict
    report.acknowledged, report.answered, report.unanswered = (
        len(senders.acknowledged),
        senders.answers,
        senders.unanswered,
    )
    if not senders.is_done:
        verdict.stuck.append("not every message was acknowledged by the end")
    for name in (_WEB, *_WORKERS):
        if not stage.fleet.is_alive(name):
            verdict.stuck.append(f"{name} is not running; see its log")
    check_database(stage.database, senders.acknowledged, verdict)
    report.landed = count_landed(stage.database)
    lost_calls = report.lost_by_kills + report.lost_by_faults
    judge_questions(report.questions, lost_calls=lost_calls, verdict=verdict)
    report.sends = sum(row.sends for row in stage.runtime.store.refunds.list(limit=1_000_000))
    paid_back = stage.shop.read_paid_back()
    judge(stage.runtime, stage.client, stage.source, load=stage.load, paid_back=paid_back, verdict=verdict)
