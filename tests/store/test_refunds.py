from decimal import Decimal

import pytest

from service.core.lifecycle import REFUND_MOVES, DeliveryState, RefundState
from service.core.plan import Route, Verdict
from service.core.returns import OrderReference
from service.errors import BadRequest, Conflict, LeaseLost, NotFound, OrderBusy
from service.store import IllegalMove, ReadBack, Settlement
from service.store.claims import change_delivery
from tests.store.examples import LEASE_SECONDS, NOW, at, event, plan, request

FIRST, SECOND, THIRD = (f"RR-AAAAAAAAAAAAAAAA-0{part}" for part in ("1R", "2N", "3R"))
BODY = {"items": [{"order_item_id": 510, "qty": Decimal("1.50")}]}


def save(store, claim, case, slot_id, *markers):
    return store.returns.save_plan(claim, case.id, slot_id, plan(*markers), bodies=(BODY,) * len(markers), now=NOW)


def rows_of(store, case):
    return {row.marker: (row.state, row.superseded) for row in store.refunds.of_return(case.id)}


# --- the order's slot -------------------------------------------------------------------------------------------------


def test_the_slot_begins_with_the_reference_alone(store, given):
    claim = given.claim()
    case = given.case(claim)

    row = store.refunds.take_slot(claim, case, case.order, NOW)

    assert (row.state, row.delivery_id, row.fence) == (RefundState.CHECKING, claim.delivery.id, claim.fence)
    assert (row.order_increment_id, row.order_entity_id, row.request) == ("000000264", None, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (OrderReference(increment_id="000000264"), OrderReference(increment_id="000000264")),
        (OrderReference(entity_id=269), OrderReference(entity_id=269)),
    ],
)
def test_one_order_has_one_slot_whichever_name_it_goes_by(store, given, first, second):
    one, two = given.claim(), given.claim()
    case = given.case(one, event("e1", order=first))
    other = given.case(two, event("e2", return_id="RMA-2", order=second))
    store.refunds.take_slot(one, case, first, NOW)

    with pytest.raises(OrderBusy, match="ref_1 of ret_1 has the slot of this order: it is checking") as busy:
        store.refunds.take_slot(two, other, second, NOW)

    assert busy.value.context == {
        "refund_id": "ref_1",
        "return_id": "ret_1",
        "delivery_id": "del_1",
        "state": RefundState.CHECKING,
    }
    assert store.refunds.of_return(other.id) == ()


def test_two_names_of_one_order_meet_when_they_are_bound(store, given):
    given.slot()
    claim = given.claim()
    other = given.case(claim, event("e2", return_id="RMA-2", order=OrderReference(entity_id=269)))

    with pytest.raises(OrderBusy, match="ref_1"):
        store.refunds.take_slot(claim, other, other.order, NOW)


def test_a_slot_that_turns_out_to_be_another_s_is_released(store, given):
    one, two = given.claim(), given.claim()
    by_id = given.case(one, event("e1", order=OrderReference(entity_id=269)))
    by_number = given.case(two, event("e2", return_id="RMA-2"))
    first = store.refunds.take_slot(one, by_id, by_id.order, NOW)
    second = store.refunds.take_slot(two, by_number, by_number.order, NOW)
    store.refunds.bind_order(one, first.id, 269, "000000264x", NOW)

    with pytest.raises(OrderBusy, match=r"ref_1 of ret_1"):
        store.refunds.bind_order(two, second.id, 269, "000000264", NOW)

    assert store.refunds.of_return(by_number.id) == ()


def test_another_magento_s_order_of_the_same_number_is_another_order(store, given):
    given.slot()

    _, _, row = given.slot(event_id="e2", instance="other shop")

    assert row.state is RefundState.CHECKING


@pytest.mark.parametrize("outcome", ["sending", "unknown"])
def test_a_call_in_flight_or_unknown_keeps_the_slot(store, given, outcome):
    getattr(given, outcome)()
    claim = given.claim()
    other = given.case(claim, event("e2", return_id="RMA-2"))

    with pytest.raises(OrderBusy, match=f"it is {outcome}"):
        store.refunds.take_slot(claim, other, other.order, NOW)


