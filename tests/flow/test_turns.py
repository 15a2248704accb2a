"""One store's trouble is not another's: a store that hangs, real threads, and what people and other workers see of it.

The store that hangs is a server on loopback; the one that works is the sandbox. The clock stands still unless moved.
"""

import base64
import threading
from dataclasses import replace

import pytest

from service.core.lifecycle import DeliveryState
from service.flow.receive import receive
from service.flow.turns import in_force, told_with_pause
from service.flow.worker import work_once
from service.magento import MagentoClient
from service.settings import BearerAuth, Secret
from service.sources import Incoming, sign
from tests.flow.test_trouble import running, wait_until
from tests.flow.world import World
from tests.magento.fake_store import Reply, says
from tests.magento.fake_store import running as serving

OFFLINE, ONLINE = "000000101", "000000102"
DONE, WAITING, RECEIVED = DeliveryState.DONE, DeliveryState.WAITING, DeliveryState.RECEIVED
BODY = b"""{"type": "return.approved", "id": "evt_%d", "occurred_at": "2026-11-23T09:00:00Z",
 "return": {"id": "RMA-%d"},
 "order": {"increment_id": "100000%d"}, "lines": [{"sku": "A", "quantity": 1, "disposition": "sellable"}]}"""


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class TwoStores:
    """The world's own store, and "slow" at `url`, with a source of its own."""

    def __init__(self, world, url, **changes):
        self.world = world
        main, warehouse = world.settings.stores["main"], world.settings.sources["warehouse"]
        slow = replace(main, name="slow", base_url=url, instance=url, auth=BearerAuth(token=Secret("t")), **changes)
        elsewhere = replace(
            warehouse,
            name="elsewhere",
            store="slow",
            namespace="elsewhere",
            secrets=(Secret(base64.b64encode(b"e" * 24)),),
        )
        service = replace(world.settings.service, poll_seconds=5.0, worker_threads=2)
        world.settings = replace(
            world.settings,
            service=service,
            stores={"main": main, "slow": slow},
            sources={"warehouse": warehouse, "elsewhere": elsewhere},
        )
        self.runtime = replace(
            world.runtime,
            settings=world.settings,
            magento={**world.runtime.magento, "slow": MagentoClient(slow, now=world.clock, sleep=lambda _: None)},
        )
        self._said = 0

    def say_slow(self):
        self._said += 1
        raw = BODY % (self._said, self._said, self._said)
        source = self.world.settings.sources["elsewhere"]
        headers = sign(source, raw, self.world.clock.now, f"slow_{self._said}")
        return receive(self.runtime, "elsewhere", Incoming(raw=raw, headers=headers))


def test_a_hundred_deliveries_of_a_store_that_hangs_do_not_hold_up_another_s(world):
    with serving(lambda _: Reply(hangs=True)) as hanging:
        stores = TwoStores(world, hanging.url)
        for _ in range(100):
            stores.say_slow()
        with running(stores.runtime, hanging.over):
            wait_until(lambda: len(hanging.seen) == 2)
            received = world.say(OFFLINE, ("WS12-M-Orange", 1))
            wait_until(lambda: world.state(received)[0] is DONE)
            under_way = len(hanging.seen)

    assert under_way == 2
    assert len(world.memos(OFFLINE)) == 1


def test_a_store_that_fails_again_and_again_is_left_alone_with_all_its_deliveries(world):
    with serving(lambda _: says({}, status=503)) as down:
        stores = TwoStores(world, down.url, circuit_failures=5)
        received = [stores.say_slow() for _ in range(20)]
        world.work(stores.runtime)
        asked = len(down.seen)
        world.clock.advance(20)
        world.work(stores.runtime)

    assert (asked, len(down.seen)) == (5, 5)
    states = [world.delivery(each).state for each in received]
    assert states.count(RECEIVED) == 18


def test_why_a_delivery_waits_is_that_its_store_is_left_alone(world):
    with serving(lambda _: says({}, status=429, Retry_After="240")) as busy:
        stores = TwoStores(world, busy.url)
        stores.say_slow()
        untouched = stores.say_slow()
        other = world.say(OFFLINE, ("WS12-M-Orange", 1))
        world.work(stores.runtime)

    pauses = in_force(world.runtime.store.pauses.all(), world.clock.now)
    told = told_with_pause(stores.runtime, world.delivery(untouched), pauses)
    assert told == "store slow is left alone until 09:04:00 UTC: it answered 429, and asked for 240 s"
    assert world.state(other)[0] is DONE


def test_another_process_leaves_a_store_alone_that_it_never_asked(world):
    with serving(lambda _: says({}, status=429, Retry_After="240")) as busy:
        stores = TwoStores(world, busy.url)
        stores.say_slow()
        stores.say_slow()
        world.work(stores.runtime)
        restarted = TwoStores(world, busy.url)
        world.work(restarted.runtime)

        assert len(busy.seen) == 1


def test_a_store_that_answers_again_is_asked_by_one_call_first_and_then_as_before(world):
    answers = [says({}, status=503)] * 5
    with serving(lambda _: answers.pop() if answers else says({"items": [], "total_count": 0})) as back:
        stores = TwoStores(world, back.url)
        received = [stores.say_slow() for _ in range(6)]
        world.work(stores.runtime)
        world.clock.advance(30)
        world.work(stores.runtime)

    assert world.runtime.store.pauses.all() == {}
    assert {world.state(each)[1] for each in received} == {"not-found"}


def test_the_oldest_delivery_of_a_store_comes_first_whatever_source_brought_it(world):
    world.settings = replace(
        world.settings,
        sources={**world.settings.sources, "a": replace(world.settings.sources["warehouse"], name="a")},
    )
    world.runtime = replace(world.runtime, settings=world.settings)
    first = world.say(OFFLINE, ("WS12-M-Orange", 1))
    world.clock.advance(1)
    raw = BODY % (9, 9, 9)
    later = receive(
        world.runtime, "a", Incoming(raw=raw, headers=sign(world.settings.sources["a"], raw, world.clock.now, "a_1"))
    )

    work_once(world.runtime, "worker-1")

    assert (world.state(first)[0], world.state(later)[0]) == (DONE, RECEIVED)


def test_a_pause_written_by_a_clock_that_ran_ahead_is_not_believed(world):
    ahead = world.clock.now.replace(year=2030)
    world.runtime.store.pauses.set("main", ahead, "it answered 503", worker="w", now=ahead)
    received = world.say(OFFLINE, ("WS12-M-Orange", 1))

    world.work()

    assert world.state(received)[0] is DONE


def test_a_worker_with_room_goes_on_as_soon_as_one_delivery_of_a_full_store_is_done(world):
    let_go = threading.Event()

    def slow(_):
        let_go.wait(10)
        return says({"items": [], "total_count": 0})

    with serving(slow) as full:
        stores = TwoStores(world, full.url, max_concurrency=1)
        received = [stores.say_slow() for _ in range(3)]
        with running(stores.runtime, let_go):
            wait_until(lambda: len(full.seen) == 1)
            let_go.set()
            wait_until(lambda: all(world.state(each)[1] == "not-found" for each in received), seconds=4)
