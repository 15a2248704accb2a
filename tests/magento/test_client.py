from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from service.core.plan import Route
from service.errors import (
    MagentoError,
    MagentoUnauthorized,
    MagentoUnavailable,
    MagentoUnreadable,
    NotFound,
    OrderNotFound,
)
from service.magento.client import MagentoClient
from service.magento.probes import (
    read_rights,
    read_whether_comments_are_shown,
    read_whether_messages_are_english,
    send_probe,
)
from tests.magento.fake_store import NO_SUCH_ENTITY, NOT_AUTHORIZED, Reply, in_turn, running, says, settings_for


def order(entity_id=269, increment_id="000000264"):
    return {
        "entity_id": entity_id,
        "increment_id": increment_id,
        "store_id": 1,
        "state": "complete",
        "status": "complete",
        "created_at": "2026-11-23 07:00:00",
        "order_currency_code": "USD",
        "base_currency_code": "USD",
        "payment": {"method": "banktransfer"},
        "items": [{"item_id": 510, "product_type": "simple", "sku": "24-WG085", "qty_ordered": 1}],
    }


def memo(entity_id, order_id=269, comment=None):
    return {
        "entity_id": entity_id,
        "order_id": order_id,
        "created_at": "2026-11-23 08:00:00",
        "items": [],
        "comments": [{"comment": comment}] if comment else [],
    }


def found(*items, total=None):
    return {"items": list(items), "total_count": len(items) if total is None else total}


def client_of(store, pauses=None, **changes):
    return MagentoClient(settings_for(store.url, **changes), sleep=(pauses if pauses is not None else []).append)


def test_an_order_is_searched_by_its_number_with_all_its_zeros():
    with running(lambda _: says(found(order(), order(270, "000000264"), order(271, "000000264 ")))) as store:
        orders = client_of(store).read_order_by_increment("000000264")

    assert [one.entity_id for one in orders] == [269, 270]
    assert store.seen[0].path == "/rest/default/V1/orders"
    assert store.seen[0].query == {
        "searchCriteria[filter_groups][0][filters][0][field]": "increment_id",
        "searchCriteria[filter_groups][0][filters][0][value]": "000000264",
        "searchCriteria[filter_groups][0][filters][0][condition_type]": "eq",
        "searchCriteria[sortOrders][0][field]": "entity_id",
        "searchCriteria[sortOrders][0][direction]": "ASC",
        "searchCriteria[pageSize]": "100",
        "searchCriteria[currentPage]": "1",
    }


@pytest.mark.parametrize("items", [[], None])
def test_an_unknown_number_finds_nothing(items):
    with running(lambda _: says({"items": items, "total_count": 0})) as store:
        assert client_of(store).read_order_by_increment("999999999") == ()


def test_an_order_is_read_by_its_id():
    with running(lambda _: says(order())) as store:
        assert client_of(store).read_order(269).increment_id == "000000264"

    assert store.seen[0].target == "/rest/default/V1/orders/269"
    assert store.seen[0].headers["Accept"] == "application/json"


def test_an_unknown_order_is_not_found():
    with (
        running(lambda _: says(NO_SUCH_ENTITY, status=404)) as store,
        pytest.raises(OrderNotFound, match="store main has no order with entity_id 269"),
    ):
        client_of(store).read_order(269)


def test_a_wrong_path_is_a_wrong_base_url_and_no_missing_order():
    with (
        running(lambda _: says({"message": "Request does not match any route."}, status=404)) as store,
        pytest.raises(MagentoError, match="check base_url"),
    ):
        client_of(store).read_order(269)


def test_all_pages_of_memos_are_read_until_the_count_is_reached():
    pages = {"1": [memo(1), memo(2)], "2": [memo(3), memo(4)], "3": [memo(5)]}
    with running(lambda seen: says(found(*pages[seen.query["searchCriteria[currentPage]"]], total=5))) as store:
        memos = client_of(store).read_memos(269)

    assert [one.entity_id for one in memos] == [1, 2, 3, 4, 5]
    assert len(store.seen) == 3


@pytest.mark.parametrize(
    "past_the_end",
    [
        pytest.param({"items": [], "total_count": 3}, id="empty"),
        pytest.param({"items": None, "total_count": 3}, id="null"),
        pytest.param(found(memo(1), memo(2), total=3), id="the last page again"),
    ],
)
def test_fewer_memos_than_counted_is_an_error_because_a_missing_one_would_be_refunded_again(past_the_end):
    with (
        running(in_turn(says(found(memo(1), memo(2), total=3)), says(past_the_end))) as store,
        pytest.raises(MagentoUnreadable, match="counts 3 and shows 2"),
    ):
        client_of(store).read_memos(269)