def test_another_delivery_of_the_same_return_waits_too(store, given):
    given.unknown()
    claim = given.claim()
    case = given.case(claim, event("e2"))

    with pytest.raises(OrderBusy, match="ref_1 of ret_1"):
        store.refunds.take_slot(claim, case, case.order, NOW)


def test_whoever_claims_next_finds_the_row_as_it_was_left(store, given):
    stalled, case, row = given.sending()
    claim = store.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)

    taken = store.refunds.take_slot(claim, case, case.order, at(61))

    assert (taken.id, taken.state, taken.fence) == (row.id, RefundState.SENDING, claim.fence)
    with pytest.raises(LeaseLost):
        store.refunds.mark_done(stalled, row.id, 7, at(62), stock_proven=True)
    assert store.refunds.row(row.id).state is RefundState.SENDING


def test_what_was_planned_before_takes_its_turn_first(store, given):
    claim, case, (first, second) = given.planned(FIRST, SECOND)
    store.refunds.mark_sending(claim, first.id, NOW, "/V1/x")
    store.refunds.mark_done(claim, first.id, 7, NOW, stock_proven=True)

    taken = store.refunds.take_slot(claim, case, case.order, NOW)

    assert (taken.id, taken.state, taken.marker) == (second.id, RefundState.CHECKING, SECOND)


def test_releasing_leaves_what_was_planned_and_nothing_else(store, given):
    claim, case, row = given.slot()
    store.refunds.release(claim, row.id, NOW)
    assert store.refunds.of_return(case.id) == ()

    row = store.refunds.take_slot(claim, case, case.order, NOW)
    (row,) = save(store, claim, case, row.id, FIRST)
    store.refunds.release(claim, row.id, NOW, needs_person=True, reason_code="approval", reason="over 500")

    kept = store.refunds.row(row.id)
    assert (kept.state, kept.needs_person, kept.reason_code) == (RefundState.PLANNED, True, "approval")


def test_the_id_of_a_row_that_went_is_never_another_s(store, given):
    claim, case, row = given.slot()
    store.refunds.release(claim, row.id, NOW)

    assert store.refunds.take_slot(claim, case, case.order, NOW).id > row.id


@pytest.mark.parametrize("outcome", ["sending", "unknown"])
def test_only_a_row_that_is_being_checked_can_be_released(store, given, outcome):
    claim, _, row = getattr(given, outcome)()

    with pytest.raises(IllegalMove, match="starts from checking"):
        store.refunds.release(claim, row.id, NOW)

    assert store.refunds.row(row.id) == row


# --- plans ------------------------------------------------------------------------------------------------------------


def test_a_plan_s_first_refund_holds_the_slot_and_the_rest_are_planned(store, given):
    claim, case, slot = given.slot()

    first, second = save(store, claim, case, slot.id, FIRST, SECOND)

    assert (first.id, first.state, first.marker) == (slot.id, RefundState.CHECKING, FIRST)
    assert (second.state, second.marker, second.order_entity_id) == (RefundState.PLANNED, SECOND, 269)
    assert first.request == request(FIRST)
    assert first.body == {"items": [{"order_item_id": 510, "qty": "1.50"}]}
    assert (first.route, first.invoice_id) == (Route.ORDER, None)
    assert (first.predicted_base_total, first.predicted_total) == (Decimal("10.10"), Decimal("9.05"))
    assert (str(first.predicted_base_total), first.base_currency, first.currency) == ("10.10", "USD", "EUR")


def test_a_plan_of_more_calls_than_any_order_has_invoices_is_saved_and_approved(store, given):
    markers = [f"RR-AAAAAAAAAAAAAAAA-{part:02d}R" for part in range(1, 41)]

    _, case, rows = given.planned(*markers)
    fingerprint = store.returns.case(case.id).plan_fingerprint
    store.returns.approve(case.id, fingerprint, "Ada", at(1))

    assert [row.marker for row in rows] == markers
    assert fingerprint.count("+") == 39
    assert store.returns.case(case.id).is_approved


