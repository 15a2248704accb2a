"""The words of a return: how it names its order and its lines."""

from dataclasses import MISSING, fields, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from service.core.returns import (
    ApprovedReturn,
    OrderReference,
    Quantities,
    ReturnEvent,
    ReturnLine,
    placed_at,
    says_the_same,
)
from tests.core.builders import LAST_WEEK, TODAY, a_part, a_return, came_back


@pytest.mark.parametrize(
    ("reference", "written"),
    [(OrderReference(increment_id="000000264"), "#000000264"), (OrderReference(entity_id=269), "entity 269")],
)
def test_an_order_is_written_as_it_was_named(reference, written):
    assert str(reference) == written


@pytest.mark.parametrize("names", [{}, {"increment_id": "000000264", "entity_id": 269}], ids=["by none", "by both"])
def test_an_order_is_named_by_exactly_one_of_its_two_numbers(names):
    with pytest.raises(ValueError, match="one of them"):
        OrderReference(**names)


@pytest.mark.parametrize(
    ("sku", "item", "written"),
    [("BAG", None, "BAG"), ("BAG", 510, "item 510 (BAG)"), (None, 510, "item 510")],
)
def test_a_line_is_written_as_its_sender_named_it(sku, item, written):
    assert came_back(sku, item=item).named == written


@pytest.mark.parametrize(
    ("said", "stands_at"),
    [
        (None, TODAY),
        (LAST_WEEK, LAST_WEEK),
        (TODAY + timedelta(hours=2), TODAY + timedelta(hours=2)),
        (TODAY + timedelta(hours=2, microseconds=1), TODAY),
    ],
    ids=["not said", "past", "a clock that is ahead", "yet to come"],
)
def test_an_event_stands_where_it_happened_unless_that_is_yet_to_come(said, stands_at):
    assert placed_at(replace(a_return().event, occurred_at=said), TODAY) == stands_at


@pytest.mark.parametrize(
    ("newest_before", "stands_at"),
    [
        (None, TODAY),
        (LAST_WEEK, TODAY),
        (TODAY + timedelta(hours=2), TODAY + timedelta(hours=2)),
        (TODAY + timedelta(hours=4), TODAY + timedelta(hours=3)),
    ],
    ids=["the first", "after older ones", "our clock was put back", "late, and our clock was put back"],
)
def test_an_event_that_is_yet_to_come_follows_those_that_arrived_before_it(newest_before, stands_at):
    event = replace(a_return().event, occurred_at=TODAY + timedelta(hours=3))

    assert placed_at(event, TODAY, newest_before) == stands_at


def test_a_lines_quantity_is_that_of_all_its_parts():
    assert came_back("BAG", parts=[a_part(1), a_part("0.5", "damaged")]).quantity == Decimal("1.5")


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ({}, False),
        ({"quantities": Quantities.DELTA}, True),
        ({"already_refunded": True}, True),
        ({"already_refunded": True, "quantities": Quantities.DELTA}, True),
    ],
    ids=str,
)
def test_only_receipts_and_payments_still_count_when_they_come_late(said, counts):
    assert a_return(came_back("BAG"), **said).event.counts_when_late is counts


def an_event(event_id="evt_1", *, of_content=False, at=TODAY):
    return a_return(came_back("BAG"), event_id=event_id, id_is_of_content=of_content, occurred_at=at).event


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (an_event(), an_event(), True),
        (an_event(), an_event(at=LAST_WEEK), False),
        (an_event(of_content=True), an_event(of_content=True, at=LAST_WEEK), True),
        (an_event(of_content=True), an_event("evt_2", of_content=True), False),
        (an_event(of_content=True), an_event(at=LAST_WEEK), False),
        (an_event(), an_event(of_content=True, at=LAST_WEEK), False),
    ],
)
def test_an_id_made_of_what_is_said_is_the_same_whenever_it_is_said(one, other, same):
    assert says_the_same(one, other) is same


def test_a_reason_reworded_is_no_contradiction_and_anything_else_of_a_line_is():
    said = an_event()
    reworded, another = (
        replace(said, lines=(replace(said.lines[0], **more),)) for more in ({"reason": "x"}, {"sku": "X"})
    )

    assert says_the_same(said, reworded)
    assert not says_the_same(said, another)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ReturnLine, {}),
        (ReturnEvent, {"quantities": Quantities.CUMULATIVE}),
        (ApprovedReturn, {"may_notify": True}),
    ],
)
def test_what_an_event_leaves_out_is_nothing_but_that_figures_are_cumulative_and_customers_told(kind, said):
    defaults = {each.name: each.default for each in fields(kind) if each.default is not MISSING}

    assert {name: value for name, value in defaults.items() if value} == said
