"""What a plan makes of a sender that paid by itself, that counts by receipts, or whose words cannot be believed."""

from dataclasses import replace

import pytest

from service.core.plan import Verdict
from service.core.planning import plan_refunds
from service.core.returns import Doubt, Receipt
from tests.core.builders import (
    BAG,
    TEE,
    a_memo,
    a_policy,
    a_reading,
    a_return,
    an_order,
    came_back,
    line,
    made,
)

ORDER = an_order(line(TEE, "TEE", "22", 3), line(BAG, "BAG", "34"))


def plan_for(approved, reading=None, **more):
    return plan_refunds(approved, reading or a_reading(ORDER), a_policy(), **more)


def notes_of(plan):
    return [(note.rule, note.subject, note.text) for note in plan.notes]


def paid_by_sender():
    return a_return(came_back("TEE", 1), already_refunded=True)


def test_where_the_sender_has_paid_nothing_is_sent_and_the_plan_says_so():
    plan = plan_for(paid_by_sender())

    assert (plan.verdict, plan.refunds) == (Verdict.NOTHING, ())
    assert notes_of(plan) == [
        ("amounts.already_refunded", "return", "the sender has given the money back itself: nothing is sent")
    ]


def test_a_memo_of_ours_beside_the_senders_payment_is_a_persons_to_undo():
    ours = made(a_reading(ORDER), *plan_for(a_return(came_back("TEE", 1))).refunds)

    plan = plan_for(paid_by_sender(), ours)

    (question,) = plan.questions
    assert (plan.verdict, question.code, question.subject) == (Verdict.PERSON, "refunded-twice", "RMA-1001")
    assert f"we have too ({ours.memos[0].increment_id})" in question.text


def test_a_refund_of_ours_whose_outcome_is_unknown_is_one_beside_the_senders_payment():
    (planned,) = plan_for(a_return(came_back("TEE", 1))).refunds

    plan = plan_for(paid_by_sender(), unsettled=[planned.request])

    (question,) = plan.questions
    assert question.code == "refunded-twice"
    assert planned.request.marker in question.text


def test_another_returns_refunds_are_not_ours_beside_the_senders_payment():
    other = a_return(came_back("TEE", 1), return_id="RMA-2")
    (planned,) = plan_for(other).refunds
    others = made(a_reading(ORDER), planned)
    by_hand = replace(others, memos=(*others.memos, a_memo(950, {BAG: 1}, comments=("by hand",))))

    plan = plan_for(paid_by_sender(), by_hand, unsettled=[planned.request])

    assert (plan.verdict, plan.questions) == (Verdict.NOTHING, ())


def test_the_receipts_that_make_up_a_return_are_named():
    receipts = tuple(Receipt(id=each, lines=(came_back("TEE", 1),)) for each in ("rcv-1", "rcv-2"))

    plan = plan_for(a_return(came_back("TEE", 1), came_back("TEE", 1), receipts=receipts))

    assert ("receipts.summed", "return", "2 receipt(s) make up what came back: rcv-1, rcv-2") in notes_of(plan)


def test_where_there_are_no_receipts_none_are_spoken_of():
    assert "receipts.summed" not in [rule for rule, _, _ in notes_of(plan_for(a_return(came_back("TEE", 1))))]


def test_a_doubt_about_what_was_said_holds_the_return_in_its_own_words():
    doubt = Doubt(code="receipt-clash", text="receipt 'rcv-1' says something else in event evt_2 than before")

    plan = plan_for(a_return(came_back("TEE", 1), doubts=(doubt,)))

    (question,) = plan.questions
    assert (plan.verdict, question.code, question.subject) == (Verdict.PERSON, "receipt-clash", "RMA-1001")
    assert question.text == doubt.text


@pytest.mark.parametrize("lines", [(), (came_back("TEE", 1),)], ids=["nothing approved", "all given back"])
def test_a_plan_with_nothing_to_do_says_why_under_one_name(lines):
    reading = made(a_reading(ORDER), *plan_for(a_return(came_back("TEE", 1))).refunds) if lines else None

    plan = plan_for(a_return(*lines), reading)

    rule, subject, text = notes_of(plan)[-1]
    assert (plan.verdict, rule, subject) == (Verdict.NOTHING, "plan.nothing_left", "return")
    assert text.startswith("everything that was approved has been given back" if lines else "nothing is approved")


def test_what_was_given_beyond_what_is_approved_is_said_where_nothing_is_left():
    by_hand = a_reading(ORDER, memos=[a_memo(950, {TEE: 2}, comments=("by hand",))])

    plan = plan_for(a_return(came_back("TEE", 1), answers={950: True}), by_hand)

    assert notes_of(plan)[-1][2].endswith("1 of 'TEE' more than is approved now were given back")


def test_a_memo_of_ours_and_of_another_return_is_ours_too():
    ours, others = (
        plan_for(a_return(came_back("TEE", 1), return_id=each)).refunds[0] for each in ("RMA-1001", "RMA-2")
    )
    both = made(
        a_reading(ORDER),
        replace(ours, request=replace(ours.request, comment=f"{others.request.comment} {ours.request.comment}")),
    )

    (question,) = plan_for(paid_by_sender(), both).questions

    assert question.code == "refunded-twice"