def test_a_new_plan_takes_the_place_of_the_old_one(store, given):
    claim, case, (first, _) = given.planned(FIRST, SECOND)

    save(store, claim, case, first.id, SECOND)

    assert rows_of(store, case) == {SECOND: (RefundState.CHECKING, False)}


def test_a_plan_without_refunds_leaves_nothing_planned(store, given):
    claim, case, (first, _) = given.planned(FIRST, SECOND)

    assert save(store, claim, case, first.id) == ()
    store.refunds.release(claim, first.id, NOW)

    assert store.refunds.of_return(case.id) == ()


def tried(store, given):
    """A return whose call provably did not arrive: claim, case, the row in the slot again."""
    claim, case, row = given.sending()
    store.refunds.mark_not_sent(claim, row.id, NOW, "no connection")
    return claim, case, store.refunds.take_slot(claim, case, case.order, NOW)


def test_a_refund_that_was_tried_keeps_its_row_when_it_is_planned_again(store, given):
    claim, case, slot = tried(store, given)

    (row,) = save(store, claim, case, slot.id, FIRST)

    assert row.id == slot.id
    assert len(store.refunds.attempts(row.id)) == 1


def test_a_refund_that_was_tried_is_kept_beside_the_plan_that_replaces_it(store, given):
    claim, case, slot = tried(store, given)

    (row,) = save(store, claim, case, slot.id, SECOND)

    assert row.id != slot.id
    assert rows_of(store, case) == {FIRST: (RefundState.PLANNED, True), SECOND: (RefundState.CHECKING, False)}
    assert store.refunds.row(slot.id).request == request(FIRST)


def test_a_plan_without_refunds_keeps_what_was_tried(store, given):
    claim, case, slot = tried(store, given)

    save(store, claim, case, slot.id)
    store.refunds.release(claim, slot.id, NOW)

    assert rows_of(store, case) == {FIRST: (RefundState.PLANNED, True)}


def test_what_was_tried_and_put_aside_comes_back_by_its_marker(store, given):
    claim, case, slot = tried(store, given)
    (other,) = save(store, claim, case, slot.id, SECOND)

    first, second = save(store, claim, case, other.id, FIRST, SECOND)

    assert first.id == slot.id
    assert (first.state, first.superseded, first.fence) == (RefundState.CHECKING, False, claim.fence)
    assert rows_of(store, case) == {FIRST: (RefundState.CHECKING, False), SECOND: (RefundState.PLANNED, False)}
    assert second.id != other.id


def test_a_tried_refund_may_become_a_later_part_of_the_plan(store, given):
    claim, case, slot = tried(store, given)

    first, second = save(store, claim, case, slot.id, THIRD, FIRST)

    assert (second.id, second.state) == (slot.id, RefundState.PLANNED)
    assert (first.marker, first.state) == (THIRD, RefundState.CHECKING)


def test_what_was_put_aside_does_not_take_the_slot_again(store, given):
    claim, case, slot = tried(store, given)
    save(store, claim, case, slot.id)
    store.refunds.release(claim, slot.id, NOW)

    assert store.refunds.take_slot(claim, case, case.order, NOW).id != slot.id


def test_a_marker_that_another_refund_has_is_refused_and_changes_nothing(store, given):
    claim, case, row = given.sending()
    store.refunds.mark_done(claim, row.id, 7, NOW, stock_proven=True)
    slot = store.refunds.take_slot(claim, case, case.order, NOW)
    store.refunds.bind_order(claim, slot.id, 269, "000000264", NOW)

    with pytest.raises(Conflict) as refused:
        save(store, claim, case, slot.id, FIRST)

    assert store.refunds.row(slot.id).request is None
    assert refused.value.message == (
        f"marker {FIRST} is planned for ret_1, but its own ref_1 has it and is done: no memo that was read carries the"
        " marker any more. See in Magento what became of its memo, then refundry retry ret_1, or refund by hand"
    )


