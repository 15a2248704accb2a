import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from service.sandbox.http import Request
from service.sandbox.order_specs import Charge, LineSpec, OrderSpec
from service.sandbox.orders_to_try import ORDERS_TO_TRY, build
from service.sandbox.store import SandboxStore

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
VERSIONS = ("2.4.1", "2.4.6-p4")


def ask(store, method, path, body=None):
    request = Request(
        method=method,
        path=f"/rest/V1/{path}",
        headers=store.bearer(),
        body=b"" if body is None else json.dumps(body).encode(),
    )
    answer = store.handle(request)
    return answer.status, json.loads(answer.body, parse_float=Decimal)


def test_increment_ids_are_counted_from_101_and_every_order_says_why():
    assert [spec.increment_id for spec in ORDERS_TO_TRY] == [f"{n:09d}" for n in range(101, 101 + len(ORDERS_TO_TRY))]
    assert len({spec.why for spec in ORDERS_TO_TRY}) == len(ORDERS_TO_TRY)
    assert all(spec.why for spec in ORDERS_TO_TRY)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_order_can_be_read_back_with_its_invoices(version):
    store = SandboxStore(magento_version=version)

    built = build(store, now=NOW)

    assert len(built) == len(ORDERS_TO_TRY)
    for order, spec in zip(built, ORDERS_TO_TRY, strict=True):
        status, document = ask(store, "GET", f"orders/{order.entity_id}")
        assert (status, document["increment_id"]) == (200, spec.increment_id)
        filters = "searchCriteria[filter_groups][0][filters][0]"
        query = f"{filters}[field]=order_id&{filters}[value]={order.entity_id}"
        _, invoices = ask(store, "GET", f"invoices?{query}")
        assert invoices["total_count"] == len(spec.units_by_invoice)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("spec", ORDERS_TO_TRY, ids=lambda spec: spec.increment_id)
def test_all_of_an_order_can_be_refunded_unless_it_is_there_to_be_refused(version, spec):
    store = SandboxStore(magento_version=version)
    (order,) = build(store, [spec], now=NOW)

    status, answer = ask(store, "POST", f"order/{order.entity_id}/refund", {})

    # What store credit paid is not in total_paid, so all of it is more than Magento has to give.
    is_refused = bool(spec.override or spec.store_credit or not spec.units_by_invoice)
    assert (status == 200) is not is_refused
    if not is_refused:
        _, memo = ask(store, "GET", f"creditmemo/{answer}")
        _, document = ask(store, "GET", f"orders/{order.entity_id}")
        assert memo["base_grand_total"] == document["base_total_paid"]
        assert document["state"] == "closed"


@pytest.mark.parametrize("spec", [s for s in ORDERS_TO_TRY if s.method.charge is not Charge.NOTHING])
def test_an_online_order_can_be_given_back_by_the_gateway(spec):
    store = SandboxStore()
    build(store, [spec], now=NOW)
    captured = [line for line in store.gateway.ledger if line.what == "capture"]

    statuses = [ask(store, "POST", f"invoice/{i + 1}/refund", {"isOnline": True})[0] for i in range(len(captured))]

    assert set(statuses) == {200}
    refunded = [line.amount for line in store.gateway.ledger if line.what == "refund"]
    assert refunded == [line.amount for line in captured]


def test_orders_of_one_product_take_from_one_stock():
    store = SandboxStore()
    bags = [
        OrderSpec(increment_id="1", why="", lines=(LineSpec(sku="24-MB01", qty=3),)),
        OrderSpec(increment_id="2", why="", lines=(LineSpec(sku="24-MB01", qty=2),), shipped=False),
    ]

    build(store, bags, now=NOW)

    assert store.shop.stock.on_hand("24-MB01") == 97
    assert store.shop.stock.salable("24-MB01") == 95


def test_the_set_shows_every_kind_of_line():
    store = SandboxStore()
    documents = [ask(store, "GET", f"orders/{order.entity_id}")[1] for order in build(store, now=NOW)]

    kinds = {item["product_type"] for document in documents for item in document["items"]}

    assert kinds == {"simple", "virtual", "downloadable", "grouped", "configurable", "bundle"}
    assert any(item["is_qty_decimal"] for document in documents for item in document["items"])