@pytest.mark.parametrize("body", [[], "text", {}, {"items": []}, {"items": ["x"], "total_count": 1}])
def test_a_search_without_items_and_count_is_unreadable(body):
    with running(lambda _: says(body)) as store, pytest.raises(MagentoUnreadable):
        client_of(store).read_memos(269)


def test_memos_and_invoices_of_another_order_are_an_error():
    invoice = {"entity_id": 1, "order_id": 270, "state": 2, "items": []}
    with running(lambda seen: says(found(memo(1, 270) if "memo" in seen.path else invoice))) as store:
        with pytest.raises(MagentoUnreadable, match="drop the query"):
            client_of(store).read_memos(269)
        with pytest.raises(MagentoUnreadable, match="drop the query"):
            client_of(store).read_invoices(269)


def test_a_document_of_another_id_is_an_error():
    with running(lambda seen: says(order(270) if "orders" in seen.path else memo(2))) as store:
        with pytest.raises(MagentoUnreadable):
            client_of(store).read_order(269)
        with pytest.raises(MagentoUnreadable):
            client_of(store).read_memo(1)


def test_an_unknown_memo_is_not_found():
    with running(lambda _: says(NO_SUCH_ENTITY, status=404)) as store, pytest.raises(NotFound):
        client_of(store).read_memo(1)


def test_memos_are_found_by_their_comment_across_orders():
    text = "RR-AAAAAAAAAAAAAAAA"
    ours, alike = memo(1, comment=f"Return 1 {text}-01R"), memo(2, comment="Return 2 rr-aaaaaaaaaaaaaaaa")
    with running(lambda _: says(found(ours, alike))) as store:
        memos = client_of(store).find_memos(text, since=datetime(2026, 11, 23, 8, 5, tzinfo=UTC))

    assert [one.entity_id for one in memos] == [1]
    query = store.seen[0].query
    assert query["searchCriteria[filter_groups][0][filters][0][field]"] == "customer_note"
    assert query["searchCriteria[filter_groups][0][filters][0][value]"] == f"%{text}%"
    assert query["searchCriteria[filter_groups][0][filters][0][condition_type]"] == "like"
    assert query["searchCriteria[filter_groups][1][filters][0][field]"] == "created_at"
    assert query["searchCriteria[filter_groups][1][filters][0][value]"] == "2026-11-23 08:05:00"


def test_an_email_is_asked_for_once():
    with running(lambda _: says(True)) as store:
        assert client_of(store).ask_email(37) is True

    assert [(seen.method, seen.target) for seen in store.seen] == [("POST", "/rest/default/V1/creditmemo/37/emails")]


@pytest.mark.parametrize("reply", [Reply(status=502, content_type="text/html"), Reply(reset=True)])
def test_a_failed_email_is_not_asked_for_again(reply):
    with running(lambda _: reply) as store, pytest.raises(MagentoUnavailable):
        client_of(store).ask_email(37)

    assert len(store.seen) == 1


@pytest.mark.parametrize(
    ("reply", "version"),
    [
        (Reply(body=b"Magento/2.4 (Community)", content_type="text/html"), "Magento/2.4 (Community)"),
        (Reply(status=404, body=b"<html>", content_type="text/html"), None),
        (Reply(body=b"<html>welcome</html>", content_type="text/html"), None),
    ],
)
def test_the_version_is_read_without_rights_where_the_shop_shows_it(reply, version):
    with running(lambda _: reply) as store:
        assert client_of(store).read_magento_version() == version

    assert store.seen[0].target == "/magento_version"
    assert "Authorization" not in store.seen[0].headers


def test_magentos_clock_is_the_date_of_its_answers():
    with running(lambda _: says(found())) as store:
        clock = client_of(store).read_clock()

    assert clock is not None
    assert abs((clock - datetime.now(UTC)).total_seconds()) < 5


def test_base_url_may_have_a_path_and_a_store_code_may_be_missing():
    with running(lambda _: says(found())) as store:
        MagentoClient(settings_for(f"{store.url}/shop/", store_code="")).read_memos(1)

    assert store.seen[0].path == "/shop/rest/V1/creditmemos"


@pytest.mark.parametrize(
    "bad", [Reply(status=502), Reply(status=503), Reply(status=504), Reply(reset=True), Reply(body=b"{}", cut_at=1)]
)
def test_a_read_is_repeated_when_the_connection_or_a_proxy_failed(bad):
    pauses = []
    with running(in_turn(bad, bad, says(found()))) as store:
        assert client_of(store, pauses).read_memos(269) == ()

    assert len(store.seen) == 3
    assert pauses == [0.5, 1.5]