def test_a_return_whose_order_goes_by_two_names_is_said_to_be_one(store, given):
    given.planned(FIRST)
    claim = given.claim()
    case = given.case(claim, event("e2", order=OrderReference(entity_id=270)))
    slot = store.refunds.take_slot(claim, case, case.order, NOW)

    with pytest.raises(Conflict) as refused:
        save(store, claim, case, slot.id, FIRST)

    assert refused.value.message == (
        f"marker {FIRST} is planned for ret_2, but ref_1 of ret_1 has it and is checking: one return is reported under"
        " two names of its order. Compare refundry show ret_2 and refundry show ret_1, dismiss one of them, and have"
        " the sender keep to increment_id or to entity_id"
    )


def test_the_marker_of_a_refused_call_may_be_used_again(store, given):
    claim, case, row = given.sending()
    store.refunds.mark_refused(claim, row.id, NOW, "The most money available to refund is 3.")
    slot = store.refunds.take_slot(claim, case, case.order, NOW)

    (again,) = save(store, claim, case, slot.id, FIRST)

    assert (again.id != row.id, again.marker) == (True, FIRST)


@pytest.mark.parametrize("outcome", ["sending", "unknown"])
def test_a_plan_cannot_be_saved_over_a_call(store, given, outcome):
    claim, case, row = getattr(given, outcome)()

    with pytest.raises(IllegalMove):
        save(store, claim, case, row.id, SECOND)

    assert store.refunds.row(row.id) == row
    assert store.returns.case(case.id).plan_fingerprint == plan(FIRST).fingerprint()


def test_a_worker_that_was_overtaken_saves_no_plan(store, given):
    claim, case, row = given.slot()
    store.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)

    with pytest.raises(LeaseLost):
        save(store, claim, case, row.id, FIRST)

    assert store.returns.case(case.id).plan is None


# --- the call ---------------------------------------------------------------------------------------------------------


def test_a_call_is_committed_before_it_is_made(store, given):
    claim, _, (row,) = given.planned()

    attempt_id = store.refunds.mark_sending(claim, row.id, at(1), "/V1/order/269/refund")

    sending = store.refunds.row(row.id)
    assert (sending.state, sending.sends, sending.sent_at) == (RefundState.SENDING, 1, at(1))
    (attempt,) = store.refunds.attempts(row.id)
    assert (attempt.id, attempt.fence, attempt.started_at) == (attempt_id, claim.fence, at(1))
    assert (attempt.path, attempt.ended_at, attempt.outcome) == ("/V1/order/269/refund", None, "")


def test_nothing_is_sent_on_a_lease_that_has_ended(store, given):
    claim, _, (row,) = given.planned()

    with pytest.raises(LeaseLost, match="ended"):
        store.refunds.mark_sending(claim, row.id, at(LEASE_SECONDS), "/V1/x")

    assert store.refunds.row(row.id) == row
    assert store.refunds.attempts(row.id) == ()


def test_nothing_is_sent_that_was_not_planned(store, given):
    claim, _, row = given.slot()

    with pytest.raises(Conflict, match="ref_1 has no plan"):
        store.refunds.mark_sending(claim, row.id, NOW, "/V1/x")

    assert store.refunds.row(row.id) == row


def test_an_answer_is_evidence_from_whoever_saw_it(store, given):
    _, _, row = given.sending()
    store.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)
    (attempt,) = store.refunds.attempts(row.id)

    store.refunds.record_answer(attempt.id, at(70), "done", 200, "7")

    (answered,) = store.refunds.attempts(row.id)
    assert (answered.ended_at, answered.outcome, answered.status, answered.detail) == (at(70), "done", 200, "7")
    assert store.refunds.row(row.id) == row
    assert store.journal.of(refund_id=row.id)[-1].data == {"attempt_id": attempt.id, "outcome": "done", "status": 200}


