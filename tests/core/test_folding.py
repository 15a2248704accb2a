"""Several events of one return → what is owed: in any order, twice, late, and against each other."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.folding import fold
from service.core.returns import Quantities, Receipt
from tests.core.builders import a_return, came_back


def said(*lines, event_id="evt_0001", **more):
    return a_return(*lines, event_id=event_id, **more).event


def received(*receipts, event_id="evt_0001", **more):
    """A delta event of (id, SKU, units) receipts."""
    told = tuple(Receipt(id=receipt_id, lines=(came_back(sku, units),)) for receipt_id, sku, units in receipts)
    return said(event_id=event_id, quantities=Quantities.DELTA, receipts=told, **more)


def owed(event):
    units = {}
    for line in event.lines:
        units[line.sku] = units.get(line.sku, 0) + line.quantity
    return units


def doubts(event):
    return [doubt.code for doubt in event.doubts]


def test_of_cumulative_events_the_newest_says_everything():
    assert fold([said(came_back("TEE", 1)), said(came_back("TEE", 2))]) == said(came_back("TEE", 2))


def test_receipts_add_up():
    folded = fold([received(("rec-1", "TEE", 1)), received(("rec-2", "TEE", 2), ("rec-3", "BAG", 1))])

    assert owed(folded) == {"TEE": 3, "BAG": 1}
    assert doubts(folded) == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_delta_events_changes_nothing_that_is_owed(order):
    events = [received(("rec-1", "TEE", 1)), received(("rec-2", "TEE", 2)), received(("rec-3", "BAG", 1))]

    assert owed(fold([events[index] for index in order])) == {"TEE": 3, "BAG": 1}


def test_a_receipt_that_is_told_again_counts_once():
    folded = fold([received(("rec-1", "TEE", 1)), received(("rec-1", "TEE", 1), ("rec-2", "TEE", 1))])

    assert owed(folded) == {"TEE": 2}
    assert doubts(folded) == []


@given(st.lists(st.sampled_from([("rec-1", "TEE", 1), ("rec-2", "TEE", 2), ("rec-3", "BAG", 3)]), min_size=1))
def test_however_often_and_in_whatever_order_receipts_are_told_each_counts_once(told):
    folded = fold([received(receipt) for receipt in told])

    assert sum(owed(folded).values()) == sum(units for _, _, units in set(told))


def test_a_receipt_with_another_content_is_doubted():
    assert doubts(fold([received(("rec-1", "TEE", 1)), received(("rec-1", "TEE", 2))])) == ["receipt-clash"]


def test_a_receipt_whose_reason_was_reworded_is_the_same():
    worded = Receipt(id="rec-1", lines=(replace(came_back("TEE", 1), reason="Too small"),))

    folded = fold([received(("rec-1", "TEE", 1)), said(quantities=Quantities.DELTA, receipts=(worded,))])

    assert (owed(folded), doubts(folded)) == ({"TEE": 1}, [])


def test_a_receipt_without_an_id_is_doubted_and_not_counted():
    folded = fold([received(("rec-1", "TEE", 1)), received(("", "TEE", 1))])

    assert (owed(folded), doubts(folded)) == ({"TEE": 1}, ["receipt-without-id"])


def test_sums_and_receipts_of_one_return_do_not_mix():
    assert doubts(fold([said(came_back("TEE", 1)), received(("rec-1", "TEE", 1))])) == ["quantities-mixed"]


def test_what_the_newest_event_says_besides_receipts_holds():
    folded = fold([received(("rec-1", "TEE", 1)), received(("rec-2", "TEE", 1), event_id="evt_0002", currency="EUR")])

    assert (folded.event_id, folded.currency) == ("evt_0002", "EUR")


def test_that_the_sender_paid_is_not_forgotten_by_a_later_event():
    paid = said(came_back("TEE", 1), already_refunded=True)

    assert doubts(fold([paid, said(came_back("TEE", 1))])) == ["portal-paid-before"]
    assert doubts(fold([said(came_back("TEE", 1)), paid])) == []
    assert doubts(fold([paid, paid])) == []


def test_a_withdrawal_takes_back_sums_and_receipts_and_leaves_no_doubt():
    withdrawn = said(is_withdrawn=True, quantities=Quantities.DELTA)

    assert fold([received(("rec-1", "TEE", 1), ("", "TEE", 1)), withdrawn]) == withdrawn
    assert fold([said(came_back("TEE", 1)), said(is_withdrawn=True)]).lines == ()


def test_what_is_approved_after_a_withdrawal_is_owed():
    events = [received(("rec-1", "TEE", 1)), said(is_withdrawn=True, quantities=Quantities.DELTA)]

    assert owed(fold([*events, received(("rec-2", "TEE", 1))])) == {"TEE": 2}


def test_how_many_receipts_came_without_an_id_is_told():
    folded = fold([received(("", "TEE", 1)), received(("", "TEE", 1), ("", "BAG", 1))])

    (doubt,) = folded.doubts
    assert doubt.text.startswith("3 receipt(s) came without an id")


def test_one_event_that_counts_otherwise_is_enough_to_count_by_receipts():
    folded = fold([said(came_back("TEE", 5)), received(("rec-1", "TEE", 1))])

    assert owed(folded) == {"TEE": 1}
