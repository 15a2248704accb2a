"""The store on a socket: what it serves, what it lets a test look into, and how it drops a connection."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from service.sandbox.http import ConnectionDropped
from service.sandbox.server import create_sandbox
from tests.sandbox.small_orders import INVOICE_ID, ORDER_ID, SmallShop, a_line, one, some_stock


@pytest.fixture
def shop() -> SmallShop:
    shop = SmallShop()
    shop.holds(a_line(1, "a", qty=3), payment="braintree", stock=some_stock("a"))
    return shop


@pytest.fixture
def client(shop: SmallShop):
    app = create_sandbox(shop.store)
    app.testing = True
    return app.test_client()


def test_a_refund_over_http_shows_in_the_ledger_the_requests_and_the_stock(shop: SmallShop, client) -> None:
    path = f"/rest/default/V1/invoice/{INVOICE_ID}/refund"

    answer = client.post(path, headers=shop.headers, json={**one(1, restock=(1,)), "isOnline": True})

    assert (answer.status_code, answer.get_json()) == (200, "1")
    assert [(line["what"], line["amount"]) for line in client.get("/sandbox/ledger").get_json()] == [("refund", 10)]
    assert client.get("/sandbox/requests").get_json() == [{"method": "POST", "path": path, "status": 200}]
    assert client.get("/sandbox/stock").get_json()["a"]["salable"] == 11


def test_memos_are_listed_with_what_they_gave_back_and_their_comments(shop: SmallShop, client) -> None:
    path = f"/rest/default/V1/invoice/{INVOICE_ID}/refund"
    said = {"comment": "RMA-1", "is_visible_on_front": 0}

    client.post(path, headers=shop.headers, json={**one(1), "isOnline": True, "appendComment": True, "comment": said})

    (memo,) = client.get("/sandbox/memos").get_json()
    assert memo == {
        "entity_id": 1,
        "order": "000000007",
        "base_grand_total": 10,
        "comments": ["RMA-1"],
        "lines": [{"sku": "a", "qty": 1}],
    }


@pytest.mark.parametrize("what", ["ledger", "memos"])
def test_what_was_seen_before_can_be_skipped(shop: SmallShop, client, what) -> None:
    path = f"/rest/default/V1/invoice/{INVOICE_ID}/refund"
    for _ in range(2):
        client.post(path, headers=shop.headers, json={**one(1), "isOnline": True})

    first, second = client.get(f"/sandbox/{what}").get_json()

    assert client.get(f"/sandbox/{what}?skip=1").get_json() == [second]
    assert client.get(f"/sandbox/{what}?skip=2").get_json() == []
    assert first != second


def test_orders_are_listed_with_what_is_needed_to_try_a_return(client) -> None:
    (order,) = client.get("/sandbox/orders").get_json()

    assert (order["increment_id"], order["payment"], order["invoices"]) == ("000000007", "braintree", [INVOICE_ID])
    assert order["lines"][0]["order_item_id"] == 1


def test_a_search_keeps_its_brackets_and_percent_signs(shop: SmallShop, client) -> None:
    search = "searchCriteria%5Bfilter_groups%5D%5B0%5D%5Bfilters%5D%5B0%5D"

    answer = client.get(
        f"/rest/V1/orders?{search}%5Bfield%5D=increment_id&{search}%5Bvalue%5D=000000007&fields=items%5Bentity_id%5D",
        headers=shop.headers,
    )

    assert answer.get_json() == {"items": [{"entity_id": ORDER_ID}]}


def test_faults_are_added_listed_and_lifted(shop: SmallShop, client) -> None:
    client.post("/sandbox/faults", json={"method": "GET", "path": "*", "kind": "503-before"})
    faulty = client.get(f"/rest/V1/orders/{ORDER_ID}", headers=shop.headers).status_code
    listed = client.get("/sandbox/faults").get_json()
    client.delete("/sandbox/faults")

    assert (faulty, len(listed)) == (503, 1)
    assert client.get(f"/rest/V1/orders/{ORDER_ID}", headers=shop.headers).status_code == 200


def test_a_fault_that_cannot_be_understood_is_refused(client) -> None:
    assert client.post("/sandbox/faults", data="GET * unheard-of").status_code == 400


def test_without_a_socket_a_dropped_connection_is_told(shop: SmallShop, client) -> None:
    client.post("/sandbox/faults", data="POST */refund lost-after")

    with pytest.raises(ConnectionDropped):
        client.post(f"/rest/V1/order/{ORDER_ID}/refund", headers=shop.headers, json=one(1))

    assert len(shop.memos) == 1


@pytest.fixture
def address(shop: SmallShop) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_sandbox(shop.store), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


def test_a_lost_answer_closes_the_socket_and_the_refund_has_happened(shop: SmallShop, address: str) -> None:
    _post(f"{address}/sandbox/faults", b"POST */refund lost-after times=1", {})

    with pytest.raises(OSError, match=r"closed|reset|without response"):
        _post(f"{address}/rest/V1/order/{ORDER_ID}/refund", json.dumps(one(1)).encode(), shop.headers)

    assert len(shop.memos) == 1
    assert _post(f"{address}/rest/V1/order/{ORDER_ID}/refund", json.dumps(one(1)).encode(), shop.headers) == b'"2"'


def _post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "text/plain", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())