def test_evidence_is_never_overwritten(store, given):
    _, _, row = given.sending()
    (attempt,) = store.refunds.attempts(row.id)
    store.refunds.record_answer(attempt.id, at(1), "done", 200, "7")

    with pytest.raises(NotFound, match="has its answer already"):
        store.refunds.record_answer(attempt.id, at(2), "unknown", None, "time-out")

    assert store.refunds.attempts(row.id)[0].outcome == "done"


def test_done_names_the_memo(store, given):
    claim, _, row = given.sending()

    done = store.refunds.mark_done(claim, row.id, 7, at(1), stock_proven=True)

    assert (done.state, done.memo_id, done.stock_proven) == (RefundState.DONE, 7, True)
    assert (done.needs_person, done.memo, done.differences) == (False, None, None)


def test_refused_asks_for_a_person(store, given):
    claim, _, row = given.sending()

    refused = store.refunds.mark_refused(claim, row.id, NOW, "not enough left")

    assert (refused.state, refused.needs_person, refused.reason) == (RefundState.REFUSED, True, "not enough left")


def test_what_was_provably_not_sent_does_not_count_as_a_send(store, given):
    claim, _, row = given.sending()

    back = store.refunds.mark_not_sent(claim, row.id, NOW, "no connection")

    assert (back.state, back.sends, back.reason) == (RefundState.PLANNED, 0, "no connection")


def test_unknown_waits_until_it_can_be_known_and_may_then_be_sent_again(store, given):
    claim, _, row = given.unknown()
    assert (row.settle_at, row.sends) == (at(300), 1)

    again = store.refunds.mark_resend(claim, row.id, at(300), "offline, no marker")

    assert (again.state, again.sends, again.settle_at) == (RefundState.PLANNED, 1, None)


STEPS = {
    "mark_sending": lambda refunds, claim, row: refunds.mark_sending(claim, row.id, NOW, "/V1/x"),
    "mark_done": lambda refunds, claim, row: refunds.mark_done(claim, row.id, 7, NOW, stock_proven=True),
    "mark_refused": lambda refunds, claim, row: refunds.mark_refused(claim, row.id, NOW, "no"),
    "mark_not_sent": lambda refunds, claim, row: refunds.mark_not_sent(claim, row.id, NOW, "no"),
    "mark_unknown": lambda refunds, claim, row: refunds.mark_unknown(claim, row.id, NOW, at(9), "no"),
    "mark_resend": lambda refunds, claim, row: refunds.mark_resend(claim, row.id, NOW, "no"),
    "release": lambda refunds, claim, row: refunds.release(claim, row.id, NOW),
}
ALLOWED = {
    RefundState.PLANNED: set(),  # taking the slot is the one way on, and that is not a step of a row
    RefundState.CHECKING: {"mark_sending", "mark_done", "release"},
    RefundState.SENDING: {"mark_done", "mark_refused", "mark_not_sent", "mark_unknown"},
    RefundState.UNKNOWN: {"mark_done", "mark_resend"},
    RefundState.DONE: set(),
    RefundState.REFUSED: set(),
}


def in_state(store, given, state):
    if state is RefundState.PLANNED:
        claim, _, (_, row) = given.planned(FIRST, SECOND)
        return claim, row
    if state is RefundState.CHECKING:
        claim, _, (row,) = given.planned()
        return claim, row
    if state is RefundState.UNKNOWN:
        claim, _, row = given.unknown()
        return claim, row
    claim, _, row = given.sending()
    if state is RefundState.DONE:
        row = store.refunds.mark_done(claim, row.id, 7, NOW, stock_proven=True)
    if state is RefundState.REFUSED:
        row = store.refunds.mark_refused(claim, row.id, NOW, "no")
    return claim, row


MOVES = [(state, step) for state in RefundState for step in STEPS]


@pytest.mark.parametrize(("state", "step"), [move for move in MOVES if move[1] in ALLOWED[move[0]]])
def test_a_step_that_the_lifecycle_has_is_taken(store, given, state, step):
    claim, row = in_state(store, given, state)

    STEPS[step](store.refunds, claim, row)

    assert store.refunds.row(row.id).state in REFUND_MOVES[state]


