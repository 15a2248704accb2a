from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.plan import RefundRequest, RequestItem, Route
from service.magento.refunds import json_number, refund_body, refund_path


def refund(**changes):
    values = {
        "route": Route.ORDER,
        "order_id": 269,
        "items": (RequestItem(order_item_id=510, qty=Decimal("1.0000")),),
        "shipping_amount": Decimal(0),
        "return_to_stock": (510,),
        "notify": True,
        "marker": "RR-AAAAAAAAAAAAAAAA-01R",
        "comment": "Return RMA-1001 (warehouse) RR-AAAAAAAAAAAAAAAA-01R",
    }
    return RefundRequest(**values | changes)


def test_the_tutorial_refund_is_the_recorded_json_and_our_comment():
    assert refund_path(refund()) == "/V1/order/269/refund"
    assert json.dumps(refund_body(refund())) == (
        '{"items": [{"order_item_id": 510, "qty": 1}], "notify": true, '
        '"comment": {"comment": "Return RMA-1001 (warehouse) RR-AAAAAAAAAAAAAAAA-01R", "is_visible_on_front": 0}, '
        '"arguments": {"shipping_amount": 0, "adjustment_positive": 0, "adjustment_negative": 0, '
        '"extension_attributes": {"return_to_stock_items": [510]}}}'
    )


def test_only_the_invoice_route_asks_for_money_to_move():
    online = refund(route=Route.INVOICE, invoice_id=266)

    assert refund_path(online) == "/V1/invoice/266/refund"
    assert refund_body(online)["isOnline"] is True
    assert "isOnline" not in refund_body(refund())


def test_nothing_returned_to_stock_names_no_extension_attributes():
    assert refund_body(refund(return_to_stock=()))["arguments"] == {
        "shipping_amount": 0,
        "adjustment_positive": 0,
        "adjustment_negative": 0,
    }


def test_amounts_and_quantities_are_written_digit_by_digit():
    request = refund(
        items=(RequestItem(order_item_id=510, qty=Decimal("1.5")), RequestItem(order_item_id=511, qty=Decimal(3))),
        shipping_amount=Decimal("10.10"),
        adjustment_positive=Decimal("0.07"),
        adjustment_negative=Decimal("1234567.8901"),
    )

    text = json.dumps(refund_body(request))

    assert '"items": [{"order_item_id": 510, "qty": 1.5}, {"order_item_id": 511, "qty": 3}]' in text
    assert '"shipping_amount": 10.1, "adjustment_positive": 0.07, "adjustment_negative": 1234567.8901' in text


@given(st.decimals(min_value=0, max_value=10**9, places=4))
def test_a_number_of_four_places_reads_back_as_itself(value):
    assert json.loads(json.dumps(json_number(value)), parse_float=Decimal) == value


def test_a_number_that_json_cannot_carry_is_refused_and_not_rounded():
    with pytest.raises(ValueError, match="more digits"):
        json_number(Decimal("0.1000000000000000055511151231257827"))
