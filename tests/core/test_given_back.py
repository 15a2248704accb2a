"""What a return has had: its memos, its answered memos, and its refunds whose outcome nobody knows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from service.core.given_back import foreign_memos, given_back, units_left, without_memo
from service.core.plan import RefundRequest, RequestItem, Route
from tests.core.builders import BAG, TEE, TODAY, a_memo, a_reading, a_return, an_order, came_back, line

OURS, THEIRS = "RR-AAAAAAAAAAAAAAAA", "RR-BBBBBBBBBBBBBBBB"
ORDER = an_order(line(TEE, "TEE", "22", 5), line(BAG, "BAG", "34", 5), rate="0.5", currency="EUR")
RETURN = a_return(came_back("TEE", 5))


def marked(entity_id, marker, units, **more):
    return a_memo(entity_id, units, comments=(f"Return RMA-1001 (warehouse) {marker}",), **more)


def an_ask(marker, units, *, fee="0", shipping="0"):
    return RefundRequest(
        route=Route.ORDER,
        order_id=ORDER.entity_id,
        items=tuple(RequestItem(order_item_id=item_id, qty=Decimal(qty)) for item_id, qty in units.items()),
        shipping_amount=Decimal(shipping),
        adjustment_negative=Decimal(fee),
        notify=False,
        marker=marker,
        comment=marker,
    )


def given(*memos, unsettled=(), approved=RETURN):
    return given_back(approved, a_reading(ORDER, memos=memos), unsettled, stem=OURS)


def test_memos_count_by_their_letter_whatever_stands_between_them():
    by_hand, theirs = a_memo(1, {TEE: 1}), marked(2, f"{THEIRS}-01R", {TEE: 1})
    good, bad = marked(3, f"{OURS}-01R", {TEE: 1}), marked(4, f"{OURS}-02N", {TEE: 2, BAG: 1})

    found = given(by_hand, theirs, good, bad)

    assert (found.restocked, found.not_restocked) == ({TEE: 1}, {TEE: 2, BAG: 1})
    assert (found.units(TEE), found.units(BAG)) == (3, 1)
    assert found.memos == (good, bad)
    assert found.next_part == 3


def test_fees_are_counted_as_the_customer_saw_them_and_shipping_as_the_books_do():
    memo = marked(1, f"{OURS}-01R", {TEE: 1}, fee="4", shipping="6")
    books = replace(memo.base, shipping_tax=Decimal(1))
    shown = replace(books, adjustment_negative=Decimal(2), shipping=Decimal(3), shipping_tax=Decimal("0.5"))

    found = given(replace(memo, base=books, shown=shown))

    assert (found.fees, found.shipping, found.shipping_tax) == (2, 6, 1)


def test_a_refund_nobody_knows_the_outcome_of_counts_with_all_it_asked_for():
    found = given(
        marked(1, f"{OURS}-01R", {TEE: 1}),
        unsettled=(
            an_ask(f"{THEIRS}-09R", {TEE: 1}, fee="1", shipping="1"),
            an_ask(f"{OURS}-02R", {TEE: 1}, fee="4", shipping="6"),
            an_ask(f"{OURS}-03N", {BAG: 2}),
        ),
    )

    assert (found.restocked, found.not_restocked) == ({TEE: 2}, {BAG: 2})
    assert (found.fees, found.shipping, found.next_part) == (2, 6, 4)


def test_a_memo_that_a_person_called_this_returns_counts_and_one_called_something_else_does_not():
    answered = replace(RETURN, memo_answers={1: True, 2: False})
    mine, other = a_memo(1, {TEE: 1}), a_memo(2, {TEE: 3})

    found = given(mine, other, approved=answered)

    assert (found.memos, found.restocked, found.not_restocked) == ((mine,), {}, {TEE: 1})
    assert found.next_part == 1


def test_a_memo_by_hand_keeps_the_number_of_the_refund_that_it_belongs_to():
    named = replace(RETURN, memo_answers={1: True}, memo_markers={1: f"{OURS}-02R", 9: f"{OURS}-07R"})

    assert given(a_memo(1, {TEE: 1}), approved=named).next_part == 3


def test_a_refund_whose_memo_is_there_after_all_counts_by_its_memo_alone():
    late, missing = an_ask(f"{OURS}-01R", {TEE: 1}), an_ask(f"{OURS}-02R", {TEE: 1})
    reading = a_reading(ORDER, memos=(marked(1, f"{OURS}-01R", {TEE: 1}), marked(2, f"{THEIRS}-02R", {TEE: 1})))

    assert without_memo((late, missing), reading) == (missing,)


# --- what is left of a line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counted", "memo_units", "asks", "left"),
    [
        (0, {TEE: 2}, (), 3),
        (3, {TEE: 2}, (), 2),
        (1, {TEE: 2}, (), 3),
        (0, {BAG: 2}, (), 5),
        (0, {TEE: 9}, (), 0),
        (0, {TEE: 1}, (an_ask(f"{THEIRS}-01R", {TEE: 2, BAG: 1}),), 2),
    ],
    ids=str,
)
def test_memos_or_the_counter_whichever_is_more_and_what_is_unknown_leave_the_rest(counted, memo_units, asks, left):
    tee = replace(ORDER.lines[0], qty_refunded=Decimal(counted))

    assert units_left(tee, a_reading(ORDER, memos=[a_memo(1, memo_units)]), asks) == left


# --- memos that may be this refund, made by somebody else -----------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "is_foreign"),
    [({TEE: 1}, True), ({TEE: 1, BAG: 1}, True), ({BAG: 1}, False), ({TEE: 0, BAG: 1}, False), ({}, True)],
    ids=str,
)
def test_a_memo_by_hand_on_the_returns_lines_or_without_any_is_asked_about(units, is_foreign):
    reading = a_reading(ORDER, memos=[a_memo(1, units)])

    assert bool(foreign_memos(RETURN, reading, (TEE,))) is is_foreign


def test_an_older_an_answered_and_a_marked_memo_are_not_asked_about():
    older = a_memo(1, {TEE: 1}, at=TODAY - timedelta(seconds=61))
    answered = a_memo(2, {TEE: 1})
    theirs = marked(3, f"{THEIRS}-01R", {TEE: 1})
    now = a_memo(4, {TEE: 1}, at=TODAY)
    approved = replace(RETURN, memo_answers={2: False})

    assert foreign_memos(approved, a_reading(ORDER, memos=[older, answered, theirs, now]), (TEE,)) == (now,)


def test_a_memo_is_older_only_by_more_than_two_clocks_may_differ():
    # Magento's clock tells whole seconds and is 59 of them behind: made 0.2 s after the return.
    behind = a_memo(1, {TEE: 1}, at=TODAY - timedelta(seconds=60))

    assert foreign_memos(RETURN, a_reading(ORDER, memos=[behind]), (TEE,)) == (behind,)


def test_what_people_named_as_this_returns_is_summed_by_line():
    approved = a_return(came_back("TEE", 5), answers={1: True, 2: True})

    found = given(
        a_memo(1, {TEE: 1}), a_memo(2, {TEE: 2, BAG: 1}), marked(3, f"{OURS}-01R", {TEE: 1}), approved=approved
    )

    assert found.named_by_person == {TEE: 3, BAG: 1}