@pytest.mark.parametrize(("state", "step"), [move for move in MOVES if move[1] not in ALLOWED[move[0]]])
def test_a_step_that_the_lifecycle_does_not_have_changes_nothing(store, given, state, step):
    claim, row = in_state(store, given, state)
    journal = store.journal.of(refund_id=row.id)

    with pytest.raises(Conflict):
        STEPS[step](store.refunds, claim, row)

    assert store.refunds.row(row.id) == row
    assert store.journal.of(refund_id=row.id) == journal


@pytest.mark.parametrize("state", [state for state in RefundState if state is not RefundState.UNKNOWN])
def test_only_an_unknown_outcome_can_be_settled(store, given, state):
    _, row = in_state(store, given, state)

    with pytest.raises(Conflict, match=f"ref_{row.id} is {state}; only one of unknown outcome"):
        store.refunds.settle(row.id, Settlement.NOT_PAID, memo_id=None, actor="Ada", text="", now=NOW)

    assert store.refunds.row(row.id) == row


@pytest.mark.parametrize("step", STEPS)
def test_no_step_is_taken_by_a_worker_that_was_overtaken(store, given, step):
    state = next(state for state, steps in ALLOWED.items() if step in steps)
    claim, row = in_state(store, given, state)
    store.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)

    with pytest.raises(LeaseLost):
        STEPS[step](store.refunds, claim, row)

    assert store.refunds.row(row.id) == row


def test_a_delivery_changes_no_other_delivery_s_refund(store, given):
    _, _, row = given.sending()
    stranger = given.claim()

    with pytest.raises(LeaseLost, match="ref_1 is not held by del_2"):
        store.refunds.mark_done(stranger, row.id, 7, NOW, stock_proven=True)

    assert store.refunds.row(row.id) == row


# --- what a person settles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "memo_id", "settled_as"),
    [
        (Settlement.MEMO, 7, (RefundState.DONE, 7, False)),
        (Settlement.PAID_NO_MEMO, None, (RefundState.DONE, None, False)),
        (Settlement.NOT_PAID, None, (RefundState.PLANNED, None, None)),
    ],
)
def test_a_person_settles_an_unknown_call_and_its_delivery_goes_on(store, given, decision, memo_id, settled_as):
    claim, _, row = given.unknown()
    store.refunds.flag(row.id, claim, needs_person=True, reason_code="unknown-online", reason="look", now=NOW)
    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW, reason="look")

    settled = store.refunds.settle(
        row.id, decision, memo_id=memo_id, actor="Ada", text="saw it at the bank", now=at(300)
    )

    assert (settled.state, settled.memo_id, settled.stock_proven) == settled_as
    assert (settled.needs_person, settled.settle_at) == (False, None)
    assert store.inbox.claim("w2", at(300), LEASE_SECONDS).delivery.id == claim.delivery.id
    entry = next(each for each in store.journal.of(refund_id=row.id) if each.what == "refund.settled")
    assert (entry.actor, entry.text, entry.data["decision"]) == ("Ada", "saw it at the bank", decision)


def test_a_call_is_settled_although_the_body_of_its_delivery_was_purged(store, given):
    """As a version did that let a delivery end before its refund."""
    claim, _, row = given.unknown()
    store.inbox.finish(claim, DeliveryState.NEEDS_PERSON, NOW)
    with store.database.write() as tx:
        change_delivery(tx, claim.delivery.id, state=DeliveryState.IGNORED, body=b"", purged_at=at(1))

    settled = store.refunds.settle(row.id, Settlement.PAID_NO_MEMO, memo_id=None, actor="Ada", text="", now=at(2))

    assert settled.state is RefundState.DONE
    assert store.inbox.delivery(claim.delivery.id).state is DeliveryState.IGNORED


