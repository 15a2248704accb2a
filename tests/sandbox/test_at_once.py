"""Two refunds at once: what Magento lets happen, step by step and from real threads."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from service.sandbox.shop import Point
from service.sandbox.store import SandboxStore
from tests.sandbox.small_orders import (
    INVOICE_ID,
    ORDER_ID,
    SmallShop,
    a_line,
    message_of,
    one,
    run_side_by_side,
    some_stock,
)


def _online(shop: SmallShop, qty: int = 1):
    return shop.request("POST", f"invoice/{INVOICE_ID}/refund", {**one(1, qty), "isOnline": True})


@pytest.mark.parametrize("version", ["2.4.1", "2.4.6-p4"])
def test_two_identical_online_refunds_pay_twice_and_the_order_counts_one(version: str) -> None:
    shop = SmallShop(version)
    shop.holds(a_line(1, "a", qty=3), payment="braintree")

    answers = run_side_by_side(shop.store, _online(shop, 2), _online(shop, 2))

    assert [answer.status for answer in answers] == [200, 200]
    assert shop.paid_back() == [Decimal(20), Decimal(20)]
    assert (len(shop.memos), shop.order["total_refunded"]) == (2, Decimal(20))


def test_a_deadlock_comes_after_the_money_has_gone_out() -> None:
    shop = SmallShop()
    shop.holds(a_line(1, "a", qty=3), payment="braintree")
    shop.store.shop.stale_write_fails = lambda: True

    answers = run_side_by_side(shop.store, _online(shop), _online(shop))

    assert [answer.status for answer in answers] == [200, 400]
    assert message_of(answers[1]) == "Could not save a Creditmemo, see error log for details"
    assert (len(shop.paid_back()), len(shop.memos)) == (2, 1)


def test_the_order_route_of_2_4_1_forgets_one_of_two_items() -> None:
    shop = SmallShop("2.4.1")
    shop.holds(a_line(1, "a"), a_line(2, "b"))
    path = f"order/{ORDER_ID}/refund"

    run_side_by_side(shop.store, shop.request("POST", path, one(1)), shop.request("POST", path, one(2)))

    assert [item["qty_refunded"] for item in shop.order["items"]] == [0, 1]
    assert len(shop.memos) == 2
    assert shop.refund(one(1)).status == 200


def test_the_order_route_of_2_4_6_waits_for_the_other_and_then_sees_it() -> None:
    shop = SmallShop("2.4.6-p4")
    shop.holds(a_line(1, "a", qty=3))
    path = f"order/{ORDER_ID}/refund"

    answers = run_side_by_side(shop.store, *(shop.request("POST", path, one(1, 2)) for _ in range(2)))

    assert sorted(answer.status for answer in answers) == [200, 400]
    assert shop.order["items"][0]["qty_refunded"] == 2


def test_an_abandoned_call_gives_the_lock_back() -> None:
    shop = SmallShop("2.4.6-p4")
    shop.holds(a_line(1, "a"))
    path = f"order/{ORDER_ID}/refund"
    steps = shop.store.steps(shop.request("POST", path, one(1)))
    next(steps)

    steps.close()

    assert shop.refund(one(1)).status == 200


@pytest.mark.parametrize(("version", "on_hand"), [("2.4.1", 1), ("2.4.6-p4", 2)])
def test_stock_moved_at_once_is_lost_by_2_4_1_only(version: str, on_hand: int) -> None:
    shop = SmallShop(version)
    shop.holds(a_line(1, "a", qty=2), payment="braintree", stock=some_stock("a"))
    asked = {**one(1, restock=(1,)), "isOnline": True}
    path = f"invoice/{INVOICE_ID}/refund"

    run_side_by_side(shop.store, *(shop.request("POST", path, asked) for _ in range(2)))

    assert shop.moved("a")[0] == on_hand


def test_nothing_is_visible_while_the_gateway_takes_its_time() -> None:
    shop = SmallShop()
    shop.holds(a_line(1, "a"), payment="braintree")
    steps = shop.store.steps(_online(shop))
    points = [next(steps).name, next(steps).name]

    seen = shop.read(f"orders/{ORDER_ID}?fields=total_refunded")
    paid_meanwhile = shop.paid_back()
    points.append(next(steps).name)

    assert (points, seen) == (["checked", "gateway", "paid"], {})
    assert (paid_meanwhile, shop.paid_back(), shop.memos) == ([], [Decimal(10)], [])


def test_threads_refund_at_once_without_tearing_the_store() -> None:
    both_have_read = threading.Barrier(2, timeout=10)

    def pause(point: Point) -> None:
        if point.name == "checked":
            both_have_read.wait()

    shop = SmallShop()
    shop.holds(a_line(1, "a", qty=3), payment="braintree")
    store: SandboxStore = shop.store
    store._pause = pause
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(store.handle(_online(shop)).status)) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert statuses == [200, 200]
    assert len(shop.paid_back()) == 2
