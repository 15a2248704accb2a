"""Recorded figures by hand, and what must hold for any order: parts add up to what was paid."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.core.amounts import predict
from service.core.counters import after_memo
from service.core.memo_lines import MemoAsk, WouldBeRefused
from service.core.orders import InvoiceTax, LineAmounts, OrderTotals, Reading, ShippingAmounts
from service.core.plan import RefundRequest, RequestItem, Route
from tests.core.builders import BAG, HOODIE, KIT, TEE, TODAY, an_invoice, an_order, configurable, fixed_bundle, line

ZERO = Decimal(0)


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


def one_after_the_other(order, *asks, invoices=(), **how):
    """The predicted memos of calls made in a row, each from the state that the one before left."""
    reading, memos = Reading(order=order, invoices=invoices, memos=()), []
    for number, each in enumerate(asks, start=1):
        prediction = predict(reading.order, reading.invoices, reading.memos, each, **how)
        memos.append(prediction)
        memo = prediction.as_memo(
            entity_id=number, order_id=order.entity_id, invoice_id=each.invoice_id, created_at=TODAY
        )
        reading = after_memo(reading, memo)
    return memos


def with_shipping_tax(order, tax):
    """The same order with tax on its shipping, in both currencies."""
    tax = Decimal(tax)
    shipping = replace(order.base_shipping, tax=tax, including_tax=order.base_shipping.amount + tax)
    totals = replace(
        order.base,
        grand_total=order.base.grand_total + tax,
        paid=order.base.paid + tax,
        tax_invoiced=order.base.tax_invoiced + tax,
    )
    return replace(order, base=totals, shown=totals, base_shipping=shipping, shown_shipping=shipping)


THREE_TAXED = an_order(line(TEE, "TEE", "22", 3, tax="5.45"))
ONE, TWO, ALL_THREE = ask({TEE: 1}), ask({TEE: 2}), ask({TEE: 3})


@pytest.mark.parametrize(
    ("asks", "taxes"),
    [
        ((ONE, ONE, ONE), ("1.82", "1.82", "1.81")),
        ((TWO, ONE), ("3.63", "1.82")),
        ((ONE, TWO), ("1.82", "3.63")),
        ((ALL_THREE,), ("5.45",)),
    ],
)
def test_the_odd_cent_of_tax_falls_where_magento_lets_it_fall(asks, taxes):
    memos = one_after_the_other(THREE_TAXED, *asks)

    assert [memo.base.tax for memo in memos] == money(*taxes)


def test_a_discount_of_20_percent_goes_back_unit_by_unit():
    order = an_order(line(TEE, "TEE", "22", 3, discount="13.20"))

    memos = one_after_the_other(order, ONE, ONE, ONE)

    assert [(memo.base.discount, memo.base.grand_total) for memo in memos] == [tuple(money("-4.40", "17.60"))] * 3


def a_row_of(item_id, row, qty, *, discount="0"):
    amounts = LineAmounts(row_invoiced=Decimal(row), discount_invoiced=Decimal(discount))
    return replace(line(item_id, f"SKU-{item_id}", "0", qty), base=amounts, shown=amounts)


def test_the_rest_of_one_lines_rounding_goes_into_the_next_lines():
    order = an_order(a_row_of(TEE, "10", 3), a_row_of(BAG, "10", 3))

    (memo,) = one_after_the_other(order, ask({TEE: 1, BAG: 1}))

    assert [each.base.row for each in memo.lines] == money("3.33", "3.34")


def test_the_rest_of_a_row_lowers_the_discount_because_a_discount_is_taken_off():
    order = an_order(a_row_of(TEE, "10", 3, discount="1.01"))

    (memo,) = one_after_the_other(order, ask({TEE: 1}))

    assert [memo.base.subtotal, memo.base.discount] == money("3.33", "-0.33")


def test_a_third_and_a_sixth_of_a_cent_make_half_a_cent_which_is_rounded_up():
    order = an_order(a_row_of(TEE, "10", 3), a_row_of(BAG, "0.01", 6))

    (memo,) = one_after_the_other(order, ask({TEE: 1, BAG: 1}))

    assert [each.base.row for each in memo.lines] == money("3.33", "0.01")


def test_tax_discount_and_shipping_together():
    order = an_order(line(TEE, "TEE", "22", 3, tax="4.36", discount="13.20"), shipping="10")

    memos = one_after_the_other(order, ask({TEE: 1}, shipping="3.33"), ask({TEE: 2}, shipping="6.67"))

    assert [memo.base.grand_total for memo in memos] == money("22.38", "44.78")
    assert [memo.base.tax for memo in memos] == money("1.45", "2.91")


def test_tax_on_shipping_follows_the_shipping_and_its_rest_goes_last():
    order = with_shipping_tax(an_order(line(TEE, "TEE", "22", 2, tax="3.63"), shipping="15"), "1.24")

    memos = one_after_the_other(order, ask({TEE: 1}, shipping="5"), ask({TEE: 1}, shipping="10"))

    assert [memo.base.shipping_tax for memo in memos] == money("0.41", "0.83")
    assert [memo.base.grand_total for memo in memos] == money("29.23", "34.64")


def test_tax_on_shipping_that_stays_behind_is_not_given_back_with_the_last_unit():
    order = with_shipping_tax(an_order(line(TEE, "TEE", "22", tax="1.82"), shipping="15"), "1.24")

    (memo,) = one_after_the_other(order, ask({TEE: 1}, shipping="0"))

    assert memo.base.tax == Decimal("1.82")


def test_where_the_store_says_shipping_with_tax_the_tax_is_inside_the_amount():
    order = with_shipping_tax(an_order(line(TEE, "TEE", "22", 2), shipping="15"), "1.24")

    (half, rest) = one_after_the_other(
        order, ask({TEE: 1}, shipping="8.12"), ask({TEE: 1}, shipping="8.12"), shipping_includes_tax=True
    )

    assert [half.base.shipping, half.base.shipping_tax] == money("7.50", "0.62")
    assert [rest.base.shipping, rest.base.shipping_tax] == money("7.50", "0.62")


def test_an_order_shown_in_euro_is_asked_in_dollars_and_shown_in_euro():
    tee = line(TEE, "TEE", "34", 2)
    tee = replace(tee, shown=LineAmounts(price=Decimal("24.03"), row_invoiced=Decimal("48.06")))
    shipping = ShippingAmounts(amount=Decimal("7.07"), including_tax=Decimal("7.07"))
    order = an_order(tee, shipping="10", rate="0.7067", currency="EUR", shown_shipping=shipping)

    (memo,) = one_after_the_other(order, ask({TEE: 1}, shipping="5"))

    assert [memo.base.grand_total, memo.shown.grand_total] == money("39", "27.57")


def test_the_rest_of_a_line_sold_by_the_metre_keeps_four_places():
    cloth = line(TEE, "CLOTH", "9.99", "2.5", is_qty_decimal=True)

    memos = one_after_the_other(an_order(cloth), ask({TEE: "0.75"}), ask({TEE: "1.75"}))

    assert [memo.base.grand_total for memo in memos] == money("7.49", "17.485")


def test_of_a_whole_unit_item_one_and_a_half_are_paid_as_one():
    order = an_order(line(TEE, "TEE", "14", 2))

    (memo,) = one_after_the_other(order, ask({TEE: "1.5"}))

    assert memo.base.subtotal == Decimal(14)
    assert memo.lines[0].qty == Decimal("1.5")


@pytest.mark.parametrize(
    ("named", "total"),
    [({"fee": "3.40"}, "10.60"), ({"plus": "5"}, "19"), ({"plus": "2.005", "fee": "1"}, "15.01")],
)
def test_a_fee_is_taken_off_and_a_bonus_added_each_rounded_to_the_cent(named, total):
    (memo,) = one_after_the_other(an_order(line(BAG, "BAG", "14")), ask({BAG: 1}, **named))

    assert memo.base.grand_total == Decimal(total)


def test_a_fee_is_asked_in_the_base_currency_and_shown_in_the_other():
    order = an_order(line(BAG, "BAG", "14"), rate="0.7067", currency="EUR")

    (memo,) = one_after_the_other(order, ask({BAG: 1}, fee="3.40"))

    assert [memo.base.adjustment_negative, memo.shown.adjustment_negative] == money("3.40", "2.40")


def test_no_items_mean_everything_that_is_left_and_no_shipping_amount_all_of_it():
    order = an_order(line(TEE, "TEE", "22", 3), line(BAG, "BAG", "14"), shipping="15")

    memos = one_after_the_other(order, ask({TEE: 1}, shipping="5"), MemoAsk())

    assert [memo.base.grand_total for memo in memos] == money("27", "68")


def test_a_configurable_takes_its_child_along_and_pays_once():
    order = an_order(*configurable(HOODIE, "HOODIE-M", "69", 2))

    (memo,) = one_after_the_other(order, ask({HOODIE: 1}))

    assert memo.base.grand_total == Decimal(69)
    assert [(each.order_item_id, each.qty) for each in memo.lines] == [(HOODIE, 1), (HOODIE + 1, 1)]


def test_parts_of_a_fixed_bundle_come_along_times_their_number():
    order = an_order(*fixed_bundle(KIT, "KIT", "63", [("BALL", 1), ("STRAP", 3)], qty=2))

    (memo,) = one_after_the_other(order, ask({KIT: 2}))

    assert memo.base.grand_total == Decimal(126)
    assert [(each.order_item_id, each.qty) for each in memo.lines] == [(KIT, 2), (KIT + 1, 2), (KIT + 2, 6)]


def test_the_invoice_route_gives_no_more_than_that_invoice_holds():
    order = an_order(line(TEE, "TEE", "14", 5), line(BAG, "BAG", "34"))
    first, second = an_invoice(7, {TEE: 2}, order), an_invoice(8, {TEE: 3, BAG: 1}, order)
    calls = [ask({TEE: 1, BAG: 1}, invoice=7), ask({TEE: 2}, invoice=7), ask({TEE: 1}, invoice=7)]

    memos = one_after_the_other(order, *calls, invoices=(first, second))

    assert [memo.base.grand_total for memo in memos] == money("14", "14", "0")
    assert [[each.order_item_id for each in memo.lines] for memo in memos] == [[TEE], [TEE], []]


@pytest.mark.parametrize(("limited", "tax"), [(True, "1.00"), (False, "3.00")])
def test_before_2_4_3_the_memo_that_empties_an_invoice_takes_the_whole_orders_tax(limited, tax):
    order = an_order(line(TEE, "TEE", "10", tax="1"), line(BAG, "BAG", "20", tax="2"))
    taxes = (InvoiceTax(tax=Decimal(1)), InvoiceTax(tax=Decimal(2)))
    invoices = tuple(
        replace(an_invoice(number, {item: 1}, order), base=amounts, shown=amounts)
        for number, item, amounts in zip((7, 8), (TEE, BAG), taxes, strict=True)
    )

    (memo,) = one_after_the_other(order, ask({TEE: 1}, invoice=7), invoices=invoices, tax_limited_by_invoice=limited)

    assert memo.base.tax == Decimal(tax)


@pytest.mark.parametrize(
    ("too_much", "said"),
    [
        (ask({TEE: 4}), "4 asked for, 3 left"),
        (ask({TEE: 1}, shipping="15.01"), "15.01 of shipping asked for, 15 left"),
        (ask({TEE: 1}, invoice=99), "invoice 99 is not among those"),
    ],
)
def test_what_magento_refuses_is_not_predicted(too_much, said):
    order = an_order(line(TEE, "TEE", "14", 3), shipping="15")

    with pytest.raises(WouldBeRefused, match=said):
        predict(order, (), (), too_much)


def test_our_own_requests_are_predicted_as_they_are():
    request = RefundRequest(
        route=Route.ORDER,
        order_id=269,
        items=(RequestItem(order_item_id=BAG, qty=Decimal(1)),),
        shipping_amount=Decimal(2),
        adjustment_negative=Decimal(1),
        notify=False,
        marker="RR-A-01R",
        comment="RR-A-01R",
    )

    prediction = predict(an_order(line(BAG, "BAG", "14"), shipping="5"), (), (), request)

    assert prediction.totals.base_grand_total == Decimal(15)
    assert prediction.totals.grand_total == Decimal(15)


cents = st.integers(0, 200_00).map(lambda amount: Decimal(amount) / 100)


@st.composite
def taxed_lines(draw, item_id):
    """A line of whole units whose amounts in the two currencies are unrelated, as roundings leave them.

    But for a discount: Magento forgets that of the books where the customer saw none.
    """

    def amounts(qty):
        row = draw(cents)
        return LineAmounts(
            row_invoiced=row,
            tax_invoiced=draw(cents),
            discount_invoiced=draw(st.integers(0, int(row * 100))) / Decimal(100),
            tax_compensation_invoiced=draw(cents) / 10 // Decimal("0.01") / 100,
        )

    qty = Decimal(draw(st.integers(1, 6)))
    base, shown = amounts(qty), amounts(qty)
    if not shown.discount_invoiced:
        base = replace(base, discount_invoiced=ZERO)
    return replace(line(item_id, f"SKU-{item_id}", "0", qty), base=base, shown=shown)


@st.composite
def paid_orders(draw):
    """An order paid in full, with tax on its shipping; no discount on shipping, which Magento does not round."""
    lines = [draw(taxed_lines(item_id)) for item_id in range(1, draw(st.integers(1, 3)) + 1)]

    def shipping():
        amount, tax = draw(cents), draw(cents) / 10 // Decimal("0.01") / 100
        tax = tax if amount else ZERO
        return ShippingAmounts(amount=amount, tax=tax, including_tax=amount + tax)

    def totals(amounts, shipping):
        tax = sum((each.tax_invoiced for each in amounts), ZERO) + shipping.tax
        compensation = sum((each.tax_compensation_invoiced for each in amounts), ZERO)
        goods = sum((each.row_invoiced - each.discount_invoiced for each in amounts), ZERO)
        total = goods + shipping.amount + tax + compensation
        return OrderTotals(grand_total=total, paid=total, tax_invoiced=tax, tax_compensation_invoiced=compensation)

    base_shipping, shown_shipping = shipping(), shipping()
    assume(bool(base_shipping.amount) == bool(shown_shipping.amount))
    return an_order(
        *lines,
        base=totals([each.base for each in lines], base_shipping),
        shown=totals([each.shown for each in lines], shown_shipping),
        base_shipping=base_shipping,
        shown_shipping=shown_shipping,
    )


@st.composite
def partitions(draw, order):
    """Calls that together give back every unit and, with the last of them, all shipping that is left."""
    left = {each.item_id: int(each.qty_ordered) for each in order.lines}
    asks = []
    while any(left.values()):
        units = {item_id: draw(st.integers(0, most)) for item_id, most in left.items()}
        assume(any(units.values()))
        left = {item_id: most - units[item_id] for item_id, most in left.items()}
        asks.append(ask({item_id: qty for item_id, qty in units.items() if qty}))
    return (*asks[:-1], replace(asks[-1], shipping_amount=order.base_shipping.amount))


orders_in_parts = paid_orders().flatmap(lambda order: st.tuples(st.just(order), partitions(order)))


@settings(max_examples=150, deadline=None)
@given(orders_in_parts)
def test_however_a_line_is_divided_its_parts_add_up_to_what_was_invoiced(order_and_asks):
    order, asks = order_and_asks

    memos = one_after_the_other(order, *asks)

    for each in order.lines:
        for currency in ("base", "shown"):
            parts = [
                getattr(part, currency) for memo in memos for part in memo.lines if part.order_item_id == each.item_id
            ]
            invoiced = getattr(each, currency)
            assert sum((part.row for part in parts), ZERO) == invoiced.row_invoiced
            assert sum((part.tax for part in parts), ZERO) == invoiced.tax_invoiced
            assert sum((part.discount for part in parts), ZERO) == invoiced.discount_invoiced
            assert sum((part.tax_compensation for part in parts), ZERO) == invoiced.tax_compensation_invoiced


@settings(max_examples=150, deadline=None)
@given(orders_in_parts)
def test_when_everything_has_gone_back_what_was_paid_has_been_refunded(order_and_asks):
    order, asks = order_and_asks

    memos = one_after_the_other(order, *asks)

    assert sum((memo.base.grand_total for memo in memos), ZERO) == order.base.paid
    assert sum((memo.shown.grand_total for memo in memos), ZERO) == order.shown.paid


@settings(max_examples=150, deadline=None)
@given(orders_in_parts)
def test_no_part_is_ever_negative(order_and_asks):
    order, asks = order_and_asks

    for memo in one_after_the_other(order, *asks):
        for amounts in (memo.base, memo.shown):
            assert min(amounts.subtotal, amounts.tax, -amounts.discount, amounts.shipping, amounts.shipping_tax) >= 0


@settings(max_examples=100, deadline=None)
@given(paid_orders())
def test_the_first_refund_of_everything_is_what_was_paid(order):
    (memo,) = one_after_the_other(order, MemoAsk())

    assert memo.totals.base_grand_total == order.base.paid
    assert memo.totals.grand_total == order.shown.paid