def test_naming_a_memo_later_compares_it_and_wakes_what_waits_in_one_step(store, given):
    _, _, row = given.unknown()
    store.refunds.settle(row.id, Settlement.PAID_NO_MEMO, memo_id=None, actor="Ada", text="", now=NOW)
    store.inbox.finish(store.inbox.claim("w1", at(61), LEASE_SECONDS), DeliveryState.DONE, at(61))
    later = given.claim(now=at(61))
    given.case(later, event("evt_2", occurred_at=at(60)))
    store.inbox.finish(later, DeliveryState.NEEDS_PERSON, at(61), reason_code="foreign-memo")
    booking = ReadBack(memo={"entity_id": 7}, differences=("total: asked 5, got 6",), reason="is not what was asked")

    named = store.refunds.settle(
        row.id, Settlement.MEMO, memo_id=7, actor="Ada", text="", now=at(70), if_booked=booking
    )

    assert (named.memo_id, named.memo, named.differences) == (7, {"entity_id": 7}, ("total: asked 5, got 6",))
    assert (named.needs_person, named.reason_code, named.reason) == (True, "receipt-differs", "is not what was asked")
    assert store.inbox.claim("w2", at(70), LEASE_SECONDS).delivery.id == later.delivery.id
    assert store.inbox.claim("w2", at(70), LEASE_SECONDS) is None


def test_a_worker_that_is_at_it_loses_to_the_person(store, given):
    claim, _, row = given.unknown()

    store.refunds.settle(row.id, Settlement.PAID_NO_MEMO, memo_id=None, actor="Ada", text="", now=NOW)

    with pytest.raises(LeaseLost):
        store.refunds.mark_resend(claim, row.id, NOW, "no marker")
    assert store.refunds.row(row.id).state is RefundState.DONE


@pytest.mark.parametrize(("decision", "memo_id"), [(Settlement.MEMO, None), (Settlement.NOT_PAID, 7)])
def test_only_a_memo_is_named_and_it_must_be(store, given, decision, memo_id):
    _, _, row = given.unknown()

    with pytest.raises(BadRequest):
        store.refunds.settle(row.id, decision, memo_id=memo_id, actor="Ada", text="", now=NOW)


# --- after the call ---------------------------------------------------------------------------------------------------


def test_the_memo_is_kept_as_it_was_read_back(store, given):
    claim, _, row = given.sending()
    store.refunds.mark_done(claim, row.id, 7, NOW, stock_proven=True)

    store.refunds.save_receipt(row.id, {"grand_total": Decimal("10.10")}, ["shipping: 5 asked, 0 given"], at(1))

    kept = store.refunds.row(row.id)
    assert kept.memo == {"grand_total": "10.10"}
    assert kept.differences == ("shipping: 5 asked, 0 given",)


def test_a_memo_that_is_as_asked_has_no_differences_rather_than_none_known(store, given):
    _, _, row = given.sending()

    store.refunds.save_receipt(row.id, None, (), NOW)

    assert store.refunds.row(row.id).differences == ()


def test_e_mail_and_flags_leave_the_state(store, given):
    _, _, row = given.unknown()

    store.refunds.set_email_state(row.id, "asked", NOW)
    store.refunds.flag(row.id, None, needs_person=True, reason_code="x", reason="look", now=NOW, actor="Ada")

    kept = store.refunds.row(row.id)
    assert (kept.state, kept.email_state, kept.needs_person, kept.reason) == (
        RefundState.UNKNOWN,
        "asked",
        True,
        "look",
    )
    assert store.journal.of(refund_id=row.id)[-1].actor == "Ada"


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (lambda refunds, claim, row: None, True),
        (lambda refunds, claim, row: refunds.mark_unknown(claim, row.id, NOW, at(9), "?"), True),
        (lambda refunds, claim, row: refunds.mark_done(claim, row.id, 7, NOW, stock_proven=True), False),
        (lambda refunds, claim, row: refunds.mark_refused(claim, row.id, NOW, "no"), False),
        (lambda refunds, claim, row: refunds.mark_not_sent(claim, row.id, NOW, "no"), False),
    ],
    ids=["sending", "unknown", "done", "refused", "not sent"],
)
def test_unsettled_is_what_may_have_paid_without_a_memo(store, given, outcome, counts):
    claim, _, row = given.sending()

    outcome(store.refunds, claim, row)

    assert [each.id for each in store.refunds.unsettled("shop", 269)] == ([row.id] if counts else [])
    assert store.refunds.unsettled("other shop", 269) == ()
    assert store.refunds.unsettled("shop", 270) == ()


