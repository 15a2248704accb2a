"""Trouble around the work: stores that are slow or away, a database that is locked or full, an end in the middle.

Time and network are the world's; the lock, the full disk and the threads are real.
"""

import resource
import sqlite3
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

import pytest

from service.core.lifecycle import DeliveryState, RefundState
from service.errors import StoreUnavailable
from service.flow import answers
from service.flow.worker import Worker, work_once
from service.store import open_store
from tests.flow.world import MONDAY, World, dollars

OFFLINE, ONLINE, TWO_INVOICES, HELD = "000000101", "000000102", "000000106", "000000112"
DONE, WAITING, PERSON = DeliveryState.DONE, DeliveryState.WAITING, DeliveryState.NEEDS_PERSON
BAG = "24-MB01"
A_DAY = 86_400


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def say_offline(world):
    return world.say(OFFLINE, ("WS12-M-Orange", 1), return_id="RMA-offline")


def say_online(world):
    return world.say(ONLINE, (BAG, 2), return_id="RMA-online")


# --- a store that is away, slow, or asks for peace --------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost-before", "maintenance", "502-before", "429 retry-after=600"])
def test_a_store_that_is_away_for_a_day_is_waited_for_without_a_storm(world, fault):
    world.fault(f"* * {fault}")
    received = say_online(world)
    world.work_until_idle(at_most_seconds=A_DAY)
    waited = world.state(received)[0]
    tries = world.delivery(received).attempts
    world.faults.lift()

    world.work_until_idle()

    assert waited is WAITING
    assert A_DAY / 900 < tries < A_DAY / 900 + 12
    assert world.paid_back(ONLINE) == dollars(68)
    assert world.state(received) == (DONE, "refunded")


@pytest.mark.parametrize("where", ["GET */orders", "POST */refund"])
def test_a_store_that_says_when_to_come_back_is_not_asked_before(world, where):
    world.fault(f"{where} 429 times=1 retry-after=1200")
    received = say_online(world)

    world.work()

    assert world.delivery(received).due_at >= MONDAY + timedelta(seconds=1200)


@pytest.mark.parametrize("order", [OFFLINE, ONLINE], ids=["offline", "online"])
def test_a_store_too_slow_to_be_acted_on_is_waited_for_and_nobody_is_asked(world, order):
    """Each reading is older than it may be by the time the plan stands; an hour later the store is well again."""
    world.fault("GET * latency seconds=11")
    received = say_offline(world) if order == OFFLINE else say_online(world)
    world.work_until_idle(at_most_seconds=3600)
    waited, posts = world.state(received), world.posts()
    world.faults.lift()

    world.work_until_idle()

    assert (waited, posts) == ((WAITING, "store-slow"), [])
    assert world.state(received) == (DONE, "refunded")
    assert world.people.told == []


def test_maintenance_that_begins_between_reading_and_call_is_settled_by_looking(world):
    world.fault("POST */refund maintenance times=1")
    received = say_offline(world)

    world.work_until_idle()

    assert len(world.memos(OFFLINE)) == 1
    assert world.state(received) == (DONE, "refunded")


def test_a_read_slower_than_the_lease_gives_the_delivery_to_another_and_sends_nothing_itself(world):
    lease_seconds = world.settings.service.lease_seconds
    world.fault(f"GET */invoices latency seconds={lease_seconds + 1} times=1")
    received = say_online(world)
    meanwhile(world, "/invoices", lambda: world.work(world.new_process()))

    world.work()

    assert len(world.posts()) == 1
    assert world.paid_back(ONLINE) == dollars(68)
    assert world.state(received)[0] is DONE


def meanwhile(world, path, happens):
    """Let `happens` happen once, when a request for `path` has been served and before its answer arrives."""
    handle = world.sandbox.handle

    def served(request):
        answer = handle(request)
        if path in request.path and world.sandbox.handle is served:
            world.sandbox.handle = handle
            happens()
        return answer

    world.sandbox.handle = served


# --- our own database -------------------------------------------------------------------------------------------------


