"""What is read from Magento's JSON, what may be absent, and what may not."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from service.core.orders import InvoiceLine, MemoLine
from service.errors import MagentoUnreadable
from service.magento.documents import parse_json, read_invoice, read_memo, read_order

ORDER = {
    "entity_id": 410,
    "increment_id": "200000001",
    "store_id": 2,
    "state": "complete",
    "status": "complete",
    "created_at": "2026-11-23 08:03:50",
    "base_currency_code": "USD",
    "order_currency_code": "EUR",
    "base_to_order_rate": Decimal("0.7067"),
    "grand_total": Decimal("55.13"),
    "base_grand_total": 78,
    "total_paid": Decimal("55.13"),
    "base_total_paid": 78,
    "shipping_amount": Decimal("7.07"),
    "base_shipping_amount": 10,
    "base_shipping_discount_tax_compensation_amnt": Decimal("0.12"),
    "payment": {"method": "banktransfer", "base_amount_paid_online": 78},
    "extension_attributes": {"shipping_assignments": [{"shipping": {"method": "flatrate_flatrate"}}]},
    "status_histories": [{"entity_name": "invoice"}],
    "items": [
        {
            "item_id": 769,
            "product_type": "configurable",
            "sku": "WH09-S-Red",
            "name": "Ana Running Short",
            "qty_ordered": 2,
            "qty_invoiced": 2,
            "is_qty_decimal": 0,
            "discount_tax_compensation_amount": 0,
            "row_invoiced": Decimal("48.06"),
            "base_row_invoiced": 68,
            "amount_refunded": Decimal("24.03"),
            "a_field_of_some_extension": {"anything": True},
        },
        {"item_id": 770, "parent_item_id": 769, "product_type": "simple", "sku": "WH09-S-Red", "qty_ordered": 2},
    ],
}
INVOICE = {
    "entity_id": 389,
    "increment_id": "200000002",
    "order_id": 410,
    "state": 2,
    "transaction_id": "txn-1",
    "base_grand_total": 78,
    "base_shipping_amount": 10,
    "base_shipping_tax_amount": Decimal("0.83"),
    "tax_amount": Decimal("1.82"),
    "items": [{"order_item_id": 769, "qty": 2}],
}
MEMO = {
    "entity_id": 683,
    "increment_id": "200000003",
    "order_id": 410,
    "invoice_id": 389,
    "created_at": "2026-11-23 09:00:00",
    "base_grand_total": 39,
    "grand_total": Decimal("27.57"),
    "base_shipping_amount": 5,
    "items": [{"order_item_id": 769, "qty": Decimal("1.0000"), "base_row_total": 34}],
    "comments": [{"comment": "Return RMA-1001 RR-X-01R"}, {"comment": None}],
}


def without(document, *path):
    """A copy that lacks the field at the end of the path."""
    changed = copy.deepcopy(document)
    *to, last = path
    inside = changed
    for step in to:
        inside = inside[step]
    del inside[last]
    return changed


def test_an_order_is_read_in_both_currencies():
    order = read_order(ORDER)

    assert (order.entity_id, order.increment_id, order.payment_method) == (410, "200000001", "banktransfer")
    assert (order.base_currency, order.currency, order.base_to_order_rate) == ("USD", "EUR", Decimal("0.7067"))
    assert (order.base.paid, order.shown.paid) == (Decimal(78), Decimal("55.13"))
    assert (order.base_shipping.amount, order.shown_shipping.amount) == (Decimal(10), Decimal("7.07"))
    assert order.base_shipping.tax_compensation == Decimal("0.12")
    assert order.base_paid_online == Decimal(78)
    assert order.shipping_method == "flatrate_flatrate"


def test_times_are_utc_though_magento_does_not_say_so():
    assert read_order(ORDER).created_at == datetime(2026, 11, 23, 8, 3, 50, tzinfo=UTC)


def test_a_line_carries_what_was_invoiced_and_what_has_been_refunded_of_it():
    line = read_order(ORDER).line(769)

    assert (line.base.row_invoiced, line.shown.row_invoiced) == (Decimal(68), Decimal("48.06"))
    assert (line.base.row_refunded, line.shown.row_refunded) == (Decimal(0), Decimal("24.03"))
    assert line.has_own_amounts


def test_a_field_that_is_absent_means_null():
    child = read_order(ORDER).line(770)

    assert child.parent_item_id == 769
    assert (child.qty_invoiced, child.base.row_invoiced, child.name) == (Decimal(0), Decimal(0), "")
    assert not child.has_own_amounts


def test_chosen_options_of_a_line_are_seen():
    document = copy.deepcopy(ORDER)
    document["items"][0]["product_option"] = {"extension_attributes": {"custom_options": [{"option_id": "1"}]}}

    order = read_order(document)

    assert [line.has_custom_options for line in order.lines] == [True, False]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_total_refunded", 14),
        ("total_refunded", Decimal("0.01")),
        ("status_histories", [{"entity_name": "creditmemo"}]),
    ],
)
def test_an_order_shows_a_refund_by_its_totals_or_its_history(field, value):
    assert not read_order(ORDER).shows_a_refund
    assert read_order({**ORDER, field: value}).shows_a_refund


def test_an_order_shows_a_refund_by_the_counter_of_a_line():
    document = copy.deepcopy(ORDER)
    document["items"][0]["qty_refunded"] = 1

    assert read_order(document).shows_a_refund


@pytest.mark.parametrize(
    ("attributes", "tenders"),
    [
        ({"base_customer_balance_amount": 5}, ("store credit",)),
        ({"gift_cards_amount": Decimal("2.50"), "base_reward_currency_amount": 1}, ("gift card", "reward points")),
        ({"customer_balance_amount": 0, "gift_cards_amount": None}, ()),
    ],
)
def test_what_else_paid_for_an_order_is_named(attributes, tenders):
    assert read_order({**ORDER, "extension_attributes": attributes}).other_tenders == tenders


def test_an_order_without_shipping_has_no_shipping_method():
    assert read_order({**ORDER, "extension_attributes": {"shipping_assignments": []}}).shipping_method == ""
    assert read_order(without(ORDER, "extension_attributes")).shipping_method == ""


def test_an_invoice_is_read():
    invoice = read_invoice(INVOICE)

    assert (invoice.order_id, invoice.state, invoice.transaction_id) == (410, 2, "txn-1")
    assert (invoice.base_grand_total, invoice.base_shipping, invoice.base_shipping_tax) == (78, 10, Decimal("0.83"))
    assert invoice.shown.tax == Decimal("1.82")
    assert invoice.lines == (InvoiceLine(order_item_id=769, qty=Decimal(2)),)


def test_an_invoice_captured_offline_names_no_transaction():
    assert read_invoice(without(INVOICE, "transaction_id")).transaction_id is None


def test_a_memo_is_read_with_its_comments():
    memo = read_memo(MEMO)

    assert (memo.invoice_id, memo.base.grand_total, memo.shown.grand_total) == (389, Decimal(39), Decimal("27.57"))
    assert memo.base.shipping == Decimal(5)
    assert [line.qty for line in memo.lines] == [Decimal(1)]
    assert memo.lines[0].base.row == Decimal(34)
    assert memo.comments == ("Return RMA-1001 RR-X-01R",)
    assert not memo.email_sent


def test_a_memo_without_amounts_is_worth_nothing_but_counts_its_units():
    bare = {key: MEMO[key] for key in ("entity_id", "order_id", "created_at", "comments")}

    memo = read_memo({**bare, "items": [{"order_item_id": 769, "qty": 1}]})

    assert memo.base.grand_total == 0
    assert memo.lines == (MemoLine(order_item_id=769, qty=Decimal(1)),)


def test_empty_lists_that_a_search_turned_into_null_are_empty():
    memo = read_memo({**MEMO, "items": None, "comments": None})

    assert (memo.lines, memo.comments) == ((), ())


@pytest.mark.parametrize(
    ("read", "document", "named"),
    [
        (read_order, without(ORDER, "payment"), "order 410: payment = None"),
        (read_order, without(ORDER, "payment", "method"), "order 410: payment.method"),
        (read_order, without(ORDER, "items", 1, "sku"), "order 410: items.1.sku"),
        (read_order, {**ORDER, "items": None}, "order 410: items"),
        (read_order, {**ORDER, "base_total_paid": "much"}, "order 410: base_total_paid = 'much'"),
        (read_order, {**ORDER, "base_total_paid": "NaN"}, "order 410: base_total_paid = 'NaN'"),
        (read_order, {**ORDER, "shipping_amount": True}, "order 410: shipping_amount = True"),
        (
            read_order,
            {**ORDER, "items": [ORDER["items"][0], {**ORDER["items"][1], "base_price": "much"}]},
            "order 410: items.1.base_price = 'much'",
        ),
        (read_order, {**ORDER, "created_at": "yesterday"}, "order 410: created_at = 'yesterday'"),
        (read_order, {**ORDER, "base_to_order_rate": None}, "order 410: base_to_order_rate = None"),
        (read_order, ["no", "order"], "order None: the answer = a list"),
        (read_invoice, without(INVOICE, "state"), "invoice 389: state"),
        (read_memo, without(MEMO, "comments"), "credit memo 683: comments"),
        (read_memo, without(MEMO, "items"), "credit memo 683: items"),
    ],
)
def test_what_a_plan_cannot_do_without_is_named_with_its_path_and_value(read, document, named):
    with pytest.raises(MagentoUnreadable) as caught:
        read(document)

    assert named in caught.value.message
    assert caught.value.context["path"]


def test_an_order_in_the_base_currency_needs_no_rate():
    order = read_order({**ORDER, "order_currency_code": "USD", "base_to_order_rate": None})

    assert order.base_to_order_rate == 1


def test_numbers_are_decimal_from_the_bytes_on():
    parsed = parse_json(b'{"total": 17.485, "qty": 3}')

    assert parsed == {"total": Decimal("17.485"), "qty": 3}
    assert isinstance(parsed["total"], Decimal)


@pytest.mark.parametrize(
    "body",
    [b'{"total": NaN}', b'{"total": -Infinity}', b"<html>Maintenance</html>", b"", b"\xff\xfe\xfa", b"[" * 100_000],
)
def test_what_is_not_json_is_unreadable(body):
    with pytest.raises(MagentoUnreadable, match=f"answer of {len(body)} bytes is not JSON"):
        parse_json(body)


def test_a_document_survives_the_way_over_the_wire():
    body = json.dumps(ORDER, default=float).encode()

    assert read_order(parse_json(body)) == read_order(ORDER)