@pytest.mark.parametrize("bad", [Reply(status=503), Reply(reset=True)])
def test_a_read_is_given_up_after_three_tries(bad):
    with running(lambda _: bad) as store, pytest.raises(MagentoUnavailable):
        client_of(store).read_memos(269)

    assert len(store.seen) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_store_that_says_when_to_come_back_is_not_asked_before(status):
    with (
        running(lambda _: Reply(status=status, headers={"Retry-After": "30"})) as store,
        pytest.raises(MagentoUnavailable) as caught,
    ):
        client_of(store).read_memos(269)

    assert caught.value.retry_after_seconds == 30
    assert len(store.seen) == 1


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (Reply(status=500, body=b'{"message": "Internal Error."}'), MagentoUnavailable, "Internal Error"),
        (says(NOT_AUTHORIZED, status=401), MagentoUnauthorized, 'auth = "oauth1"'),
        (says({"message": "The signature is invalid. Verify and try again."}, status=401), MagentoUnauthorized, "port"),
        (says({"message": "Specified request cannot be processed."}, status=400), MagentoError, "store_code"),
        (Reply(status=403, content_type="text/html"), MagentoError, "403"),
        (
            Reply(status=302, headers={"Location": "https://www.shop.example/x?y"}),
            MagentoError,
            "to https://www.shop.example; set base_url",
        ),
        (Reply(body=b"<html>", content_type="text/html"), MagentoUnreadable, "password page"),
        (Reply(body=b"{"), MagentoUnreadable, "not JSON"),
        (Reply(hangs=True), MagentoUnavailable, "no answer"),
    ],
)
def test_a_failed_read_is_an_error_with_its_remedy_and_is_asked_once(reply, error, text):
    with running(lambda _: reply) as store:
        client = client_of(store, read_timeout_seconds=0.3)

        with pytest.raises(error, match=text):
            client.read_memos(269)

        assert len(store.seen) == 1


def test_no_more_requests_are_open_than_the_store_allows():
    open_now, most = [0], [0]
    lock = threading.Lock()
    gate = threading.Event()

    def slow(_):
        with lock:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        gate.wait(0.1)
        with lock:
            open_now[0] -= 1
        return says(found())

    with running(slow) as store:
        client = client_of(store, max_concurrency=2)
        threads = [threading.Thread(target=client.read_memos, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(store.seen) == 6
    assert most[0] == 2


def test_reads_share_a_connection_and_keep_no_cookie():
    with running(
        lambda _: Reply(body=b'{"items": [], "total_count": 0}', headers={"Set-Cookie": "PHPSESSID=1"})
    ) as store:
        client = client_of(store)
        client.read_memos(1)
        client.read_memos(2)

    assert store.seen[0].connection == store.seen[1].connection
    assert "Cookie" not in store.seen[1].headers


def test_rights_to_read_are_checked_one_by_one():
    def answer(seen):
        if seen.path.endswith("/invoices"):
            refusal = {**NOT_AUTHORIZED, "parameters": {"resources": "Magento_Sales::sales_invoice"}}
            return says(refusal, status=401)
        return says(found())

    with running(answer) as store:
        checks = read_rights(client_of(store))

    assert {check.resource: check.granted for check in checks} == {
        "Magento_Sales::actions_view": True,
        "Magento_Sales::sales_invoice": False,
        "Magento_Sales::sales_creditmemo": True,
    }


@pytest.mark.parametrize(
    ("newest", "shown"), [([memo(9)], True), ([{"entity_id": 9, "order_id": 1}], False), ([], None)]
)
def test_whether_comments_are_shown_is_seen_on_the_newest_memo(newest, shown):
    with running(lambda _: says(found(*newest))) as store:
        assert read_whether_comments_are_shown(client_of(store)) is shown

    assert store.seen[0].query["searchCriteria[sortOrders][0][direction]"] == "DESC"


@pytest.mark.parametrize(
    ("text", "english"),
    [(NO_SUCH_ENTITY["message"], True), ("Die angeforderte Entität existiert nicht.", False)],
)
def test_the_language_of_messages_is_seen_on_a_memo_that_cannot_exist(text, english):
    with running(lambda _: says({"message": text}, status=404)) as store:
        assert read_whether_messages_are_english(client_of(store)) is english


@pytest.mark.parametrize("route", Route)
@pytest.mark.parametrize(("reply", "granted"), [((NO_SUCH_ENTITY, 404), True), ((NOT_AUTHORIZED, 401), False)])
def test_a_refund_right_is_tried_on_a_document_that_cannot_exist(route, reply, granted):
    document, status = reply
    with running(lambda _: says(document, status=status)) as store:
        check = send_probe(client_of(store), route)

    assert check.granted is granted
    (seen,) = store.seen
    assert seen.path == f"/rest/default/V1/{route}/4294967295/refund"
    assert seen.json["items"] == [{"order_item_id": 4294967295, "qty": 1}]
    assert seen.json["arguments"]["shipping_amount"] == 0
