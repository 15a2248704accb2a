"""A memo is trusted only when it says what was asked; each kind of difference is named."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.plan import PredictedTotals, RefundRequest, RequestItem, Route
from service.core.receipt import compare
from tests.core.builders import BAG, a_memo

MARKER = "RR-AAAAAAAAAAAAAAAA-01R"
ASKED = RefundRequest(
    route=Route.INVOICE,
    order_id=269,
    invoice_id=315,
    items=(RequestItem(order_item_id=BAG, qty=Decimal(2)),),
    shipping_amount=Decimal(0),
    notify=False,
    marker=MARKER,
    comment=f"Return RMA-1001 (warehouse) {MARKER}",
)
PREDICTED = PredictedTotals(base_grand_total=Decimal(28), grand_total=Decimal(28))
AS_ASKED = replace(
    a_memo(509, {BAG: 2}, total="28", invoice_id=315, comments=(ASKED.comment,)), transaction_id="sbx-refund-1"
)


def whats(memo):
    return [difference.what for difference in compare(ASKED, PREDICTED, memo)]


def test_a_memo_that_says_what_was_asked_has_no_differences():
    assert compare(ASKED, PREDICTED, AS_ASKED) == ()


def test_the_silent_clamp_of_the_invoice_route_is_seen():
    clamped = a_memo(509, {BAG: 1}, total="14", invoice_id=315, comments=(ASKED.comment,))

    assert whats(replace(clamped, transaction_id="t")) == [f"quantity of item {BAG}", "base total", "total"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"transaction_id": None}, "gateway transaction"),
        ({"invoice_id": None}, "invoice"),
        ({"order_id": 270}, "order"),
        ({"comments": ("Return RMA-1001 (warehouse)",)}, "marker"),
        ({"base": replace(AS_ASKED.base, adjustment_negative=Decimal(1))}, "fee"),
        ({"base": replace(AS_ASKED.base, grand_total=Decimal("27.99"))}, "base total"),
        ({"shown": replace(AS_ASKED.shown, grand_total=Decimal("27.99"))}, "total"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_difference_is_named(change, what):
    assert whats(replace(AS_ASKED, **change)) == [what]


def test_both_sides_are_shown():
    (difference,) = compare(ASKED, PREDICTED, replace(AS_ASKED, invoice_id=316))

    assert str(difference) == "invoice: asked 315, the memo says 316"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"invoice_id": None}, "invoice: asked 315, the memo says none"),
        ({"transaction_id": None}, "gateway transaction: asked one, the memo says none: no money may have moved"),
        ({"order_id": 270}, "order: asked 269, the memo says 270"),
    ],
    ids=["invoice", "transaction", "order"],
)
def test_each_difference_reads_well(change, said):
    assert [str(difference) for difference in compare(ASKED, PREDICTED, replace(AS_ASKED, **change))] == [said]


def test_a_memo_of_an_invoice_is_no_answer_to_a_call_on_the_order():
    on_order = replace(ASKED, route=Route.ORDER, invoice_id=None)

    assert [str(each) for each in compare(on_order, PREDICTED, AS_ASKED)] == ["invoice: asked none, the memo says 315"]


def test_an_extra_amount_is_compared_in_the_books_currency():
    asked = replace(ASKED, adjustment_positive=Decimal(2))
    extra = replace(AS_ASKED, base=replace(AS_ASKED.base, adjustment_positive=Decimal(2)))

    assert compare(asked, PREDICTED, extra) == ()
    assert [each.what for each in compare(asked, PREDICTED, AS_ASKED)] == ["extra amount"]


def test_a_memo_that_a_person_named_may_lack_the_marker_and_nothing_else():
    by_hand = replace(AS_ASKED, comments=(), order_id=270)

    named = compare(ASKED, PREDICTED, by_hand, was_named_by_person=True)

    assert [each.what for each in named] == ["order"]
    assert whats(by_hand) == ["order", "marker"]
