"""What a sender names → the order items that Magento takes, less what this return has had of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.given_back import GivenBack
from service.core.line_matching import match_lines
from service.core.policy import SourcePolicy, StockOwner
from tests.core.builders import (
    BAG,
    KIT,
    TEE,
    a_part,
    a_reading,
    a_return,
    an_order,
    came_back,
    dynamic_bundle,
    fixed_bundle,
    line,
)

#: Ids of two lines, in their order.
FIRST, SECOND = 510, 511


def match(order, *lines, restocked=None, not_restocked=None, named_by_person=None, policy=None):
    given = GivenBack(
        restocked={key: Decimal(units) for key, units in (restocked or {}).items()},
        not_restocked={key: Decimal(units) for key, units in (not_restocked or {}).items()},
        named_by_person={key: Decimal(units) for key, units in (named_by_person or {}).items()},
        fees=Decimal(0),
        shipping=Decimal(0),
        next_part=1,
        memos=(),
    )
    return match_lines(a_return(*lines).event, a_reading(order), given, (), policy=policy or SourcePolicy())


def outstanding(found):
    return [(item.line.item_id, item.quantity, item.restock) for item in found.outstanding]


def asked(found):
    return [(question.code, question.subject, len(question.candidates)) for question in found.questions]


def noted(found):
    return [(note.rule, note.subject) for note in found.notes]


def bags(units=5, **more):
    return an_order(line(BAG, "BAG", "34", units, **more))


# --- naming ---------------------------------------------------------------------------------------------------------


def test_the_senders_own_line_id_is_a_question_and_nothing_else():
    named = replace(came_back("BAG"), sku=None, external_line_id="L-7")

    found = match(bags(), named)

    assert (outstanding(found), asked(found)) == ([], [("line-id-unknown", "line L-7", 1)])


@pytest.mark.parametrize(
    ("named", "code"),
    [
        (came_back("BAG", item=BAG), None),
        (came_back("SACK", item=BAG), "item-and-sku-disagree"),
        (came_back("BAG-engraved", item=BAG), "item-and-sku-disagree"),
        (came_back("BA", item=BAG), "item-and-sku-disagree"),
        (came_back("BAG", item=599), "item-not-on-order"),
    ],
)
def test_an_id_wins_but_not_against_another_sku(named, code):
    found = match(bags(), named)

    assert [question.code for question in found.questions] == ([code] if code else [])


def test_a_line_whose_options_extend_its_sku_may_be_named_by_id_and_product_sku():
    engraved = an_order(line(BAG, "BAG-engraved", "34", has_custom_options=True))

    assert outstanding(match(engraved, came_back("BAG", item=BAG))) == [(BAG, 1, (BAG,))]


@pytest.mark.parametrize(("options", "matched"), [(True, True), (False, False)])
def test_a_longer_sku_is_the_products_only_where_options_were_chosen(options, matched):
    order = an_order(
        line(BAG, "BAG-engraved", "34", has_custom_options=options),
        line(TEE, "TEE", "22", has_custom_options=True),
    )

    found = match(order, came_back("BAG"))

    assert bool(found.outstanding) is matched
    assert (("line.custom_options", "BAG") in noted(found)) is matched
    assert asked(found) == ([] if matched else [("sku-not-on-order", "BAG", 2)])


def test_a_gift_card_is_never_refunded_by_a_machine():
    found = match(an_order(line(BAG, "CARD", "50", kind="giftcard")), came_back("CARD"))

    assert (outstanding(found), asked(found)) == ([], [("gift-card", "CARD", 1)])


def test_a_sku_that_may_be_a_part_of_a_kit_or_not_is_a_question():
    order = an_order(*fixed_bundle(KIT, "KIT", "20", [("CUP", 1), ("BOX", 1)]), line(BAG, "CUP", "4"))

    found = match(order, came_back("CUP"))

    assert (outstanding(found), asked(found)) == ([], [("kit-ambiguous", "CUP", 2)])


def test_a_sku_that_may_be_either_of_two_kits_is_a_question():
    one, other = (dynamic_bundle(item_id, "KIT", [("CUP", "4", 1)]) for item_id in (KIT, KIT + 5))

    assert asked(match(an_order(*one, *other), came_back("KIT"))) == [("kit-ambiguous", "KIT", 2)]


def test_a_kit_is_found_by_its_own_sku_though_its_parts_extend_it():
    order = an_order(*dynamic_bundle(KIT, "KIT", [("CUP", "4", 2), ("BOX", "6", 1)], 2), line(BAG, "KIT-X", "1"))

    found = match(order, came_back("KIT", 1))

    assert outstanding(found) == [(KIT + 1, 2, (KIT + 1,)), (KIT + 2, 1, (KIT + 2,))]


# --- quantities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "restocked", "discarded", "left"),
    [
        ([a_part(3)], 0, 0, [(3, (BAG,))]),
        ([a_part(3)], 2, 0, [(1, (BAG,))]),
        ([a_part(3)], 3, 0, []),
        ([a_part(3)], 4, 0, []),
        ([a_part(2), a_part(1, "damaged")], 0, 0, [(2, (BAG,)), (1, ())]),
        ([a_part(2), a_part(1, "damaged")], 0, 1, [(2, (BAG,))]),
        ([a_part(2), a_part(1, "damaged")], 2, 0, [(1, ())]),
        ([a_part(2), a_part(1, "damaged")], 3, 0, []),
        # Judged otherwise since: what was given back once is not given back again.
        ([a_part(1), a_part(2, "damaged")], 2, 0, [(1, ())]),
        ([a_part(2), a_part(1, "damaged")], 0, 2, [(1, (BAG,))]),
        ([a_part(1, "damaged"), a_part(1, "broken")], 0, 1, [(1, ())]),
    ],
    ids=str,
)
def test_what_was_given_back_is_subtracted_whatever_became_of_it(parts, restocked, discarded, left):
    found = match(bags(), came_back("BAG", parts=parts), restocked={BAG: restocked}, not_restocked={BAG: discarded})

    assert [(units, restock) for _, units, restock in outstanding(found)] == left
    assert (("given.before", "BAG") in noted(found)) is bool(restocked + discarded)
    assert (("line.matched", "BAG") in noted(found)) is bool(left)


def test_what_is_discarded_is_shared_out_over_alike_lines_once():
    found = match(two_lines(), came_back("BAG", 3, "damaged"))

    assert outstanding(found) == [(FIRST, 2, ()), (SECOND, 1, ())]


def test_what_two_alike_lines_have_had_is_subtracted_once():
    found = match(two_lines(), came_back("BAG", 3), restocked={FIRST: 2, SECOND: 2})

    assert outstanding(found) == []


def test_units_given_back_on_one_line_are_not_subtracted_from_two_claims():
    order = an_order(line(BAG, "BAG", "34", 2), line(TEE, "BAG", "34", 2))

    found = match(order, came_back("BAG", 2, item=BAG), came_back("BAG", 2), restocked={BAG: 2})

    assert sum(units for _, units, _ in outstanding(found)) == 2


@pytest.mark.parametrize(
    ("quantity", "decimals", "code"),
    [("0.5", False, "fraction-of-a-unit"), ("0.5", True, None), ("2", False, None), ("2.5", True, None)],
)
def test_fractions_come_back_only_of_what_is_sold_in_fractions(quantity, decimals, code):
    found = match(bags(is_qty_decimal=decimals), came_back("BAG", quantity))

    assert [question.code for question in found.questions] == ([code] if code else [])
    assert bool(found.outstanding) is not bool(code)


def test_a_fraction_of_two_lines_of_which_one_is_whole_is_a_question():
    order = an_order(line(BAG, "BAG", "34", 2, is_qty_decimal=True), line(TEE, "BAG", "34", 2))

    assert asked(match(order, came_back("BAG", "0.5"))) == [("fraction-of-a-unit", "BAG", 2)]


@pytest.mark.parametrize(
    ("ordered", "invoiced", "cancelled", "waits"),
    [(5, 2, 0, True), (5, 2, 2, True), (5, 2, 3, False), (3, 2, 0, True), (2, 2, 0, False)],
)
def test_units_that_are_not_invoiced_yet_are_waited_for_and_others_asked_about(ordered, invoiced, cancelled, waits):
    order = bags(ordered, invoiced=invoiced, qty_canceled=Decimal(cancelled))

    found = match(order, came_back("BAG", 3))

    assert outstanding(found) == []
    assert [(note.rule, note.subject) for note in found.waits] == ([("wait.not_invoiced", "BAG")] if waits else [])
    assert asked(found) == ([] if waits else [("more-than-left", "BAG", 1)])


# --- several lines of one SKU ---------------------------------------------------------------------------------------


def two_lines(**second):
    one = line(FIRST, "BAG", "10", 2, tax="2", discount="3")
    other = replace(one, item_id=SECOND)
    return an_order(one, replace(other, base=replace(other.base, **second)))


@pytest.mark.parametrize(
    ("second", "alike"),
    [
        ({}, True),
        ({"row_invoiced": Decimal("20.01")}, True),
        ({"row_invoiced": Decimal("20.02")}, False),
        ({"discount_invoiced": Decimal("3.04")}, False),
        ({"tax_invoiced": Decimal("1.98")}, False),
        ({"tax_invoiced": Decimal("1.99")}, True),
    ],
    ids=str,
)
def test_lines_are_alike_when_a_unit_costs_the_same_less_than_a_cent_apart(second, alike):
    found = match(two_lines(**second), came_back("BAG", 1))

    assert outstanding(found) == ([(FIRST, 1, (FIRST,))] if alike else [])
    assert asked(found) == ([] if alike else [("same-sku-different-price", "BAG", 2)])


def test_lines_are_compared_by_unit_and_in_the_books_currency():
    one = line(FIRST, "BAG", "10", 1, tax="1", discount="1")
    five = line(SECOND, "BAG", "10", 5, tax="5", discount="5")
    five = replace(five, shown=replace(five.shown, row_invoiced=Decimal(1), tax_invoiced=Decimal(7)))

    assert outstanding(match(an_order(one, five), came_back("BAG", 2))) == [
        (FIRST, 1, (FIRST,)),
        (SECOND, 1, (SECOND,)),
    ]


def test_a_line_that_is_used_up_is_not_compared():
    used_up = line(FIRST, "BAG", "99", 2, qty_refunded=Decimal(2))
    order = an_order(used_up, line(SECOND, "BAG", "10", 2))

    assert outstanding(match(order, came_back("BAG", 1))) == [(SECOND, 1, (SECOND,))]


def test_units_named_by_id_are_not_taken_twice_for_the_same_sku():
    found = match(two_lines(), came_back("BAG", 2, item=FIRST), came_back("BAG", 2))

    assert outstanding(found) == [(FIRST, 2, (FIRST,)), (SECOND, 2, (SECOND,))]


@pytest.mark.parametrize("given", [{"restocked": {FIRST: 2}}, {"restocked": {FIRST: 1}, "not_restocked": {FIRST: 1}}])
def test_of_lines_at_different_prices_nothing_is_asked_once_all_was_given_back(given):
    first, second = line(FIRST, "BAG", "34", 2), line(SECOND, "BAG", "35", 2)

    found = match(an_order(first, second), came_back("BAG", 2), **given)

    assert (outstanding(found), asked(found)) == ([], [])


@pytest.mark.parametrize(
    ("restocked", "not_restocked", "excess"),
    [
        ({FIRST: 1}, {FIRST: 3}, ["1 of 'BAG' more"]),
        ({FIRST: 1, SECOND: 2}, {}, []),
        ({FIRST: 2, SECOND: 4}, {}, ["3 of 'BAG' more"]),
        ({FIRST: 3, SECOND: 1}, {FIRST: 2, SECOND: 2}, ["2 of 'BAG' more", "3 of 'BAG' more"]),
    ],
)
def test_what_was_given_back_beyond_what_is_approved_is_asked_about(restocked, not_restocked, excess):
    found = match(two_lines(), came_back("BAG", 3), restocked=restocked, not_restocked=not_restocked)

    told = [question.text.partition(" than")[0] for question in found.questions if question.code == "over-refunded"]
    assert told == excess


def test_what_a_person_said_was_given_beyond_it_is_told_and_not_asked_again():
    found = match(two_lines(), came_back("BAG", 3), not_restocked={FIRST: 4}, named_by_person={FIRST: 4})

    assert (asked(found), [note.rule for note in found.notes if note.rule.startswith("given")]) == (
        [],
        ["given.before", "given.more"],
    )


@pytest.mark.parametrize(("refunded", "question"), [(0, "2 never left"), (1, "1 never left"), (2, "")])
def test_units_refunded_before_are_taken_from_the_shelf_first(refunded, question):
    bag = line(BAG, "BAG", "34", 5, shipped=3, qty_refunded=Decimal(refunded))

    found = match(an_order(bag), came_back("BAG", 1, "damaged"))

    assert [(each.code, question in each.text) for each in found.questions] == (
        [("unsellable-but-unshipped", True)] if question else []
    )


# --- kits with a fixed price ----------------------------------------------------------------------------------------


def cups_and_boxes():
    return an_order(*fixed_bundle(KIT, "KIT", "20", [("CUP", 2), ("BOX", 1)], 3))


@pytest.mark.parametrize(
    ("restocked", "not_restocked", "left"), [(0, 0, 2), (1, 0, 1), (0, 1, 1), (1, 1, 0), (2, 0, 0), (3, 0, 0)]
)
def test_kits_given_back_before_are_subtracted_from_the_parts_that_came_back(restocked, not_restocked, left):
    found = match(
        cups_and_boxes(),
        came_back("CUP", 4),
        came_back("BOX", 2, "damaged"),
        restocked={KIT: restocked},
        not_restocked={KIT: not_restocked},
    )

    assert outstanding(found) == ([(KIT, left, (KIT + 1,))] if left else [])
    assert (("line.matched", "KIT") in noted(found)) is bool(left)


def test_more_kits_than_are_left_are_a_question():
    found = match(cups_and_boxes(), came_back("CUP", 8), came_back("BOX", 4))

    assert (outstanding(found), asked(found)) == ([], [("more-than-left", "KIT", 1)])


def test_a_kits_part_of_which_some_are_good_and_some_are_not_is_a_question():
    mixed = came_back("CUP", parts=[a_part(1), a_part(1, "damaged")])

    found = match(cups_and_boxes(), mixed, came_back("BOX", 1))

    assert (outstanding(found), asked(found)) == ([], [("kit-part-mixed", "CUP", 1)])


@pytest.mark.parametrize(("refunded", "asks"), [(0, True), (1, True), (2, False)])
def test_kits_refunded_before_are_taken_from_the_shelf_first(refunded, asks):
    kit, *parts = (replace(each, qty_shipped=each.qty_ordered / 3) for each in cups_and_boxes().lines)
    order = an_order(replace(kit, qty_refunded=Decimal(refunded)), *parts)

    found = match(order, came_back("CUP", 2, "damaged"), came_back("BOX", 1, "damaged"))

    assert [question.code for question in found.questions] == (["unsellable-but-unshipped"] if asks else [])


@pytest.mark.parametrize(("cups", "boxes"), [(2, 2), (3, 1), (1, 0), (2, 0)])
def test_parts_that_make_no_whole_kit_are_a_question(cups, boxes):
    lines = [came_back("CUP", cups), *([came_back("BOX", boxes)] if boxes else [])]

    assert asked(match(cups_and_boxes(), *lines)) == [("part-of-a-fixed-kit", "KIT", 3)]


def test_a_kit_judged_otherwise_since_is_not_given_back_twice():
    found = match(
        cups_and_boxes(), came_back("CUP", 2), came_back("BOX", 1), restocked={KIT: 1}, not_restocked={KIT: 1}
    )

    assert outstanding(found) == []


def test_two_kits_are_told_apart_by_their_parts_ids():
    one = fixed_bundle(KIT, "KIT", "20", [("CUP", 1)], 1)
    other = fixed_bundle(KIT + 5, "KIT", "20", [("CUP", 1)], 1)

    found = match(an_order(*one, *other), came_back(item=KIT + 6), came_back(item=KIT + 1))

    assert [item_id for item_id, _, _ in outstanding(found)] == [KIT, KIT + 5]


def partly_shipped(shipped):
    return an_order(line(BAG, "BAG", "34", 3, shipped=shipped))


@pytest.mark.parametrize(
    ("shipped", "given", "expected"),
    [
        (3, {}, [(BAG, 3, ())]),  # the warehouse puts all of them back
        (1, {}, [(BAG, 2, (BAG,)), (BAG, 1, ())]),  # two that never left are named, lest Magento take two off the shelf
        (0, {}, [(BAG, 3, (BAG,))]),
        (1, {"restocked": {BAG: 2}}, [(BAG, 1, ())]),  # the same return, after its first call
    ],
)
def test_where_the_warehouse_owns_the_stock_only_units_that_never_left_are_named(shipped, given, expected):
    order = partly_shipped(shipped)
    if given:
        order = replace(order, lines=(replace(order.lines[0], qty_refunded=Decimal(2)),))

    found = match(order, came_back("BAG", 3), policy=SourcePolicy(stock_owner=StockOwner.WMS), **given)

    assert (outstanding(found), asked(found)) == (expected, [])


def test_where_nobody_owns_the_stock_a_unit_that_never_left_is_asked_about():
    found = match(partly_shipped(1), came_back("BAG", 3), policy=SourcePolicy(stock_owner=StockOwner.NONE))

    assert [question.code for question in found.questions] == ["unsellable-but-unshipped"]


def test_of_what_came_back_only_what_never_left_is_named_and_no_more_is_taken():
    order = an_order(line(BAG, "BAG", "34", 6, shipped=5))

    found = match(order, came_back("BAG", 2), policy=SourcePolicy(stock_owner=StockOwner.WMS))

    assert outstanding(found) == [(BAG, 1, (BAG,)), (BAG, 1, ())]


def test_a_part_of_nothing_is_not_spoken_of():
    found = match(bags(), came_back("BAG", parts=[a_part(1), a_part(0, "damaged")]))

    assert [rule for rule, _ in noted(found) if rule.startswith("stock")] == ["stock.restocked"]


def test_kits_given_back_beyond_what_came_back_are_asked_about_once():
    found = match(
        cups_and_boxes(), came_back("CUP", 2), came_back("BOX", 1), restocked={KIT: 1}, not_restocked={KIT: 1}
    )

    assert asked(found) == [("over-refunded", "KIT", 0)]


@pytest.mark.parametrize(("named", "asks"), [(1, False), (2, False), (0, True)])
def test_as_many_as_a_person_named_are_that_persons(named, asks):
    found = match(two_lines(), came_back("BAG", 3), not_restocked={FIRST: 4}, named_by_person={FIRST: named})

    assert bool(asked(found)) is asks
