"""The plan is the difference between what was approved and what was given back, with a reason for each decision."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.amounts import predict
from service.core.counters import after_memo
from service.core.orders import OrderTotals, ShippingAmounts
from service.core.plan import Route, Verdict
from service.core.planning import plan_refunds
from tests.core.builders import (
    BAG,
    HOODIE,
    KIT,
    LAST_WEEK,
    TEE,
    TODAY,
    a_memo,
    a_part,
    a_policy,
    a_reading,
    a_return,
    an_invoice,
    an_order,
    came_back,
    configurable,
    dynamic_bundle,
    fixed_bundle,
    line,
    made,
)

ONLINE = "sandboxpay"


def requests_of(plan):
    return [refund.request for refund in plan.refunds]


def items_of(request):
    return {item.order_item_id: item.qty for item in request.items}


def codes_of(plan):
    return [question.code for question in plan.questions]


def plan_for(approved, reading, policy=None, **more):
    return plan_refunds(approved, reading, policy or a_policy(), **more)


# --- one line, one call -----------------------------------------------------------------------------------------------


def test_a_returned_simple_item_is_refunded_and_restocked_with_explicit_amounts():
    order = an_order(line(TEE, "WS12-M-Orange", "22"), line(BAG, "24-MB01", "34"), shipping="5")

    plan = plan_for(a_return(came_back("WS12-M-Orange")), a_reading(order))

    (request,) = requests_of(plan)
    assert plan.verdict is Verdict.REFUND
    assert (request.route, items_of(request), request.return_to_stock) == (Route.ORDER, {TEE: 1}, (TEE,))
    assert (request.shipping_amount, request.adjustment_positive, request.adjustment_negative) == (0, 0, 0)
    assert request.notify is True
    assert plan.refunds[0].predicted.base_grand_total == Decimal(22)


def test_two_units_of_different_condition_become_two_credit_memos():
    order = an_order(line(BAG, "24-MB01", "34", 2))

    plan = plan_for(a_return(came_back("24-MB01", parts=[a_part(1), a_part(1, "damaged")])), a_reading(order))

    assert [(request.return_to_stock, request.marker[-3:]) for request in requests_of(plan)] == [
        ((BAG,), "01R"),
        ((), "02N"),
    ]


def test_a_disposition_nobody_configured_never_goes_back_to_stock():
    order = an_order(line(BAG, "24-MB01", "34"))

    plan = plan_for(a_return(came_back("24-MB01", disposition="like new")), a_reading(order))

    assert requests_of(plan)[0].return_to_stock == ()
    assert "not restocked: 'like new' is not one of sellable" in [note.text for note in plan.notes]


def test_what_nobody_spoke_of_does_not_go_back_to_stock_and_the_note_says_so():
    order = an_order(line(BAG, "24-MB01", "34"))

    plan = plan_for(a_return(came_back("24-MB01", disposition="")), a_reading(order))

    assert requests_of(plan)[0].return_to_stock == ()
    assert "not restocked: nothing was said of its condition" in [note.text for note in plan.notes]


# --- the difference ---------------------------------------------------------------------------------------------------


def test_the_second_time_the_difference_is_empty():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3)))
    approved = a_return(came_back("24-MB01", 2))
    first = plan_for(approved, reading)

    second = plan_for(approved, made(reading, *first.refunds))

    assert second.verdict is Verdict.NOTHING
    assert second.refunds == ()


def test_a_unit_approved_later_is_all_that_the_next_refund_gives():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3)))
    after_one = made(reading, *plan_for(a_return(came_back("24-MB01", 1)), reading).refunds)

    plan = plan_for(a_return(came_back("24-MB01", 3)), after_one)

    (request,) = requests_of(plan)
    assert items_of(request) == {BAG: 2}
    assert request.marker.endswith("-02R")


def test_a_quantity_lowered_after_its_refund_is_a_question():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3)))
    after = made(reading, *plan_for(a_return(came_back("24-MB01", 2)), reading).refunds)

    plan = plan_for(a_return(came_back("24-MB01", 1)), after)

    assert [question.code for question in plan.questions] == ["over-refunded"]
    assert "1 of '24-MB01' more than is approved now were given back" in plan.questions[0].text


def test_an_unsettled_refund_counts_as_given_back():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3)))
    approved = a_return(came_back("24-MB01", 1))
    lost = requests_of(plan_for(approved, reading))

    plan = plan_for(approved, reading, unsettled=lost)

    assert plan.verdict is Verdict.NOTHING


def test_another_returns_refund_leaves_fewer_units():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 2)))
    other = plan_for(a_return(came_back("24-MB01", 2), return_id="RMA-7"), reading)

    plan = plan_for(a_return(came_back("24-MB01", 1)), made(reading, *other.refunds))

    assert codes_of(plan) == ["more-than-left"]


def test_a_refund_by_hand_since_the_return_began_is_asked_about_once():
    order = an_order(line(BAG, "24-MB01", "34", 3))
    reading = a_reading(order, memos=[a_memo(77, {BAG: 1})])

    asked = plan_for(a_return(came_back("24-MB01", 1)), reading)
    this_return = plan_for(a_return(came_back("24-MB01", 1), answers={77: True}), reading)
    something_else = plan_for(a_return(came_back("24-MB01", 1), answers={77: False}), reading)

    assert codes_of(asked) == ["foreign-memo"]
    assert asked.questions[0].candidates == ("this return", "something else")
    assert this_return.verdict is Verdict.NOTHING
    assert something_else.verdict is Verdict.REFUND


def test_a_refund_by_hand_older_than_the_return_raises_no_question():
    order = an_order(line(BAG, "24-MB01", "34", 3))

    plan = plan_for(a_return(came_back("24-MB01", 1)), a_reading(order, memos=[a_memo(77, {BAG: 1}, at=LAST_WEEK)]))

    assert plan.verdict is Verdict.REFUND


# --- kinds of lines ---------------------------------------------------------------------------------------------------


def test_a_configurable_is_refunded_by_its_parent_and_restocked_by_its_child():
    order = an_order(*configurable(HOODIE, "MH01-S-Gray", "52"))

    plan = plan_for(a_return(came_back("MH01-S-Gray")), a_reading(order))

    (request,) = requests_of(plan)
    assert (items_of(request), request.return_to_stock) == ({HOODIE: 1}, (HOODIE + 1,))


def test_a_configurable_named_by_its_hidden_child_is_the_same_refund():
    order = an_order(*configurable(HOODIE, "MH01-S-Gray", "52"))

    plan = plan_for(a_return(came_back(item=HOODIE + 1)), a_reading(order))

    assert items_of(requests_of(plan)[0]) == {HOODIE: 1}


def test_a_dynamic_bundle_is_refunded_and_restocked_by_its_parts():
    order = an_order(*dynamic_bundle(KIT, "24-WG080", [("24-WG082", "23", 1), ("24-WG084", "5", 2)], qty=2))

    plan = plan_for(a_return(came_back("24-WG080")), a_reading(order))

    (request,) = requests_of(plan)
    assert (items_of(request), request.return_to_stock) == ({KIT + 1: 1, KIT + 2: 2}, (KIT + 1, KIT + 2))


def test_one_part_of_a_dynamic_bundle_can_come_back_alone():
    order = an_order(*dynamic_bundle(KIT, "24-WG080", [("24-WG082", "23", 1), ("24-WG084", "5", 2)]))

    plan = plan_for(a_return(came_back("24-WG084", 1)), a_reading(order))

    assert items_of(requests_of(plan)[0]) == {KIT + 2: 1}


def test_a_fixed_bundle_is_refunded_by_its_parent_and_restocked_by_its_parts():
    order = an_order(*fixed_bundle(KIT, "FIXB-1", "63", [("24-WG081", 1), ("24-WG085", 2)]))

    plan = plan_for(a_return(came_back("FIXB-1")), a_reading(order))

    (request,) = requests_of(plan)
    assert (items_of(request), request.return_to_stock) == ({KIT: 1}, (KIT + 1, KIT + 2))


def test_all_parts_of_a_fixed_bundle_are_the_bundle_and_only_the_good_ones_go_back_to_stock():
    order = an_order(*fixed_bundle(KIT, "FIXB-1", "63", [("24-WG081", 1), ("24-WG085", 2)]))

    plan = plan_for(a_return(came_back("24-WG081"), came_back("24-WG085", 2, "damaged")), a_reading(order))

    (request,) = requests_of(plan)
    assert (items_of(request), request.return_to_stock) == ({KIT: 1}, (KIT + 1,))


def test_some_parts_of_a_fixed_bundle_are_a_question():
    order = an_order(*fixed_bundle(KIT, "FIXB-1", "63", [("24-WG081", 1), ("24-WG085", 2)]))

    plan = plan_for(a_return(came_back("24-WG081")), a_reading(order))

    assert codes_of(plan) == ["part-of-a-fixed-kit"]


@pytest.mark.parametrize("kind", ["virtual", "downloadable", "grouped"])
def test_other_kinds_are_refunded_by_their_own_id(kind):
    order = an_order(line(TEE, "240-LV08", "15", kind=kind, is_virtual=kind != "grouped"))

    plan = plan_for(a_return(came_back("240-LV08")), a_reading(order))

    assert items_of(requests_of(plan)[0]) == {TEE: 1}


def test_a_sku_whose_options_extend_it_is_found_by_the_products_sku():
    order = an_order(line(TEE, "24-MB01-engraved", "40", has_custom_options=True))

    plan = plan_for(a_return(came_back("24-MB01")), a_reading(order))

    assert items_of(requests_of(plan)[0]) == {TEE: 1}


def test_decimal_quantities_are_given_back_where_they_are_sold():
    order = an_order(line(TEE, "CLOTH", "9.99", "2.5", is_qty_decimal=True))

    plan = plan_for(a_return(came_back("CLOTH", "0.75")), a_reading(order))

    assert items_of(requests_of(plan)[0]) == {TEE: Decimal("0.75")}


# --- one SKU on several lines -----------------------------------------------------------------------------------------


def test_equal_lines_of_one_sku_are_filled_in_order():
    order = an_order(line(BAG, "24-MB01", "34", 1), line(BAG + 1, "24-MB01", "34", 2))

    plan = plan_for(a_return(came_back("24-MB01", 2)), a_reading(order))

    assert items_of(requests_of(plan)[0]) == {BAG: 1, BAG + 1: 1}


def test_lines_of_one_sku_at_different_prices_are_a_question_that_names_them():
    order = an_order(line(BAG, "OPT-2", "30"), line(BAG + 1, "OPT-2", "34"))

    plan = plan_for(a_return(came_back("OPT-2")), a_reading(order))

    assert codes_of(plan) == ["same-sku-different-price"]
    assert plan.questions[0].candidates == (
        "item 511: 1 × OPT-2 at 30.00 (simple)",
        "item 512: 1 × OPT-2 at 34.00 (simple)",
    )


def test_no_question_where_all_lines_of_the_sku_came_back_or_the_id_is_named():
    order = an_order(line(BAG, "OPT-2", "30"), line(BAG + 1, "OPT-2", "34"))

    everything = plan_for(a_return(came_back("OPT-2", 2)), a_reading(order))
    named = plan_for(a_return(came_back("OPT-2", item=BAG + 1)), a_reading(order))

    assert items_of(requests_of(everything)[0]) == {BAG: 1, BAG + 1: 1}
    assert items_of(requests_of(named)[0]) == {BAG + 1: 1}


def test_a_second_planning_is_not_confused_by_two_prices():
    order = an_order(line(BAG, "OPT-2", "30"), line(BAG + 1, "OPT-2", "34"))
    by_id = plan_for(a_return(came_back("OPT-2", item=BAG)), a_reading(order))
    after = made(a_reading(order), *by_id.refunds)

    assert plan_for(a_return(came_back("OPT-2")), after).verdict is Verdict.NOTHING


def test_a_simple_line_a_configurable_and_a_kit_part_of_one_sku_are_told_apart():
    order = an_order(
        line(TEE, "WS12-M-Orange", "22"),
        *configurable(HOODIE, "WS12-M-Orange", "22"),
        *dynamic_bundle(KIT, "24-WG080", [("WS12-M-Orange", "20", 1)]),
    )

    plan = plan_for(a_return(came_back("WS12-M-Orange", 1)), a_reading(order))

    assert codes_of(plan) == ["same-sku-different-price"]
    assert [candidate.split(":")[0] for candidate in plan.questions[0].candidates] == [
        f"item {TEE}",
        f"item {HOODIE}",
        f"item {KIT + 1}",
    ]


# --- questions, each with its remedy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "code"),
    [
        (came_back("NO-SUCH"), "sku-not-on-order"),
        (came_back(item=999), "item-not-on-order"),
        (came_back("24-MB01", item=TEE), "item-and-sku-disagree"),
        (came_back("24-MB01", "0.5"), "fraction-of-a-unit"),
        (came_back("24-MB01", 4), "more-than-left"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_decided_goes_to_a_person(returned, code):
    order = an_order(line(TEE, "WS12-M-Orange", "22"), line(BAG, "24-MB01", "34", 3))

    plan = plan_for(a_return(returned), a_reading(order))

    assert plan.verdict is Verdict.PERSON
    assert codes_of(plan) == [code]
    assert plan.refunds == ()


def test_one_questionable_line_holds_back_the_good_one():
    order = an_order(line(TEE, "WS12-M-Orange", "22"))

    plan = plan_for(a_return(came_back("WS12-M-Orange"), came_back("NO-SUCH")), a_reading(order))

    assert (plan.verdict, plan.refunds) == (Verdict.PERSON, ())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"other_tenders": ("store credit",)}, "paid-partly-otherwise"),
        ({"currency": "EUR"}, "currency-mismatch"),
        ({"state": "canceled"}, "order-canceled"),
        ({"state": "closed"}, "order-closed"),
        ({"payment_method": "brand_new"}, "method-unknown"),
        ({"base_paid_online": Decimal(34)}, "offline-but-captured"),
        ({"lines": (line(BAG, "24-MB01", "34", has_fixed_product_tax=True),)}, "fixed-product-tax"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_facts_of_the_order_that_need_a_person(changes, code):
    order = replace(an_order(line(BAG, "24-MB01", "34")), **changes)

    plan = plan_for(a_return(came_back("24-MB01"), currency="USD"), a_reading(order))

    assert (plan.verdict, codes_of(plan)) == (Verdict.PERSON, [code])


def test_a_cancelled_order_is_shown_with_what_can_be_done():
    order = replace(an_order(line(BAG, "24-MB01", "34")), state="canceled")

    (question,) = plan_for(a_return(came_back("24-MB01")), a_reading(order)).questions

    assert question.text == (
        "the order was cancelled in Magento, which then refuses refunds: have the sender correct the order, or, if "
        "this one was paid, refund by hand at the gateway"
    )


@pytest.mark.parametrize("state", ["holded", "payment_review"])
def test_an_order_on_hold_is_waited_for(state):
    plan = plan_for(a_return(came_back("24-MB01")), a_reading(an_order(line(BAG, "24-MB01", "34"), state=state)))

    assert plan.verdict is Verdict.WAIT


def test_units_not_invoiced_yet_are_waited_for():
    order = an_order(line(BAG, "24-MB01", "34", 3, invoiced=1))

    assert plan_for(a_return(came_back("24-MB01", 1)), a_reading(order)).verdict is Verdict.REFUND
    assert plan_for(a_return(came_back("24-MB01", 2)), a_reading(order)).verdict is Verdict.WAIT


def test_why_an_order_waits_is_said_once():
    order = an_order(line(BAG, "24-MB01", "34", 2, invoiced=0), base=OrderTotals(grand_total=Decimal(68)))

    plan = plan_for(a_return(came_back("24-MB01")), a_reading(order))

    assert plan.verdict is Verdict.WAIT
    assert len(plan.notes) == len(set(plan.notes))


def test_a_sellable_unit_that_never_left_is_named_for_stock():
    order = an_order(line(BAG, "24-MB01", "34", shipped=0))

    assert requests_of(plan_for(a_return(came_back("24-MB01")), a_reading(order)))[0].return_to_stock == (BAG,)


def test_a_damaged_unit_that_never_left_is_a_question():
    order = an_order(line(BAG, "24-MB01", "34", shipped=0))

    plan = plan_for(a_return(came_back("24-MB01", disposition="damaged")), a_reading(order))

    assert codes_of(plan) == ["unsellable-but-unshipped"]


def test_the_second_of_two_calls_is_predicted_as_if_the_first_had_been_made():
    reading = a_reading(an_order(line(TEE, "WS12-M-Orange", "22", 3, tax="5.45")))
    approved = a_return(came_back("WS12-M-Orange", parts=[a_part(2), a_part(1, "damaged")]))

    plan = plan_for(approved, reading)

    assert [refund.predicted.base_grand_total for refund in plan.refunds] == [Decimal("47.63"), Decimal("23.82")]
    assert plan.base_total == reading.order.base.paid


# --- online -----------------------------------------------------------------------------------------------------------


def test_an_online_order_is_refunded_on_the_invoice_route_without_mail():
    order = an_order(line(BAG, "24-MB01", "34", 3), payment=ONLINE)

    plan = plan_for(a_return(came_back("24-MB01", 2)), a_reading(order, an_invoice(315, {BAG: 3}, order)))

    (request,) = requests_of(plan)
    assert (request.route, request.invoice_id, request.notify) == (Route.INVOICE, 315, False)


def test_units_on_two_invoices_become_a_call_each_oldest_first():
    order = an_order(line(BAG, "24-MB01", "14", 3), payment=ONLINE)
    invoices = (an_invoice(316, {BAG: 2}, order, transaction="b"), an_invoice(315, {BAG: 1}, order))

    plan = plan_for(a_return(came_back("24-MB01", 2)), a_reading(order, *invoices))

    assert [(request.invoice_id, items_of(request)) for request in requests_of(plan)] == [
        (315, {BAG: 1}),
        (316, {BAG: 1}),
    ]


def test_an_online_order_never_goes_through_the_order_route():
    order = an_order(line(BAG, "24-MB01", "34"), payment=ONLINE)
    captured_offline = an_invoice(315, {BAG: 1}, order, transaction=None)

    plan = plan_for(a_return(came_back("24-MB01")), a_reading(order, captured_offline))

    assert (plan.verdict, codes_of(plan)) == (Verdict.PERSON, ["no-transaction"])


def test_an_invoice_is_never_asked_for_more_money_than_it_holds():
    order = an_order(line(BAG, "24-MB01", "34", 2), payment=ONLINE)
    invoice = an_invoice(315, {BAG: 2}, order)
    goodwill = a_memo(77, {}, total="50", invoice_id=315, at=LAST_WEEK)

    plan = plan_for(a_return(came_back("24-MB01", 1)), a_reading(order, invoice, memos=[goodwill]))

    assert codes_of(plan) == ["more-than-paid", "invoice-holds-less"]


def test_an_unpaid_online_order_is_waited_for():
    order = an_order(line(BAG, "24-MB01", "34"), payment=ONLINE)

    plan = plan_for(a_return(came_back("24-MB01")), a_reading(order, an_invoice(315, {BAG: 1}, order, state=1)))

    assert plan.verdict is Verdict.WAIT


# --- shipping, fees, limits -------------------------------------------------------------------------------------------


def test_per_unit_shipping_is_given_back_and_limited_to_what_is_left():
    reading = a_reading(an_order(line(BAG, "24-MB01", "22", 3), shipping="10"))
    policy = a_policy(shipping="per_unit:5.00")

    one = plan_for(a_return(came_back("24-MB01", 1)), reading, policy)
    three = plan_for(a_return(came_back("24-MB01", 3)), reading, policy)

    assert requests_of(one)[0].shipping_amount == Decimal(5)
    assert one.refunds[0].predicted.base_grand_total == Decimal(27)
    assert requests_of(three)[0].shipping_amount == Decimal(10)


def test_a_kit_is_one_unit_of_shipping_however_its_parts_come_back():
    kit = dynamic_bundle(KIT, "24-WG080", [("24-WG082", "23", 1), ("24-WG084", "5", 2)], qty=2)
    reading, policy = a_reading(an_order(*kit, shipping="10")), a_policy(shipping="per_unit:5.00")
    one_part = a_return(came_back("24-WG082"))
    whole = a_return(came_back("24-WG082"), came_back("24-WG084", 2))

    part = plan_for(one_part, reading, policy)
    rest = plan_for(whole, made(reading, *part.refunds), policy)

    assert requests_of(plan_for(whole, reading, policy))[0].shipping_amount == Decimal(5)
    assert [request.shipping_amount for request in (*requests_of(part), *requests_of(rest))] == [0, 5]


def test_shipping_comes_to_the_same_however_many_calls_it_takes():
    reading = a_reading(an_order(line(BAG, "24-MB01", "22", 3), shipping="15"))
    approved = a_return(came_back("24-MB01", parts=[a_part(1), a_part(1, "damaged")]))
    policy = a_policy(shipping="per_unit:5.00")
    first = plan_for(approved, reading, policy)

    second = plan_for(approved, made(reading, first.refunds[0]), policy)

    assert [request.shipping_amount for request in requests_of(first)] == [5, 5]
    assert requests_of(second) == requests_of(first)[1:]


def test_shipping_that_includes_its_tax_is_not_given_its_tax_twice():
    shipping = ShippingAmounts(amount=Decimal(15), including_tax=Decimal(18), tax=Decimal(3))
    order = an_order(line(BAG, "24-MB01", "22", 3), shipping="18", base_shipping=shipping, shown_shipping=shipping)
    policy = a_policy(shipping="per_unit:6.00", includes_tax=True)
    reading = a_reading(order)
    (first,) = requests_of(plan_for(a_return(came_back("24-MB01", 1)), reading, policy))
    memo = replace(
        predict(order, (), (), first, shipping_includes_tax=True).as_memo(
            entity_id=900, order_id=order.entity_id, invoice_id=None, created_at=TODAY
        ),
        comments=(first.comment,),
    )

    (second,) = requests_of(plan_for(a_return(came_back("24-MB01", 2)), after_memo(reading, memo), policy))

    assert (first.shipping_amount, second.shipping_amount) == (Decimal(6), Decimal(6))


def test_all_shipping_is_given_back_once_everything_has_come_back():
    reading = a_reading(an_order(line(BAG, "24-MB01", "22", 2), shipping="10"))
    policy = a_policy(shipping="remaining_on_full_return")

    part = plan_for(a_return(came_back("24-MB01", 1)), reading, policy)
    rest = plan_for(a_return(came_back("24-MB01", 2)), made(reading, *part.refunds), policy)

    assert requests_of(part)[0].shipping_amount == 0
    assert requests_of(rest)[0].shipping_amount == 10


def test_fees_are_deducted_once_from_the_largest_call():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3)))
    approved = a_return(came_back("24-MB01", parts=[a_part(2), a_part(1, "damaged")]), fees=Decimal("3.40"))
    first = plan_for(approved, reading)

    second = plan_for(approved, made(reading, first.refunds[0]))

    assert [request.adjustment_negative for request in requests_of(first)] == [Decimal("3.40"), 0]
    assert [request.adjustment_negative for request in requests_of(second)] == [0]


@pytest.mark.parametrize(
    ("order", "before", "said"),
    [
        ({}, [], "fees of 2.00 USD are deducted"),
        ({}, ["0.50"], "fees of 1.50 USD are deducted; 0.50 USD were deducted before"),
        ({"currency": "EUR", "rate": "0.5"}, [], "fees of 2.00 EUR are deducted, in the books 4.00 USD"),
    ],
)
def test_a_plan_says_which_fees_it_deducts(order, before, said):
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3), **order))
    for fee in before:
        reading = made(reading, *plan_for(a_return(came_back("24-MB01"), fees=Decimal(fee)), reading).refunds)

    plan = plan_for(a_return(came_back("24-MB01", 2), fees=Decimal(2)), reading)

    assert [note.text for note in plan.notes if note.rule == "fee.deducted"] == [said]


def test_a_fee_that_leaves_nothing_to_pay_is_a_question():
    plan = plan_for(a_return(came_back("24-MB01"), fees=Decimal(34)), a_reading(an_order(line(BAG, "24-MB01", "34"))))

    assert codes_of(plan) == ["fee-does-not-fit"]


def test_a_fee_is_converted_to_the_base_currency():
    order = an_order(line(BAG, "24-MB01", "34"), currency="EUR", rate="0.5")

    plan = plan_for(a_return(came_back("24-MB01"), fees=Decimal(2)), a_reading(order))

    assert requests_of(plan)[0].adjustment_negative == Decimal(4)


def test_an_item_that_cost_nothing_is_never_sent():
    order = an_order(line(TEE, "GIFT", "0"), line(BAG, "24-MB01", "34"))

    plan = plan_for(a_return(came_back("GIFT")), a_reading(order))

    assert codes_of(plan) == ["nothing-to-pay"]


def test_above_the_limit_a_person_says_yes_to_a_fingerprint():
    reading = a_reading(an_order(line(BAG, "24-MB01", "34", 3)))
    policy = a_policy(review_over="50")
    approved = a_return(came_back("24-MB01", parts=[a_part(2), a_part(1, "damaged")]))
    asked = plan_for(approved, reading, policy)
    said_yes = replace(approved, approved_fingerprint=asked.fingerprint())

    granted = plan_for(said_yes, reading, policy)
    rest = plan_for(said_yes, made(reading, granted.refunds[0]), policy)
    changed = plan_for(replace(said_yes, event=a_return(came_back("24-MB01", 3)).event), reading, policy)

    assert (asked.verdict, codes_of(asked)) == (Verdict.APPROVAL, ["amount-over-limit"])
    assert granted.verdict is Verdict.REFUND
    assert rest.verdict is Verdict.REFUND
    assert changed.verdict is Verdict.APPROVAL


# --- what holds for every return --------------------------------------------------------------------------------------

quantities = st.integers(min_value=1, max_value=3)
dispositions = st.sampled_from(["sellable", "damaged", "unknown"])
returned_parts = st.lists(st.tuples(quantities, dispositions), min_size=1, max_size=3)


@st.composite
def worlds(draw):
    """An order of three plain lines, offline or online on one to three invoices, and a return of some of it."""
    ordered = draw(st.lists(quantities, min_size=3, max_size=3))
    lines = [line(TEE + n, f"SKU-{n}", Decimal(7 + n * 5), qty) for n, qty in enumerate(ordered)]
    online = draw(st.booleans())
    order = an_order(*lines, payment=ONLINE if online else "checkmo", shipping="9")
    invoices = []
    left = {each.item_id: int(each.qty_ordered) for each in lines}
    for number in range(3 if online else 0):
        share = {key: (units if number == 2 else draw(st.integers(0, units))) for key, units in left.items()}
        left = {key: left[key] - share[key] for key in left}
        if any(share.values()):
            shipping = "9" if not invoices else "0"
            invoices.append(an_invoice(315 + number, share, order, shipping=shipping))
    returned = [
        came_back(f"SKU-{n}", parts=[a_part(quantity, word) for quantity, word in draw(returned_parts)])
        for n in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    ]
    rule = draw(st.sampled_from(["none", "per_unit:2.50", "remaining_on_full_return"]))
    return a_reading(order, *invoices), returned, a_policy(shipping=rule)


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_planning_after_the_plan_gives_the_empty_plan_and_never_more_than_was_paid(world, random):
    reading, returned, policy = world
    approved = a_return(*returned)
    shuffled = list(returned)
    random.shuffle(shuffled)
    plan = plan_for(approved, reading, policy)

    assert requests_of(plan_for(a_return(*shuffled), reading, policy)) == requests_of(plan)

    # One call at a time with a new reading between, as the service does it.
    rounds, world_now = 0, reading
    while plan.verdict is Verdict.REFUND:
        assert rounds < 12
        world_now = made(world_now, plan.refunds[0])
        plan = plan_for(approved, world_now, policy)
        rounds += 1

    if rounds:
        assert plan.verdict is Verdict.NOTHING
    for each in reading.order.lines:
        given_units = sum((memo.qty_of(each.item_id) for memo in world_now.memos), Decimal(0))
        wanted = sum((r.quantity for r in returned if r.sku == each.sku), Decimal(0)) if rounds else 0
        assert given_units == wanted
        assert given_units <= each.qty_invoiced
    assert sum((memo.base.grand_total for memo in world_now.memos), Decimal(0)) <= reading.order.base.paid
    for invoice in reading.invoices:
        mine = [memo for memo in world_now.memos if memo.invoice_id == invoice.entity_id]
        assert sum((memo.base.grand_total for memo in mine), Decimal(0)) <= invoice.base_grand_total
