"""The tables of states: what holds a slot can end, what is done stays done."""

import pytest

from service.core.lifecycle import DELIVERY_MOVES, REFUND_MOVES, SLOT_STATES, DeliveryState, RefundState


def test_every_state_is_in_its_table():
    assert set(REFUND_MOVES) == set(RefundState)
    assert set(DELIVERY_MOVES) == set(DeliveryState)


def test_only_a_committed_sending_can_become_unknown():
    assert [old for old, moves in REFUND_MOVES.items() if RefundState.UNKNOWN in moves] == [RefundState.SENDING]


def test_nothing_is_sent_but_from_a_fresh_look_under_the_slot():
    assert [old for old, moves in REFUND_MOVES.items() if RefundState.SENDING in moves] == [RefundState.CHECKING]


@pytest.mark.parametrize("state", SLOT_STATES)
def test_what_holds_the_orders_slot_can_always_give_it_back(state):
    reachable, frontier = set(), {state}
    while frontier:
        frontier = {new for old in frontier for new in REFUND_MOVES[old]} - reachable
        reachable |= frontier

    assert set(REFUND_MOVES) - set(SLOT_STATES) <= reachable


@pytest.mark.parametrize("state", [RefundState.DONE, RefundState.REFUSED])
def test_what_is_over_stays_over(state):
    assert REFUND_MOVES[state] == {}


def test_every_delivery_can_be_brought_back_by_a_person():
    stuck = [state for state in DeliveryState if DeliveryState.RECEIVED not in DELIVERY_MOVES[state]]

    assert stuck == [DeliveryState.RECEIVED, DeliveryState.WAITING]


@pytest.mark.parametrize("state", [DeliveryState.RECEIVED, DeliveryState.WAITING])
def test_a_delivery_that_is_worked_on_may_become_anything_but_new(state):
    assert set(DELIVERY_MOVES[state]) == set(DeliveryState) - {DeliveryState.RECEIVED}
