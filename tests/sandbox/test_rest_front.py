"""The front door: paths, rights, formats and errors."""

from __future__ import annotations

import pytest

from service.sandbox import documents
from service.sandbox.access import Integration
from service.sandbox.http import Request
from service.sandbox.store import SandboxStore
from tests.sandbox.small_orders import INVOICE_ID, ORDER_ID, SmallShop, a_line, message_of, one

NO_RIGHT = (
    b'{"message":"The consumer isn\'t authorized to access %%resources.",'
    b'"parameters":{"resources":"Magento_Sales::%s"}}'
)


@pytest.fixture
def shop() -> SmallShop:
    shop = SmallShop()
    shop.holds(a_line(1, "a", qty=3))
    return shop


def test_a_missing_a_wrong_and_an_ended_token_answer_alike() -> None:
    shop = SmallShop("2.4.6-p4")
    shop.holds(a_line(1, "a"))
    path = f"order/{ORDER_ID}/refund"

    wrong = shop.ask("POST", path, one(1), Authorization="Bearer nobody")
    missing = shop.ask("POST", path, one(1), Authorization="")
    shop.seconds += 3601
    ended = shop.ask("POST", path, one(1))

    assert wrong == missing == ended
    assert (ended.status, ended.body) == (401, NO_RIGHT % b"creditmemo")


def test_rights_are_checked_before_the_order_is_looked_up(shop: SmallShop) -> None:
    answer = shop.ask("POST", "order/99999/refund", {}, Authorization="Bearer nobody")

    assert answer.status == 401


def test_an_integration_sees_only_what_it_was_granted() -> None:
    granted = Integration(resources=frozenset({"Magento_Sales::creditmemo"}))
    store = SandboxStore(magento_version="2.4.1", integration=granted)
    headers = {"Authorization": f"Bearer {granted.token}"}

    answer = store.handle(Request(method="GET", path="/rest/V1/orders?searchCriteria", headers=headers))

    assert (answer.status, answer.body) == (401, NO_RIGHT % b"actions_view")


@pytest.mark.parametrize(("version", "status"), [("2.4.1", 200), ("2.4.6-p4", 401)])
def test_an_integrations_token_is_a_bearer_token_until_2_4_4(version: str, status: int) -> None:
    shop = SmallShop(version)
    shop.holds(a_line(1, "a"))
    token = shop.store.access.integration.token

    assert shop.ask("GET", f"orders/{ORDER_ID}", Authorization=f"Bearer {token}").status == status


def test_an_admin_signs_in_with_a_password(shop: SmallShop) -> None:
    request = Request(
        method="POST",
        path="/rest/V1/integration/admin/token",
        headers={"Content-Type": "application/json"},
        body=b'{"username":"admin","password":"sandbox-password"}',
    )

    token = documents.parse(shop.store.handle(request).body)

    assert shop.ask("GET", f"orders/{ORDER_ID}", Authorization=f"Bearer {token}").status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/rest/V1/orders/{ORDER_ID}", 200),
        (f"/rest/all/V1/orders/{ORDER_ID}", 200),
        (f"/index.php/rest/default/V1/orders/{ORDER_ID}/", 200),
        (f"/rest/nosuchstore/V1/orders/{ORDER_ID}", 400),
        (f"/rest/default/v1/orders/{ORDER_ID}", 400),
        (f"/rest/V2/orders/{ORDER_ID}", 404),
        ("/rest/V1/orders/99999", 404),
        ("/rest/V1/orders/0", 400),
        (f"/rest/V1/orders/{ORDER_ID}x", 400),
    ],
)
def test_the_path_decides(shop: SmallShop, path: str, status: int) -> None:
    assert shop.store.handle(Request(method="GET", path=path, headers=shop.headers)).status == status


@pytest.mark.parametrize(
    ("body", "status", "refunds"),
    [
        ({**one(1), "unknown": 1}, 200, 1),
        ({**one(1), "items": [{"order_item_id": 1, "qty": 1, "sku": "a"}]}, 500, 0),
        ({**one(1), "items": [{"qty": 1}]}, 400, 0),
        ({**one(1), "items": [{"order_item_id": "one", "qty": 1}]}, 400, 0),
        ({**one(1), "items": "x"}, 200, 0),
        ({**one(1), "notify": "false"}, 200, 1),
    ],
)
def test_the_input_is_lenient_on_top_and_strict_inside(
    shop: SmallShop, body: dict[str, object], status: int, refunds: int
) -> None:
    answer = shop.refund(body)

    assert (answer.status, len(shop.memos)) == (status, refunds)


def test_a_success_may_be_an_html_page_of_failure(shop: SmallShop) -> None:
    answer = shop.refund({"items": "x"})

    assert (answer.status, answer.content_type) == (200, "text/html; charset=UTF-8")


def test_xml_is_answered_in_xml_and_did_refund(shop: SmallShop) -> None:
    answer = shop.ask("POST", f"order/{ORDER_ID}/refund", one(1), Accept="application/xml")

    assert answer.body == b'<?xml version="1.0"?>\n<response>1</response>\n'


def test_a_page_past_the_end_is_empty_and_null_where_fields_are_chosen(shop: SmallShop) -> None:
    shop.refund(one(1))
    page = "searchCriteria[pageSize]=1&searchCriteria[currentPage]=9"

    assert shop.read(f"creditmemos?{page}")["items"] == []
    assert shop.read(f"creditmemos?{page}&fields=total_count,items[entity_id]") == {"items": None, "total_count": 1}


def test_a_search_without_criteria_is_refused(shop: SmallShop) -> None:
    answer = shop.ask("GET", "orders")

    assert message_of(answer) == '"%fieldName" is required. Enter and try again.'


def test_the_asynchronous_route_fails_or_queues_and_never_refunds() -> None:
    older, newer = SmallShop("2.4.1"), SmallShop("2.4.6-p4")
    answers = []
    for shop in (older, newer):
        shop.holds(a_line(1, "a"))
        request = shop.request("POST", "", one(1))
        path = f"/rest/async/V1/order/{ORDER_ID}/refund"
        answers.append(
            shop.store.handle(Request(method="POST", path=path, headers=request.headers, body=request.body)).status
        )

    assert answers == [500, 202]
    assert not older.memos
    assert not newer.memos


def test_the_order_shows_copies_of_parents_and_lines() -> None:
    shop = SmallShop()
    shop.holds(a_line(1, "kit", price="5", kind="bundle"), a_line(2, "part", price="0", parent=1))

    parent, part = shop.read(f"orders/{ORDER_ID}")["items"]

    assert part["parent_item"] == parent


def test_the_orders_increment_id_is_found_from_a_request(shop: SmallShop) -> None:
    paths = (f"/rest/V1/order/{ORDER_ID}/refund", f"/rest/V1/invoice/{INVOICE_ID}/refund", "/rest/V1/orders?x=1")

    found = [shop.store.order_of(Request(method="POST", path=path)) for path in paths]

    assert found == ["000000007", "000000007", None]


def test_an_unknown_version_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"2\.4\.1, 2\.4\.6-p4"):
        SandboxStore(magento_version="2.3")