def test_paid_without_a_memo_stays_unsettled_for_good(store, given):
    _, _, row = given.unknown()

    store.refunds.settle(row.id, Settlement.PAID_NO_MEMO, memo_id=None, actor="Ada", text="", now=NOW)

    assert [each.id for each in store.refunds.unsettled("shop", 269)] == [row.id]


def test_markers_are_known_once_they_may_be_in_magento(store, given):
    claim, _, (row, _) = given.planned(FIRST, SECOND)
    assert store.refunds.known_markers("shop", 269) == frozenset()

    store.refunds.mark_sending(claim, row.id, NOW, "/V1/x")
    assert store.refunds.known_markers("shop", 269) == {FIRST}

    store.refunds.mark_not_sent(claim, row.id, NOW, "no connection")
    assert store.refunds.known_markers("shop", 269) == frozenset()


def test_what_went_out_today_is_summed_exactly(store, given):
    given.unknown()
    claim, _, row = given.sending(order_id=2, increment_id="2", return_id="R2", event_id="e2", instance="b")
    store.refunds.mark_done(claim, row.id, 8, NOW, stock_proven=True)
    claim, _, row = given.sending(order_id=3, increment_id="3", return_id="R3", event_id="e3", instance="c")
    store.refunds.mark_refused(claim, row.id, NOW, "no")
    given.sending(order_id=4, increment_id="4", return_id="R4", event_id="e4", instance="d", store="outlet")

    assert store.refunds.sent_since(NOW, store="main") == (2, Decimal("20.20"))
    assert store.refunds.sent_since(NOW, store="outlet") == (1, Decimal("10.10"))
    assert store.refunds.sent_since(NOW, source="warehouse") == (3, Decimal("30.30"))
    assert store.refunds.sent_since(NOW, source="portal") == (0, Decimal(0))
    assert store.refunds.sent_since(at(1), store="main") == (0, Decimal(0))


def test_lists_are_filtered_and_newest_first(store, given):
    _, case, (first, second, third) = given.planned(FIRST, SECOND, THIRD)
    store.refunds.flag(second.id, None, needs_person=True, reason_code="x", reason="", now=NOW)

    def ids(**wanted):
        return [row.id for row in store.refunds.list(**wanted)]

    assert ids(limit=2) == [third.id, second.id]
    assert ids(before=second.id) == [first.id]
    assert ids(state=RefundState.CHECKING) == [first.id]
    assert ids(needs_person=True) == [second.id]
    assert ids(return_id=case.id + 1) == []
    assert ids(instance="other shop") == []
    assert [row.id for row in store.refunds.of_return(case.id)] == [first.id, second.id, third.id]


def test_a_refund_that_is_not_there_is_named(store):
    with pytest.raises(NotFound, match="ref_9"):
        store.refunds.row(9)


def test_the_journal_tells_a_refund_s_whole_story(store, given):
    claim, _, row = given.unknown()
    store.refunds.mark_done(claim, row.id, 7, NOW, stock_proven=False)

    assert [entry.what for entry in store.journal.of(refund_id=row.id)] == [
        "refund.checking",
        "refund.sending",
        "refund.unknown",
        "refund.done",
    ]


def test_a_verdict_without_refunds_is_saved_as_well(store, given):
    claim, case, row = given.slot()

    store.returns.save_plan(claim, case.id, row.id, plan(verdict=Verdict.WAIT), bodies=(), now=NOW)

    assert store.returns.case(case.id).plan_verdict is Verdict.WAIT
