"""Two processes with eight threads each that receive, claim, say what was returned and finish, on one database.

Senders repeat themselves, so that every delivery arrives at both processes, and returns share orders, so that they want
the same slots. Nothing may be lost or done twice, whatever the database made wait, refuse or undo.
"""

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from service.core.lifecycle import DeliveryState
from service.core.returns import OrderReference
from service.errors import OrderBusy
from service.store import open_store
from tests.store.examples import LEASE_SECONDS, NOW, at, delivery, event

THREADS = 8
DELIVERIES = 64
ORDERS = 8


def test_nothing_is_doubled_and_nothing_is_lost(store, database_url):
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as processes:
        worked = processes.starmap(_process, [(database_url, name) for name in ("one", "two")])

    received = [delivery_id for process in worked for delivery_id in process["received"]]
    assert Counter(Counter(received).values()) == {2: DELIVERIES}
    carried = Counter(delivery_id for process in worked for delivery_id in process["done"])
    assert carried == dict.fromkeys(received, 1)
    assert store.inbox.counts()[DeliveryState.DONE] == DELIVERIES
    for row in store.inbox.list(limit=DELIVERIES):
        assert row.redeliveries == 1
    said = Counter(entry.what for entry in store.journal.of(limit=10_000))
    assert (said["delivery.received"], said["delivery.duplicate"], said["delivery.done"]) == (DELIVERIES,) * 3
    cases = store.returns.list(limit=DELIVERIES)
    assert [len(store.returns.events(case.id)) for case in cases] == [2] * (DELIVERIES // 2)
    assert store.refunds.list() == ()  # whoever had a slot gave it back


def _process(database_url, name):
    with closing(open_store(database_url, patience_seconds=30)) as store, ThreadPoolExecutor(THREADS) as threads:
        ids = list(threads.map(lambda number: _receive(store, number), range(DELIVERIES)))
        done = [threads.submit(_work, store, f"{name}/{number}") for number in range(THREADS)]
        return {"received": ids, "done": [delivery_id for each in done for delivery_id in each.result()]}


def _receive(store, number):
    return store.inbox.receive(delivery(f"d{number}")).delivery_id


def _work(store, worker):
    done = []
    while (claim := store.inbox.claim(worker, at(len(done)), LEASE_SECONDS)) is not None:
        number = int(claim.delivery.delivery_key[1:])
        order = OrderReference(increment_id=f"{number % ORDERS:09d}")
        # Two deliveries tell of each return, in whichever order they are carried.
        said = event(f"evt_{number}", return_id=f"RMA-{number // 2}", order=OrderReference(increment_id="000000264"))
        case = store.returns.record_event(claim, said, namespace="warehouse", instance="shop", store="main", now=NOW)
        try:
            row = store.refunds.take_slot(claim, case, order, NOW)
        except OrderBusy:
            store.inbox.finish(claim, DeliveryState.WAITING, NOW, due_at=NOW)
            continue
        store.refunds.release(claim, row.id, NOW)
        store.inbox.finish(claim, DeliveryState.DONE, NOW)
        done.append(claim.delivery.id)
    return done
