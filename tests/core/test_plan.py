"""What Magento would misread cannot be constructed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.plan import Plan, PlannedRefund, PredictedTotals, RefundRequest, RequestItem, Route, Verdict

MARKER = "RR-AAAAAAAAAAAAAAAA-01R"
GOOD = {
    "route": Route.ORDER,
    "order_id": 269,
    "items": (RequestItem(order_item_id=510, qty=Decimal(1)),),
    "shipping_amount": Decimal(0),
    "notify": True,
    "marker": MARKER,
    "comment": f"Return RMA-1001 (warehouse) {MARKER}",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": ()},
        {"items": (RequestItem(order_item_id=510, qty=Decimal(0)),)},
        {"items": (RequestItem(order_item_id=510, qty=Decimal(1)), RequestItem(order_item_id=510, qty=Decimal(2)))},
        {"shipping_amount": Decimal("-0.01")},
        {"adjustment_positive": Decimal(-1)},
        {"adjustment_negative": Decimal(-1)},
        {"route": Route.INVOICE},
        {"invoice_id": 315},
        {"marker": ""},
        {"comment": "Return RMA-1001"},
    ],
    ids=str,
)
def test_a_request_that_magento_would_misread_cannot_be_built(wrong):
    with pytest.raises(ValueError, match=r"a refund names|the invoice route|amounts are|the comment carries"):
        RefundRequest(**{**GOOD, **wrong})


@pytest.mark.parametrize("missing", ["items", "shipping_amount", "marker", "notify"])
def test_a_request_without_a_field_that_matters_cannot_be_built(missing):
    with pytest.raises(TypeError, match=missing):
        RefundRequest(**{key: value for key, value in GOOD.items() if key != missing})


def a_plan(*requests):
    predicted = PredictedTotals(base_grand_total=Decimal(22), grand_total=Decimal(22))
    return Plan(
        return_id="RMA-1001",
        order_id=269,
        increment_id="000000264",
        currency="USD",
        base_currency="USD",
        refunds=tuple(PlannedRefund(request=request, predicted=predicted) for request in requests),
        verdict=Verdict.REFUND,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"items": (RequestItem(order_item_id=510, qty=Decimal(2)),)},
        {"shipping_amount": Decimal(5)},
        {"adjustment_negative": Decimal(1)},
        {"return_to_stock": (510,)},
        {"notify": False},
        {"route": Route.INVOICE, "invoice_id": 315},
    ],
    ids=str,
)
def test_whatever_would_be_sent_otherwise_changes_the_fingerprint(change):
    asked = RefundRequest(**GOOD)

    assert a_plan(asked).fingerprint() != a_plan(replace(asked, **change)).fingerprint()


def test_the_same_amounts_written_otherwise_are_the_same_plan():
    asked = RefundRequest(**GOOD)

    assert a_plan(asked).fingerprint() == a_plan(replace(asked, shipping_amount=Decimal("0.00"))).fingerprint()


def test_what_is_left_of_an_approved_plan_is_approved():
    first, second = RefundRequest(**GOOD), replace(RefundRequest(**GOOD), shipping_amount=Decimal(5))
    both = a_plan(first, second)

    assert a_plan(second).is_approved_by(both.fingerprint())
    assert not both.is_approved_by(a_plan(second).fingerprint())
    assert not both.is_approved_by(None)


def test_one_line_without_units_among_good_ones_is_refused():
    items = (RequestItem(order_item_id=510, qty=Decimal(1)), RequestItem(order_item_id=511, qty=Decimal(0)))

    with pytest.raises(ValueError, match="each with a positive quantity"):
        RefundRequest(**{**GOOD, "items": items})


def test_a_request_knows_its_units_and_whether_it_restocks():
    items = (RequestItem(order_item_id=510, qty=Decimal(2)), RequestItem(order_item_id=511, qty=Decimal(3)))
    request = RefundRequest(**{**GOOD, "items": items, "return_to_stock": (510,)})

    assert [request.qty_of(item_id) for item_id in (510, 511, 512)] == [2, 3, 0]
    assert request.restocks
    assert not RefundRequest(**GOOD).restocks


def test_a_fingerprint_is_twelve_digits_for_each_refund():
    request = RefundRequest(**GOOD)
    totals = PredictedTotals(base_grand_total=Decimal(1), grand_total=Decimal(1))
    refund = PlannedRefund(request=request, predicted=totals)
    plan = Plan(
        return_id="RMA-1001",
        order_id=269,
        increment_id="000000264",
        currency="USD",
        base_currency="USD",
        refunds=(refund, refund),
        verdict=Verdict.REFUND,
    )

    assert [len(part) for part in plan.fingerprint().split("+")] == [12, 12]
