"""Columns of a memo that few orders have: tax compensation, discounted shipping, lines that come along unasked."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.amounts import predict
from service.core.counters import after_memo
from service.core.memo_lines import MemoAsk, WouldBeRefused
from service.core.orders import InvoiceTax, LineAmounts, OrderTotals, Reading, ShippingAmounts
from tests.core.builders import (
    BAG,
    HOODIE,
    KIT,
    TEE,
    TODAY,
    an_invoice,
    an_order,
    configurable,
    dynamic_bundle,
    fixed_bundle,
    line,
)


def money(*amounts):
    return [Decimal(amount) for amount in amounts]


def ask(units, *, shipping="0", plus="0", fee="0", invoice=None):
    return MemoAsk(
        items=tuple((item_id, Decimal(qty)) for item_id, qty in units.items()),
        shipping_amount=None if shipping is None else Decimal(shipping),
        adjustment_positive=Decimal(plus),
        adjustment_negative=Decimal(fee),
        invoice_id=invoice,
    )


def in_a_row(order, *asks, invoices=(), **how):
    reading, memos = Reading(order=order, invoices=invoices, memos=()), []
    for number, each in enumerate(asks, start=1):
        prediction = predict(reading.order, reading.invoices, reading.memos, each, **how)
        memos.append(prediction)
        reading = after_memo(
            reading,
            prediction.as_memo(
                entity_id=number, order_id=order.entity_id, invoice_id=each.invoice_id, created_at=TODAY
            ),
        )
    return memos


def compensated(qty=2):
    """Two units with tax 2.00, discount 4.00 and compensation 0.41; shipping 10.00 with compensation 0.10."""
    amounts = LineAmounts(
        price=Decimal(10),
        row_invoiced=Decimal(20),
        tax_invoiced=Decimal(2),
        discount_invoiced=Decimal(4),
        tax_compensation_invoiced=Decimal("0.41"),
    )
    shown = replace(amounts, tax_compensation_invoiced=Decimal("0.82"))
    tee = replace(line(TEE, "TEE", "10", qty), base=amounts, shown=shown)
    base = OrderTotals(
        grand_total=Decimal(99), paid=Decimal(99), tax_invoiced=Decimal(2), tax_compensation_invoiced=Decimal("0.41")
    )
    shipping = ShippingAmounts(amount=Decimal(10), including_tax=Decimal(10), tax_compensation=Decimal("0.10"))
    return an_order(
        tee,
        base=base,
        shown=replace(base, tax_compensation_invoiced=Decimal("0.82")),
        base_shipping=shipping,
        shown_shipping=replace(shipping, tax_compensation=Decimal("0.20")),
    )


# --- tax compensation -----------------------------------------------------------------------------------------------


def test_compensation_is_shared_out_and_its_rest_goes_with_the_last_unit():
    memos = in_a_row(compensated(), ask({TEE: 1}, shipping="5"), ask({TEE: 1}, shipping="5"))

    assert [memo.base.tax_compensation for memo in memos] == money("0.26", "0.25")
    assert [memo.shown.tax_compensation for memo in memos] == money("0.51", "0.51")
    assert [memo.lines[0].base.tax_compensation for memo in memos] == money("0.21", "0.20")
    assert [memo.base.grand_total for memo in memos] == money("14.26", "14.25")


def test_on_an_invoice_compensation_of_lines_and_shipping_is_rounded_together():
    tax = InvoiceTax(tax=Decimal(2), tax_compensation=Decimal("0.41"), shipping_tax_compensation=Decimal("0.10"))
    order = compensated()
    invoice = replace(an_invoice(7, {TEE: 2}, order, shipping="10"), base=tax, shown=tax)

    memos = in_a_row(
        order, ask({TEE: 1}, shipping="5", invoice=7), ask({TEE: 1}, shipping="5", invoice=7), invoices=(invoice,)
    )

    assert [memo.base.tax_compensation for memo in memos] == money("0.26", "0.25")
    assert [memo.base.tax for memo in memos] == money("1", "1")


def test_what_an_invoice_has_left_of_compensation_limits_the_memo():
    tax = InvoiceTax(tax=Decimal(2), tax_compensation=Decimal("0.05"), shipping_tax_compensation=Decimal("0.10"))
    order = compensated()
    invoice = replace(an_invoice(7, {TEE: 2}, order, shipping="10"), base=tax, shown=tax)

    (memo,) = in_a_row(order, ask({TEE: 1}, shipping="5", invoice=7), invoices=(invoice,))

    assert memo.base.tax_compensation == Decimal("0.15")


def test_what_an_order_has_left_of_compensation_limits_the_memo():
    order = compensated()
    order = replace(order, base=replace(order.base, tax_compensation_refunded=Decimal("0.40")))

    (memo,) = in_a_row(order, ask({TEE: 1}, shipping="5"))

    assert memo.base.tax_compensation == Decimal("0.11")


# --- shipping -------------------------------------------------------------------------------------------------------


def with_shipping(order, **amounts):
    base = replace(order.base_shipping, **{name: Decimal(amount) for name, amount in amounts.items()})
    return replace(order, base_shipping=base, shown_shipping=base)


def test_a_discount_on_shipping_is_taken_back_with_its_part():
    order = with_shipping(an_order(line(TEE, "TEE", "10", 2), shipping="10"), discount="2.01")

    memos = in_a_row(order, ask({TEE: 1}, shipping="5"), ask({TEE: 1}, shipping=None))

    assert [memo.base.discount for memo in memos] == money("-1.005", "-2.01")


def test_where_all_shipping_is_discounted_its_tax_stays_behind_on_the_last_memo():
    order = with_shipping(
        an_order(line(TEE, "TEE", "10", tax="1"), shipping="10"), discount="10", tax="0.50", including_tax="10.50"
    )
    order = replace(order, base=replace(order.base, tax_invoiced=Decimal("1.50")))

    (memo,) = in_a_row(order, ask({TEE: 1}, shipping="0"))

    assert memo.base.tax == Decimal(1)


@pytest.mark.parametrize(("asked", "given"), [("10", "10"), ("4", "4"), (None, "10")])
def test_shipping_is_given_as_asked_and_whole_where_nothing_is_said(asked, given):
    order = an_order(line(TEE, "TEE", "10", 2), shipping="10")

    (memo,) = in_a_row(order, ask({TEE: 1}, shipping=asked))

    assert memo.base.shipping == Decimal(given)


def test_the_last_of_the_shipping_takes_what_rounding_left_in_the_other_currency():
    order = an_order(line(TEE, "TEE", "10", 3), shipping="10", rate="0.7067", currency="EUR")
    order = replace(order, shown_shipping=ShippingAmounts(amount=Decimal("7.07"), including_tax=Decimal("7.07")))

    memos = in_a_row(
        order, ask({TEE: 1}, shipping="3.33"), ask({TEE: 1}, shipping="3.33"), ask({TEE: 1}, shipping="3.34")
    )

    assert [memo.shown.shipping for memo in memos] == money("2.35", "2.35", "2.37")


def test_shipping_of_less_than_a_dollar_is_shared_out_as_any_other():
    (memo,) = in_a_row(an_order(line(TEE, "TEE", "10", 2), shipping="0.50"), ask({TEE: 1}, shipping="0.25"))

    assert [memo.base.shipping, memo.shown.shipping] == money("0.25", "0.25")


def test_on_an_invoice_shipping_that_is_not_named_is_that_invoices():
    order = an_order(line(TEE, "TEE", "10", 2), shipping="10")
    invoice = an_invoice(7, {TEE: 2}, order, shipping="6")

    (memo,) = in_a_row(order, ask({TEE: 1}, shipping=None, invoice=7), invoices=(invoice,))

    assert memo.base.shipping == Decimal(6)


def test_shipping_of_an_order_without_any_is_refused():
    with pytest.raises(WouldBeRefused, match="shipping"):
        in_a_row(an_order(line(TEE, "TEE", "10")), ask({TEE: 1}, shipping="1"))


def test_on_an_invoice_the_tax_of_shipping_follows_its_part_in_both_currencies():
    tax = InvoiceTax(tax=Decimal("2.24"), shipping_tax=Decimal("1.24"))
    order = with_shipping(
        an_order(line(TEE, "TEE", "10", 2, tax="1"), shipping="15"), tax="1.24", including_tax="16.24"
    )
    invoice = replace(an_invoice(7, {TEE: 2}, order, shipping="15"), base=tax, shown=tax)

    half, rest = in_a_row(
        order, ask({TEE: 1}, shipping="5", invoice=7), ask({TEE: 1}, shipping="10", invoice=7), invoices=(invoice,)
    )

    assert [half.base.shipping_tax, rest.base.shipping_tax] == money("0.41", "0.83")
    assert [half.shown.tax, rest.shown.tax] == money("0.91", "1.33")


def test_a_discount_that_is_nothing_in_the_customers_currency_is_none_in_the_books_either():
    tee = line(TEE, "TEE", "0.06", discount="0.01")
    tee = replace(tee, shown=replace(tee.shown, row_invoiced=Decimal("0.04"), discount_invoiced=Decimal(0)))

    (memo,) = in_a_row(an_order(tee, rate="0.7067", currency="EUR"), ask({TEE: 1}))

    assert [memo.base.grand_total, memo.shown.grand_total] == money("0.06", "0.04")


# --- adjustments ----------------------------------------------------------------------------------------------------


def test_a_bonus_is_asked_in_the_books_currency_and_shown_in_the_other():
    order = an_order(line(BAG, "BAG", "14"), rate="0.7067", currency="EUR")

    (memo,) = in_a_row(order, ask({BAG: 1}, plus="3.40"))

    assert [memo.base.adjustment_positive, memo.shown.adjustment_positive] == money("3.40", "2.40")


# --- tax on the last memo -------------------------------------------------------------------------------------------


def two_invoices():
    order = an_order(line(TEE, "TEE", "10", tax="1"), line(BAG, "BAG", "20", tax="2"))
    taxes = {7: InvoiceTax(tax=Decimal(1)), 8: InvoiceTax(tax=Decimal(2))}
    return order, tuple(
        replace(an_invoice(number, {item: 1}, order), base=taxes[number], shown=taxes[number])
        for number, item in ((7, TEE), (8, BAG))
    )


def test_the_memo_that_empties_an_invoice_takes_no_tax_of_another():
    order, invoices = two_invoices()

    memos = in_a_row(order, ask({TEE: 1}, invoice=7), ask({BAG: 1}, invoice=8), invoices=invoices)

    assert [memo.base.tax for memo in memos] == money("1", "2")


def test_a_memo_without_lines_takes_no_tax_while_a_unit_is_left():
    order, invoices = two_invoices()
    empties = (ask({TEE: 1}, invoice=7), ask({TEE: 1}, invoice=7))

    memos = in_a_row(order, *empties, invoices=invoices, tax_limited_by_invoice=True)

    assert [(memo.base.tax, memo.lines) for memo in memos][1] == (0, ())
    assert predict(order, invoices, (), ask({BAG: 1}, invoice=7), tax_limited_by_invoice=False).base.tax == 0


def test_a_memo_without_lines_takes_no_tax_while_one_of_two_lines_is_left():
    order, invoices = two_invoices()
    tee, bag = order.lines
    order = replace(order, lines=(replace(tee, qty_refunded=Decimal(1)), bag))

    prediction = predict(
        order, (replace(invoices[0], lines=()),), (), ask({TEE: 1}, invoice=7), tax_limited_by_invoice=False
    )

    assert prediction.base.tax == 0


def test_a_line_that_is_used_up_gives_no_more_tax():
    tee, bag = line(TEE, "TEE", "10", tax="1"), line(BAG, "BAG", "20", 2, tax="2")
    given = replace(tee.base, row_refunded=Decimal(10), tax_refunded=Decimal("0.99"))
    used_up = replace(tee, qty_refunded=Decimal(1), base=given, shown=given)

    (memo,) = in_a_row(an_order(used_up, bag), ask({BAG: 1}))

    assert memo.base.tax == Decimal(1)


def test_a_memo_without_lines_takes_the_tax_that_is_left_when_no_unit_is():
    order, invoices = two_invoices()
    given = [replace(each, qty_refunded=Decimal(1)) for each in order.lines]
    emptied = replace(order, lines=tuple(given), base=replace(order.base, tax_refunded=Decimal("2.99")))
    used_up = replace(invoices[0], lines=())

    prediction = predict(emptied, (used_up,), (), ask({TEE: 1}, invoice=7), tax_limited_by_invoice=False)

    assert prediction.base.tax == Decimal("0.01")


# --- lines that come along ------------------------------------------------------------------------------------------


def lines_of(memo):
    return [(each.order_item_id, each.qty) for each in memo.lines]


def test_lines_that_are_not_named_leave_no_trace():
    (memo,) = in_a_row(an_order(line(TEE, "TEE", "10"), line(BAG, "BAG", "20")), ask({BAG: 1}))

    assert lines_of(memo) == [(BAG, 1)]


def test_everything_that_is_left_brings_children_for_the_units_that_are_left():
    order = an_order(*configurable(HOODIE, "HOODIE", "69", 3), line(BAG, "BAG", "20"))

    _, rest = in_a_row(order, ask({HOODIE: 1}), MemoAsk(shipping_amount=Decimal(0)))

    assert lines_of(rest) == [(BAG, 1), (HOODIE, 2), (HOODIE + 1, 2)] or lines_of(rest) == [
        (HOODIE, 2),
        (HOODIE + 1, 2),
        (BAG, 1),
    ]


def test_a_configurable_that_its_invoice_has_given_back_does_not_come_again():
    order = an_order(*configurable(HOODIE, "HOODIE", "69", 1), line(BAG, "BAG", "20"))
    invoice = an_invoice(7, {HOODIE: 1, HOODIE + 1: 1, BAG: 1}, order)

    _, rest = in_a_row(
        order,
        ask({HOODIE: 1}, invoice=7),
        MemoAsk(shipping_amount=Decimal(0), invoice_id=7),
        invoices=(invoice,),
    )

    assert lines_of(rest) == [(BAG, 1)]


def test_a_line_that_the_invoice_does_not_hold_hides_none_behind_it():
    order = an_order(line(TEE, "TEE", "10"), line(BAG, "BAG", "20"))

    (memo,) = in_a_row(order, ask({BAG: 1}, invoice=7), invoices=(an_invoice(7, {BAG: 1}, order),))

    assert lines_of(memo) == [(BAG, 1)]


@pytest.mark.parametrize(
    ("named", "lines"),
    [
        ({KIT + 1: 2}, [(KIT, 2), (KIT + 1, 2)]),
        ({KIT + 1: 2, KIT + 2: 0}, [(KIT, 2), (KIT + 1, 2)]),
        ({KIT + 1: 0, BAG: 1}, [(BAG, 1)]),
    ],
    ids=str,
)
def test_a_dynamic_kit_comes_along_whole_when_one_of_its_parts_is_given_back(named, lines):
    order = an_order(*dynamic_bundle(KIT, "KIT", [("CUP", "4", 2), ("BOX", "6", 1)], 2), line(BAG, "BAG", "20"))

    (memo,) = in_a_row(order, ask(named))

    assert sorted(lines_of(memo)) == sorted(lines)


def test_parts_of_a_fixed_kit_stay_when_the_kit_is_not_named():
    order = an_order(*fixed_bundle(KIT, "KIT", "20", [("CUP", 2)], 2), line(BAG, "BAG", "20"))

    (memo,) = in_a_row(order, ask({KIT: 0, BAG: 1}))

    assert lines_of(memo) == [(BAG, 1)]
