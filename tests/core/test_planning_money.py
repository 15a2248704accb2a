"""Fees, shipping over several calls, limits: where the money of a plan goes, and where a person must decide."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.orders import ShippingAmounts
from service.core.plan import Verdict
from service.core.planning import plan_refunds
from tests.core.builders import (
    BAG,
    KIT,
    LAST_WEEK,
    TEE,
    a_memo,
    a_part,
    a_policy,
    a_reading,
    a_return,
    an_invoice,
    an_order,
    came_back,
    dynamic_bundle,
    line,
    made,
)

ONLINE = "sandbox_online"


def plan_for(approved, reading, policy=None, **more):
    return plan_refunds(approved, reading, policy or a_policy(), **more)


def codes(plan):
    return [(question.code, question.subject) for question in plan.questions]


def shipping_of(plan):
    return [(refund.request.invoice_id, refund.request.shipping_amount) for refund in plan.refunds]


def fees_of(plan):
    return [refund.request.adjustment_negative for refund in plan.refunds]


def bags(units=3, **more):
    return an_order(line(BAG, "BAG", "34", units), **more)


# --- nothing left ---------------------------------------------------------------------------------------------------


def test_an_empty_difference_names_the_memos_that_made_it_empty():
    reading = a_reading(bags())
    approved = a_return(came_back("BAG", 1))
    memo = replace(made(reading, *plan_for(approved, reading).refunds).memos[0], increment_id="000000037")

    again = plan_for(approved, replace(reading, memos=(memo,)))

    (note,) = [note for note in again.notes if note.rule == "plan.nothing_left"]
    assert (again.verdict, note.subject) == (Verdict.NOTHING, "return")
    assert note.text == "everything that was approved has been given back (credit memo 000000037)"


def test_a_return_of_no_units_has_nothing_approved():
    plan = plan_for(a_return(came_back("BAG", 0)), a_reading(bags()))

    assert (plan.verdict, plan.notes[-1].text) == (Verdict.NOTHING, "nothing is approved")


def test_a_return_of_which_one_line_came_back_is_not_empty():
    order = an_order(line(BAG, "BAG", "34"), line(TEE, "TEE", "22"))
    approved = a_return(came_back("BAG", 1), came_back("TEE", 0))
    reading = a_reading(order)

    again = plan_for(approved, made(reading, *plan_for(approved, reading).refunds))

    assert again.notes[-1].text.startswith("everything that was approved has been given back")


# --- facts that no plan gets past -----------------------------------------------------------------------------------


def test_what_the_service_does_not_do_is_a_question():
    plan = plan_for(a_return(came_back("BAG"), unsupported=("line 1: resolution 'exchange'",)), a_reading(bags()))

    assert codes(plan) == [("unsupported", "RMA-1001")]


def test_a_call_that_magento_would_refuse_is_a_question_and_not_an_error():
    taxed_and_free = ShippingAmounts(tax=Decimal(1), including_tax=Decimal(1))

    plan = plan_for(a_return(came_back("BAG")), a_reading(replace(bags(), base_shipping=taxed_and_free)))

    assert (plan.verdict, codes(plan)) == (Verdict.PERSON, [("would-be-refused", "000000264")])


# --- fees -----------------------------------------------------------------------------------------------------------


def after_a_fee(fee, *, rate="1"):
    currency = "USD" if rate == "1" else "EUR"
    reading = a_reading(bags(rate=rate, currency=currency))
    first = plan_for(a_return(came_back("BAG", 1), fees=Decimal(fee)), reading)
    return made(reading, *first.refunds)


@pytest.mark.parametrize(
    ("rate", "now", "asked"),
    [
        ("1", "4", []),
        ("1", "3.99", [("fee-lowered", "fees")]),
        ("1", "4.01", [("fee-too-late", "fees")]),
        # Converted and rounded, a cent is no news.
        ("0.7", "3.99", []),
        ("0.7", "4.01", []),
        ("0.7", "3.98", [("fee-lowered", "fees")]),
        ("0.7", "4.02", [("fee-too-late", "fees")]),
    ],
)
def test_a_fee_that_changes_after_everything_went_back_is_a_question(rate, now, asked):
    reading = after_a_fee("4", rate=rate)

    assert codes(plan_for(a_return(came_back("BAG", 1), fees=Decimal(now)), reading)) == asked


def test_a_fee_that_rises_while_something_is_outstanding_is_deducted_from_that():
    plan = plan_for(a_return(came_back("BAG", 2), fees=Decimal("4.50")), after_a_fee("4"))

    assert (codes(plan), fees_of(plan)) == ([], [Decimal("0.50")])
    assert [note.subject for note in plan.notes if note.rule == "fee.deducted"] == ["fees"]


def test_a_fee_that_rises_while_something_is_waited_for_is_not_late():
    reading = after_a_fee("4")
    order = replace(reading.order, lines=(replace(reading.order.lines[0], qty_invoiced=Decimal(1)),))

    plan = plan_for(a_return(came_back("BAG", 2), fees=Decimal(5)), replace(reading, order=order))

    assert (plan.verdict, codes(plan)) == (Verdict.WAIT, [])


def test_a_fee_that_rises_while_a_line_is_in_question_is_not_called_late_as_well():
    plan = plan_for(a_return(came_back("BAG", 1), came_back("UNKNOWN"), fees=Decimal(5)), after_a_fee("4"))

    assert codes(plan) == [("sku-not-on-order", "UNKNOWN")]


def test_a_fee_that_no_call_can_bear_is_a_question_about_the_fee():
    plan = plan_for(a_return(came_back("BAG", 1), fees=Decimal(34)), a_reading(bags()))

    assert codes(plan) == [("fee-does-not-fit", "fees")]


# --- invoices -------------------------------------------------------------------------------------------------------


def test_good_and_damaged_units_share_an_invoice_without_exceeding_it():
    order = bags(payment=ONLINE)
    reading = a_reading(order, an_invoice(315, {BAG: 2}, order), an_invoice(316, {BAG: 1}, order))
    approved = a_return(came_back("BAG", parts=[a_part(1), a_part(2, "damaged")]))

    plan = plan_for(approved, reading)

    assert [(each.request.invoice_id, each.request.items[0].qty) for each in plan.refunds] == [
        (315, 1),
        (315, 1),
        (316, 1),
    ]


def test_units_of_an_invoice_that_no_gateway_can_refund_are_a_question():
    order = bags(payment=ONLINE)
    by_cheque = an_invoice(316, {BAG: 1}, order, transaction=None)

    plan = plan_for(a_return(came_back("BAG", 3)), a_reading(order, an_invoice(315, {BAG: 2}, order), by_cheque))

    assert codes(plan) == [("no-invoice-holds-it", "BAG")]


def test_an_invoice_may_give_back_its_last_cent():
    order = bags(2, payment=ONLINE)
    reading = a_reading(order, an_invoice(315, {BAG: 2}, order))

    plan = plan_for(a_return(came_back("BAG", 2)), reading)

    assert (plan.verdict, plan.base_total) == (Verdict.REFUND, 68)


@pytest.mark.parametrize("shown_total", ["1", "500"])
def test_what_was_given_is_counted_as_the_books_do(shown_total):
    goodwill = a_memo(77, {}, total="35", at=LAST_WEEK)
    goodwill = replace(goodwill, shown=replace(goodwill.shown, grand_total=Decimal(shown_total)))
    reading = a_reading(bags(2, rate="0.5", currency="EUR"), memos=[goodwill])

    assert codes(plan_for(a_return(came_back("BAG", 2)), reading)) == [("more-than-paid", "000000264")]
    assert plan_for(a_return(came_back("BAG", 1)), replace(reading, memos=())).verdict is Verdict.REFUND


def test_the_counter_of_what_was_given_counts_where_the_memos_say_less():
    order = bags(2, rate="0.5", currency="EUR")
    order = replace(order, base=replace(order.base, refunded=Decimal(35)))

    assert codes(plan_for(a_return(came_back("BAG", 2)), a_reading(order))) == [("more-than-paid", "000000264")]


def test_magento_rounds_what_it_has_given_between_two_calls():
    half_a_metre = {"qty": "0.5", "is_qty_decimal": True}
    order = an_order(line(TEE, "TEE", "0.67", **half_a_metre), line(BAG, "BAG", "1.33", **half_a_metre))
    approved = a_return(came_back("TEE", "0.5"), came_back("BAG", "0.5", "damaged"))

    plan = plan_for(approved, a_reading(order))

    assert [refund.predicted.base_grand_total for refund in plan.refunds] == [Decimal("0.335"), Decimal("0.665")]
    assert codes(plan) == [("more-than-paid", "000000264")]


def test_a_memo_that_would_be_nothing_in_one_of_the_currencies_is_never_sent():
    order = an_order(line(BAG, "BAG", "0.01", 1), rate="0.1", currency="EUR")
    nothing = replace(order.lines[0].shown, row_invoiced=Decimal(0), price=Decimal(0))
    order = replace(order, lines=(replace(order.lines[0], shown=nothing),))

    assert "nothing-to-pay" in [code for code, _ in codes(plan_for(a_return(came_back("BAG")), a_reading(order)))]


def test_half_a_dollar_is_worth_sending():
    reading = a_reading(an_order(line(BAG, "BAG", "0.50")))

    assert plan_for(a_return(came_back("BAG")), reading).verdict is Verdict.REFUND


# --- shipping over several calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("good", "damaged"), [(1, 3), (3, 1)])
def test_offline_each_call_takes_shipping_by_its_units(good, damaged):
    approved = a_return(came_back("BAG", parts=[a_part(good), a_part(damaged, "damaged")]))

    plan = plan_for(approved, a_reading(bags(4, shipping="15")), a_policy(shipping="per_unit:1.00"))

    assert shipping_of(plan) == [(None, good), (None, damaged)]


def test_online_the_invoice_that_charged_the_shipping_gives_it_back():
    order = bags(payment=ONLINE, shipping="15")
    reading = a_reading(order, an_invoice(315, {BAG: 1}, order, shipping="15"), an_invoice(316, {BAG: 2}, order))

    plan = plan_for(a_return(came_back("BAG", 3)), reading, a_policy(shipping="remaining_on_full_return"))

    assert (codes(plan), shipping_of(plan)) == ([], [(315, 15), (316, 0)])


def test_two_calls_on_one_invoice_share_its_shipping():
    order = bags(payment=ONLINE, shipping="30")
    first, second = (an_invoice(315, {BAG: 2}, order, shipping="15"), an_invoice(316, {BAG: 1}, order, shipping="15"))
    approved = a_return(came_back("BAG", parts=[a_part(1), a_part(2, "damaged")]))

    plan = plan_for(approved, a_reading(order, first, second), a_policy(shipping="remaining_on_full_return"))

    assert shipping_of(plan) == [(315, 15), (315, 0), (316, 15)]


@pytest.mark.parametrize(("held", "asked"), [("15", []), ("14.50", [("shipping-does-not-fit", "flatrate_flatrate")])])
def test_shipping_that_the_invoices_do_not_hold_is_a_question(held, asked):
    order = bags(payment=ONLINE, shipping="15")
    reading = a_reading(order, an_invoice(315, {BAG: 3}, order, shipping=held))

    plan = plan_for(a_return(came_back("BAG", 3)), reading, a_policy(shipping="remaining_on_full_return"))

    assert codes(plan) == asked


def test_per_unit_shipping_of_a_kit_counts_kits_and_not_parts():
    kit = dynamic_bundle(KIT, "KIT", [("CUP", "4", 3), ("BOX", "6", 2)], 2)
    approved = a_return(came_back("CUP", 6), came_back("BOX", 4))

    plan = plan_for(approved, a_reading(an_order(*kit, shipping="15")), a_policy(shipping="per_unit:1.00"))

    assert shipping_of(plan) == [(None, 2)]


@pytest.mark.parametrize(
    ("tees", "shipping"),
    [
        ({}, 0),
        ({"qty_invoiced": Decimal(0), "qty_canceled": Decimal(2)}, 15),
        ({"qty_invoiced": Decimal(0), "qty_canceled": Decimal(1)}, 0),
    ],
    ids=["not returned", "cancelled", "still to be delivered"],
)
def test_all_shipping_goes_back_only_when_nothing_is_left_to_return_or_deliver(tees, shipping):
    order = an_order(line(BAG, "BAG", "34", 2), replace(line(TEE, "TEE", "22", 2), **tees), shipping="15")

    plan = plan_for(a_return(came_back("BAG", 2)), a_reading(order), a_policy(shipping="remaining_on_full_return"))

    assert shipping_of(plan) == [(None, shipping)]


# --- the merchant's limit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "verdict"), [("34", Verdict.REFUND), ("33.99", Verdict.APPROVAL)])
def test_exactly_the_limit_needs_no_approval(limit, verdict):
    assert plan_for(a_return(came_back("BAG")), a_reading(bags()), a_policy(review_over=limit)).verdict is verdict
