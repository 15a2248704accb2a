"""What an invoice still holds, in units, shipping and money: its own memos count, nobody else's."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.allocation import (
    allocate,
    money_left_on,
    refundable_invoices,
    shipping_left_on,
    units_left_on,
)
from service.core.orders import INVOICE_PAID, InvoiceTax
from service.core.plan import RefundRequest, RequestItem, Route
from tests.core.builders import BAG, TEE, a_memo, a_reading, an_invoice, an_order, line

ORDER = an_order(line(TEE, "TEE", "22", 3), line(BAG, "BAG", "34", 3), payment="sandbox_online", shipping="15")
OTHER, OURS = 314, 315


def our_invoice(**more):
    invoice = an_invoice(OURS, {TEE: 3, BAG: 3}, ORDER, shipping="15")
    return replace(invoice, base=InvoiceTax(tax=Decimal("1.20"), shipping_tax=Decimal("1.20")), **more)


def a_memo_of(invoice_id, *, total="10", shipping="4", shipping_tax="0.30", units=1):
    memo = a_memo(900 + invoice_id, {TEE: units}, total=total, shipping=shipping, invoice_id=invoice_id)
    base = replace(memo.base, shipping_tax=Decimal(shipping_tax))
    seen = replace(base, grand_total=Decimal(99), shipping=Decimal(99), shipping_tax=Decimal(99))
    return replace(memo, base=base, shown=seen)


def an_ask(units, *, invoice=OURS):
    marker = "RR-AAAAAAAAAAAAAAAA-01R"
    return RefundRequest(
        route=Route.INVOICE,
        order_id=ORDER.entity_id,
        invoice_id=invoice,
        items=tuple(RequestItem(order_item_id=item_id, qty=Decimal(qty)) for item_id, qty in units.items()),
        shipping_amount=Decimal(0),
        notify=False,
        marker=marker,
        comment=marker,
    )


@pytest.mark.parametrize(
    ("state", "transaction", "usable"),
    [(INVOICE_PAID, "txn", True), (INVOICE_PAID, None, False), (1, "txn", False), (3, "txn", False)],
)
def test_only_a_paid_invoice_with_a_transaction_is_refunded(state, transaction, usable):
    reading = a_reading(ORDER, our_invoice(state=state, transaction_id=transaction))

    assert bool(refundable_invoices(reading)) is usable


def test_invoices_are_used_oldest_first_however_they_were_listed():
    young, old = our_invoice(), our_invoice(entity_id=OTHER)

    assert refundable_invoices(a_reading(ORDER, young, old)) == (old, young)


@pytest.mark.parametrize(
    ("memos", "asks", "left"),
    [
        ((), (), 3),
        ((a_memo_of(OURS),), (), 2),
        ((a_memo_of(OTHER),), (), 3),
        ((a_memo_of(OURS, units=5),), (), 0),
        ((), (an_ask({TEE: 2}),), 1),
        ((), (an_ask({BAG: 2}),), 3),
        ((), (an_ask({BAG: 1, TEE: 2}), an_ask({TEE: 1})), 0),
        ((), (an_ask({TEE: 2}, invoice=OTHER),), 3),
    ],
)
def test_units_left_are_less_the_memos_and_the_unknown_refunds_of_this_invoice(memos, asks, left):
    assert units_left_on(our_invoice(), TEE, a_reading(ORDER, our_invoice(), memos=memos), asks) == left


@pytest.mark.parametrize(
    ("memos", "without_tax", "with_tax"),
    [
        ((), "15", "16.20"),
        ((a_memo_of(OURS),), "11", "11.90"),
        ((a_memo_of(OURS), a_memo_of(OTHER)), "11", "11.90"),
        ((a_memo_of(OURS, shipping="20"),), "0", "0"),
    ],
)
def test_shipping_left_is_less_the_shipping_of_this_invoices_memos(memos, without_tax, with_tax):
    reading = a_reading(ORDER, our_invoice(), memos=memos)

    left = [shipping_left_on(our_invoice(), reading, includes_tax=includes) for includes in (False, True)]

    assert left == [Decimal(without_tax), Decimal(with_tax)]


@pytest.mark.parametrize(
    ("memos", "left"),
    [((), 183), ((a_memo_of(OURS), a_memo_of(OTHER)), 173), ((a_memo_of(OURS, total="200"),), 0)],
)
def test_money_left_is_less_the_totals_of_this_invoices_memos(memos, left):
    assert money_left_on(our_invoice(), a_reading(ORDER, our_invoice(), memos=memos)) == left


@pytest.mark.parametrize(
    ("asked", "parts", "rest"),
    [
        (3, ((10, 1), (11, 2)), 0),
        (1, ((10, 1),), 0),
        (9, ((10, 1), (11, 5)), 3),
        (0, (), 0),
    ],
)
def test_holders_are_filled_in_order_and_the_rest_is_told(asked, parts, rest):
    holdings = [(10, Decimal(1)), (12, Decimal(0)), (11, Decimal(5))]

    assert allocate(Decimal(asked), holdings) == (parts, rest)