@contextmanager
def locked(world):
    """Another program holds the database's write lock, as a careless `sqlite3` shell does."""
    stranger = sqlite3.connect(world.url.removeprefix("sqlite:///"), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        stranger.close()


@contextmanager
def full_disk(world):
    """No file of this process may grow: what a full disk says, without filling one."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@pytest.fixture
def impatient(world):
    store = open_store(world.url, patience_seconds=0.1)
    yield replace(world.runtime, store=store)
    store.close()


TROUBLES = {"locked": locked, "full": full_disk}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_what_cannot_be_stored_is_not_acknowledged(world, impatient, trouble):
    world.runtime = impatient
    with trouble(world), pytest.raises(StoreUnavailable) as refused:
        say_online(world)

    again = say_online(world)
    world.work()

    assert refused.value.status == 503
    assert (again.duplicate, world.paid_back(ONLINE)) == (False, dollars(68))


#: Where the trouble begins: after the answer to this request, the first of its kind.
MOMENTS = [
    (OFFLINE, "/orders"),
    (OFFLINE, "/refund"),
    (OFFLINE, "/creditmemo/"),
    (ONLINE, "/orders"),
    (ONLINE, "/invoices"),
    (ONLINE, "/refund"),
    (ONLINE, "/creditmemo/"),
    (ONLINE, "/emails"),
]


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
@pytest.mark.parametrize(("order", "moment"), MOMENTS)
def test_a_database_that_fails_at_any_moment_doubles_and_loses_nothing(world, impatient, order, moment, trouble):
    received = say_offline(world) if order == OFFLINE else say_online(world)
    in_trouble = trouble(world)
    meanwhile(world, moment, in_trouble.__enter__)
    try:
        work_once(impatient, "unlucky")
    except StoreUnavailable:
        pass
    finally:
        in_trouble.__exit__(None, None, None)

    world.clock.advance(world.settings.service.lease_seconds + 1000)
    world.work_until_idle()

    assert world.state(received)[0] is DONE
    assert len(world.memos(order)) == 1
    assert world.paid_back(ONLINE) == (dollars(68) if order == ONLINE else [])


def test_a_worker_outlives_a_locked_database(world, impatient):
    received = say_offline(world)
    with locked(world):
        worker = ExitStack()
        worker.enter_context(running(quick(impatient)))
        time.sleep(0.5)
    with worker:
        wait_until(lambda: world.state(received)[0] is DONE)

    assert len(world.memos(OFFLINE)) == 1


@contextmanager
def running(runtime, *held):
    """A worker's real threads; whatever holds one of them up is let go at the end, so that they end too."""
    worker = Worker(runtime)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        for each in held:
            each.set()
        worker.stop()
        thread.join(30)
    assert not thread.is_alive()


def quick(runtime):
    service = replace(runtime.settings.service, poll_seconds=0.05, worker_threads=2)
    return replace(runtime, settings=replace(runtime.settings, service=service))


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- an end in the middle ---------------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_end_hands_back_what_it_has_not_begun(world):
    received = world.say(ONLINE, (BAG, 1, "sellable"), (BAG, 1, "damaged"))
    ending = replace(world.runtime, is_ending=lambda: len(world.posts()) > 0)

    work_once(ending, "ending")
    handed_back, posts = world.delivery(received), len(world.posts())
    world.work()

    assert (handed_back.state, handed_back.reason_code, posts) == (WAITING, "handed-back", 1)
    assert handed_back.due_at == MONDAY
    assert world.paid_back(ONLINE) == dollars(34, 34)
    assert world.state(received)[0] is DONE


@pytest.mark.parametrize("path", ["/orders", "/invoices"])
def test_a_worker_that_is_told_to_end_while_it_reads_sends_nothing(world, path):
    received = say_online(world)
    told = threading.Event()
    meanwhile(world, path, told.set)

    work_once(replace(world.runtime, is_ending=told.is_set), "ending")

    assert world.posts() == []
    assert world.state(received) == (WAITING, "handed-back")
    assert [row.state for row in world.refunds() if row.state is not RefundState.PLANNED] == []


# --- patience ---------------------------------------------------------------------------------------------------------


def with_patience(world, seconds):
    service = replace(world.settings.service, retry_give_up_after_seconds=seconds)
    world.settings = replace(world.settings, service=service)
    world.runtime = world.new_process()


def test_a_stop_of_hours_does_not_use_up_the_patience_of_what_waited(world):
    with_patience(world, seconds=3600)
    answers.stop(world.runtime, "all", "anna", "gateway trouble")
    received = say_offline(world)
    for _ in range(2 * 3600 // 30):
        world.work()
        world.clock.advance(31)
    answers.go(world.runtime, "all", "anna")
    world.fault("GET */orders* 503-before times=3")

    world.work_until_idle()

    assert world.state(received) == (DONE, "refunded")
    assert world.people.told == []


def test_handing_back_does_not_use_up_patience(world):
    received = say_offline(world)

    for _ in range(3):
        work_once(replace(world.runtime, is_ending=lambda: True), "ending")

    assert world.state(received) == (WAITING, "handed-back")
    assert world.delivery(received).attempts == 0


@pytest.mark.parametrize("then", ["", "GET * 503-before times=1"], ids=["answers", "is away"])
def test_a_lost_answer_is_looked_for_however_long_its_delivery_had_waited(world, then):
    with_patience(world, seconds=900)
    received = world.say(HELD, ("24-WG085", 1))
    world.work_until_idle(at_most_seconds=600)
    world.clock.now = world.delivery(received).due_at
    world.sandbox.shop.unhold(world.orders[HELD])
    world.fault("POST */refund lost-after times=1")
    world.work()
    sent = len(world.posts())
    if then:
        world.fault(then)

    world.work_until_idle()

    assert sent == 1
    assert world.state(received)[0] is DONE
    assert (len(world.memos(HELD)), world.people.told) == (1, [])


def test_a_lost_answer_that_can_never_be_looked_for_ends_with_a_person(world):
    with_patience(world, seconds=900)
    received = say_offline(world)
    world.fault("POST */refund lost-after times=1")
    world.work()
    world.fault("GET * 503-before")

    world.work_until_idle()

    (row,) = world.refunds()
    assert world.state(received)[0] is PERSON
    assert world.clock.now > row.settle_at + timedelta(seconds=900)
    assert (row.state, row.needs_person, row.reason_code) == (RefundState.UNKNOWN, True, "unknown-left")


# --- one's trouble is nobody else's -----------------------------------------------------------------------------------


def test_a_poison_delivery_goes_to_a_person_and_holds_up_nobody(world):
    poison = say_online(world)
    spoil(world, ONLINE)
    others = [say_offline(world), world.say(TWO_INVOICES, ("24-WG085", 1), return_id="RMA-3")]

    world.work()
    after_one_round = [world.state(each)[0] for each in others]
    world.work_until_idle()

    assert after_one_round == [DONE, DONE]
    assert world.state(poison) == (PERSON, "fault")
    assert [code for _, code, _ in world.people.told] == ["fault"]
    assert world.paid_back(ONLINE) == []


def test_a_row_that_cannot_be_read_does_not_end_the_threads_that_meet_it(world):
    received = say_offline(world)
    store = world.runtime.store
    inbox = StumblingInbox(store.inbox, times=quick(world.runtime).settings.service.worker_threads)

    with running(quick(replace(world.runtime, store=replace(store, inbox=inbox)))):
        wait_until(lambda: world.state(received)[0] is DONE)

    assert inbox.times == 0


def test_a_look_that_could_not_be_claimed_does_not_end_all_later_looks(world):
    say_offline(world)
    world.work()
    (row,) = world.refunds()
    store = world.runtime.store
    checks = StumblingChecks(store.checks)
    world.clock.advance(300)

    with running(quick(replace(world.runtime, store=replace(store, checks=checks)))):
        wait_until(lambda: store.checks.of(row.id)[0].looked_at is not None)

    assert checks.times == 0


class StumblingChecks:
    """The real looks, of which the next cannot be claimed, because the database is locked by another process."""

    def __init__(self, checks):
        self._checks, self.times = checks, 1

    def __getattr__(self, name):
        return getattr(self._checks, name)

    def claim(self, *arguments):
        if self.times:
            self.times -= 1
            raise StoreUnavailable("another process has held the lock for more than 5 s")
        return self._checks.claim(*arguments)


class StumblingInbox:
    """The real inbox, whose next claims meet a row that a later version or a hand on the database wrote."""

    def __init__(self, inbox, *, times):
        self._inbox, self.times = inbox, times

    def __getattr__(self, name):
        return getattr(self._inbox, name)

    def claim(self, *arguments, **more):
        if self.times:
            self.times -= 1
            raise ValueError("'unheard-of' is not a valid DeliveryState")
        return self._inbox.claim(*arguments, **more)


def spoil(world, order):
    """An order over which this service stumbles: a bug of ours, played by a client that raises what nobody expects."""
    client = world.runtime.magento["main"]
    world.runtime = replace(world.runtime, magento={"main": Stumbling(client, order)})


class Stumbling:
    def __init__(self, client, order):
        self._client, self._order = client, order

    def __getattr__(self, name):
        return getattr(self._client, name)

    def read_order_by_increment(self, increment_id):
        if increment_id == self._order:
            raise ZeroDivisionError
        return self._client.read_order_by_increment(increment_id)


def test_an_order_whose_gateway_hangs_holds_up_no_other_order(world):
    """Real threads: one waits for the gateway while the other carries everybody else."""
    released, arrived = threading.Event(), threading.Event()
    hang(world, ONLINE, arrived, released)
    slow = say_online(world)
    with running(quick(world.runtime), released):
        arrived.wait(20)
        behind = world.say(ONLINE, (BAG, 1), return_id="RMA-behind")
        others = [say_offline(world), world.say(TWO_INVOICES, ("24-WG085", 1), return_id="RMA-3")]
        wait_until(lambda: all(world.state(each)[0] is DONE for each in others))
        while_it_hung = (world.state(slow)[0], world.state(behind)[0])
        released.set()
        wait_until(lambda: world.state(slow)[0] is DONE)
    world.work_until_idle()

    assert while_it_hung[0] is DeliveryState.RECEIVED
    assert while_it_hung[1] is not DONE
    assert world.state(behind)[0] is DONE
    assert world.paid_back(ONLINE) == dollars(68, 34)


def test_looks_at_a_store_that_hangs_leave_a_thread_for_deliveries(world):
    say_offline(world)
    say_online(world)
    world.work()
    world.clock.advance(300)
    released, arrived = threading.Event(), threading.Event()
    hang_reads_of(world, OFFLINE, ONLINE, arrived=arrived, released=released)
    with running(quick(world.runtime), released):
        arrived.wait(20)
        time.sleep(0.3)
        received = world.say(TWO_INVOICES, ("24-WG085", 1), return_id="RMA-3")
        wait_until(lambda: world.state(received)[0] is DONE, seconds=10)
        looked_meanwhile = [world.runtime.store.checks.of(each)[0].looked_at for each in (1, 2)]
        released.set()
        wait_until(lambda: all(world.runtime.store.checks.of(each)[0].looked_at for each in (1, 2)))

    assert looked_meanwhile == [None, None]
    assert world.people.told == []


def hang_reads_of(world, *orders, arrived, released):
    handle = world.sandbox.handle
    ids = [f"/orders/{world.orders[order]}" for order in orders] + [
        f"value]={world.orders[order]}&" for order in orders
    ]

    def slow(request):
        path = unquote(request.path)
        if request.method == "GET" and any(each in path for each in ids):
            arrived.set()
            released.wait(20)
        return handle(request)

    world.sandbox.handle = slow


def hang(world, order, arrived, released):
    handle = world.sandbox.handle
    path = "/invoice/"

    def slow(request):
        is_refund = request.method == "POST" and path in request.path and world.sandbox.order_of(request) == order
        if is_refund and not released.is_set():
            arrived.set()
            released.wait(20)
        return handle(request)

    world.sandbox.handle = slow
