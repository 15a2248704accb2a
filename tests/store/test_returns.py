from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.core.plan import Note, Question, Verdict
from service.core.returns import OrderReference, ReturnEvent, ReturnLine
from service.errors import Conflict, LeaseLost, NotFound
from service.store import EventClash
from tests.store.examples import LEASE_SECONDS, NOW, at, event, plan


def test_an_event_comes_back_as_it_was_said(store, given):
    said = event(quantity="1.50")
    claim = given.claim()

    case = given.case(claim, said)

    assert case.event == said
    assert str(case.event.lines[0].parts[0].quantity) == "1.50"
    assert store.returns.case(case.id).event == said
    assert store.inbox.delivery(claim.delivery.id).return_id == case.id
    assert store.inbox.delivery(claim.delivery.id).event_id == "evt_1"


def test_an_event_with_nothing_but_what_it_must_have_comes_back_too(store, given):
    said = ReturnEvent(
        event_id="e",
        type="return.approved",
        return_id="R",
        order=OrderReference(entity_id=269),
        lines=(ReturnLine(external_line_id="x", parts=()),),
    )

    assert given.case(given.claim(), said).event == said


def test_the_newest_event_is_the_current_one_in_whatever_order_they_arrive(store, given):
    newest = given.case(given.claim(), event("evt_2", occurred_at=at(20), quantity="2"))
    late = given.case(given.claim(), event("evt_1", occurred_at=at(10), quantity="1"))

    assert newest.is_newest
    assert not late.is_newest
    assert late.id == newest.id
    assert (late.event.event_id, late.event_delivery_id) == ("evt_2", 1)
    assert [each.event.event_id for each in store.returns.events(late.id)] == ["evt_1", "evt_2"]


def test_of_two_events_at_one_moment_the_later_arrival_is_current(store, given):
    given.case(given.claim(), event("evt_1"))

    assert given.case(given.claim(), event("evt_2")).is_newest


def test_an_event_without_a_time_counts_from_its_arrival(store, given):
    given.case(given.claim(received_at=at(-60)), event("evt_1", occurred_at=None))

    newer = given.case(given.claim(), event("evt_2", occurred_at=at(-30)))

    assert newer.is_newest
    assert newer.first_occurred_at == at(-60)


def test_a_sender_s_fast_clock_does_not_hide_memos_made_since(store, given):
    case = given.case(given.claim(), event(occurred_at=at(86_400)))

    assert case.first_occurred_at == NOW


def test_an_event_from_the_future_stands_where_it_arrived(store, given):
    given.case(given.claim(), event("evt_1", occurred_at=at(70 * 365 * 86_400)))

    newer = given.case(given.claim(received_at=at(50), now=at(50)), event("evt_2", occurred_at=at(50), quantity="2"))

    assert newer.is_newest
    assert newer.event.event_id == "evt_2"
    assert [each.occurred_at for each in store.returns.events(newer.id)] == [NOW, at(50)]


def test_a_clock_of_ours_that_was_put_back_hides_no_event(store, given):
    given.case(given.claim(), event("evt_1", occurred_at=at(-10)))

    newer = given.case(given.claim(received_at=at(-3600)), event("evt_2", occurred_at=at(-5), quantity="2"))

    assert newer.is_newest


def test_an_event_from_the_future_that_arrived_first_and_is_read_last_is_the_older_one(store, given):
    first, second = given.claim(), given.claim(received_at=at(10), now=at(10))
    given.case(second, event("evt_2", occurred_at=at(5)))

    read_last = given.case(first, event("evt_1", occurred_at=at(10 * 365 * 86_400)))

    assert not read_last.is_newest


def test_a_clock_that_is_a_little_ahead_still_says_which_event_is_newer(store, given):
    given.case(given.claim(), event("evt_2", occurred_at=at(300)))

    older = given.case(given.claim(received_at=at(50), now=at(50)), event("evt_1", occurred_at=at(290)))

    assert not older.is_newest


def test_a_statement_from_the_future_that_is_made_again_counts_from_its_new_arrival(store, given):
    def said(name, number, quantity):
        ahead = at(10 * 365 * 86_400 + number)
        return replace(event(name, occurred_at=ahead, quantity=quantity), id_is_of_content=True)

    one = given.case(given.claim(), said("one", 1, "1"))
    given.case(given.claim(received_at=at(10), now=at(10)), said("two", 2, "2"))

    repeated = given.case(given.claim(received_at=at(20), now=at(20)), said("one", 1, "1"))
    said_again = given.case(given.claim(received_at=at(30), now=at(30)), said("one", 3, "1"))

    assert repeated.id == said_again.id == one.id
    assert (repeated.is_newest, said_again.is_newest) == (False, True)


def stated(store, given, name, *, arrives, says):
    """A statement known by its content, read as soon as it arrives; is it the newest?"""
    claim = given.claim(received_at=at(arrives), now=at(arrives))
    statement = replace(event(name, occurred_at=at(says)), id_is_of_content=True)
    case = given.case(claim, statement)
    store.inbox.finish(claim, DeliveryState.DONE, at(arrives))
    return case.is_newest


def test_a_statement_made_again_with_a_right_time_counts_although_it_was_from_the_future_before(store, given):
    stated(store, given, "one", arrives=0, says=73 * 365 * 86_400)
    stated(store, given, "two", arrives=10, says=10)

    said_again = stated(store, given, "one", arrives=20, says=20)
    stated(store, given, "two", arrives=30, says=30)
    delivered_again = stated(store, given, "one", arrives=40, says=20)

    assert (said_again, delivered_again) == (True, False)


def test_a_statement_of_a_fast_clock_that_is_delivered_again_is_no_new_one(store, given):
    three_hours = 3 * 3_600
    stated(store, given, "one", arrives=0, says=three_hours)
    stated(store, given, "two", arrives=10, says=10)

    # Not yet to come by now, within what clocks may be apart.
    assert not stated(store, given, "one", arrives=7_000, says=three_hours)


def test_the_same_event_in_another_delivery_is_kept_once(store, given):
    first = given.case(given.claim(), event(quantity="1"))
    same = event(quantity="1.0", occurred_at=NOW.astimezone(timezone(timedelta(hours=1))))

    again = given.case(given.claim(), same)

    assert again.id == first.id
    assert again.is_newest
    assert len(store.returns.events(first.id)) == 1
    assert {each.id for each in store.inbox.list(return_id=first.id)} == {1, 2}


def test_the_same_event_id_with_another_content_names_both_deliveries_and_changes_nothing(store, given):
    before = given.case(given.claim(), event(quantity="1"))

    with pytest.raises(EventClash, match="del_2 than in del_1"):
        given.case(given.claim(), event(quantity="2"))

    assert store.returns.case(before.id) == before
    assert store.inbox.delivery(2).return_id is None


def test_a_delivery_read_again_may_say_something_else(store, given):
    claim = given.claim()
    given.case(claim, event(quantity="1"))

    mended = given.case(claim, event(quantity="2"))

    assert mended.event.lines[0].quantity == Decimal(2)
    assert len(store.returns.events(mended.id)) == 1


def test_a_return_is_known_by_namespace_instance_number_and_order(store, given):
    cases = [
        given.case(given.claim(), event("e1")),
        given.case(given.claim(), event("e2", return_id="RMA-1002")),
        given.case(given.claim(), event("e3", order=OrderReference(entity_id=264))),
        given.case(given.claim(), event("e4"), instance="other shop"),
    ]

    assert len({case.id for case in cases}) == 4
    assert cases[2].order_key == "entity 264"
    assert cases[0].order_key == "#000000264"


def test_a_namespace_stays_what_it_was_at_first_use(store):
    assert store.returns.frozen_namespace("warehouse", "returns", NOW) == "returns"

    assert store.returns.frozen_namespace("warehouse", "renamed", at(1)) == "returns"
    assert store.returns.frozen_namespace("portal", "renamed", at(1)) == "renamed"


def test_a_return_that_is_not_there_is_named(store):
    for look in (
        lambda: store.returns.case(5),
        lambda: store.returns.approve(5, "f", "Ada", NOW),
        lambda: store.returns.flag(5, None, needs_person=False, reason_code="", reason="", now=NOW),
    ):
        with pytest.raises(NotFound, match="ret_5"):
            look()


def test_lists_are_filtered_and_newest_first(store, given):
    _, first, _ = given.planned()
    second = given.case(given.claim(), event("e2", return_id="RMA-2"), store="outlet")
    store.returns.flag(second.id, None, needs_person=True, reason_code="x", reason="look", now=NOW)

    def ids(**wanted):
        return [case.id for case in store.returns.list(**wanted)]

    assert ids() == [second.id, first.id]
    assert ids(limit=1) == [second.id]
    assert ids(before=second.id) == [first.id]
    assert ids(needs_person=True) == [second.id]
    assert ids(needs_person=False) == [first.id]
    assert ids(store="outlet") == [second.id]
    assert ids(source="portal") == []
    assert ids(verdict=Verdict.REFUND) == [first.id]


def test_a_flag_says_why_and_who(store, given):
    claim = given.claim()
    case = given.case(claim)

    store.returns.flag(case.id, claim, needs_person=True, reason_code="mode", reason="no rule for klarna", now=NOW)
    flagged = store.returns.case(case.id)
    store.returns.flag(case.id, None, needs_person=False, reason_code="", reason="looked", now=NOW, actor="Ada")

    assert (flagged.needs_person, flagged.reason_code, flagged.reason) == (True, "mode", "no rule for klarna")
    assert not store.returns.case(case.id).needs_person
    assert [(e.what, e.actor) for e in store.journal.of(return_id=case.id)[-2:]] == [
        ("return.flagged", "worker"),
        ("return.flagged", "Ada"),
    ]


def test_a_worker_that_was_overtaken_flags_nothing(store, given):
    claim = given.claim()
    case = given.case(claim)
    store.inbox.claim("w2", at(LEASE_SECONDS), LEASE_SECONDS)

    with pytest.raises(LeaseLost):
        store.returns.flag(case.id, claim, needs_person=True, reason_code="x", reason="x", now=NOW)

    assert not store.returns.case(case.id).needs_person


def test_a_yes_is_to_the_plan_that_was_looked_at(store, given):
    _, case, _ = given.planned()
    fingerprint = store.returns.case(case.id).plan_fingerprint
    assert not store.returns.case(case.id).is_approved

    with pytest.raises(Conflict, match=f"the plan 0123, but ret_1 now has {fingerprint}"):
        store.returns.approve(case.id, "0123", "Ada", at(1))
    assert store.returns.case(case.id).approved_fingerprint is None
    store.returns.approve(case.id, fingerprint, "Ada", at(1))

    approved = store.returns.case(case.id)
    assert approved.is_approved
    assert (approved.approved_by, approved.approved_at) == ("Ada", at(1))
    assert store.journal.of(return_id=case.id)[-1].actor == "Ada"


def test_a_return_without_a_plan_cannot_be_approved(store, given):
    case = given.case(given.claim())

    with pytest.raises(Conflict, match="now has none"):
        store.returns.approve(case.id, "0123", "Ada", NOW)


def test_answers_about_memos_are_kept_and_can_be_corrected(store, given):
    case = given.case(given.claim())

    store.returns.answer_memo(case.id, 7, is_this_return=True, actor="Ada", now=NOW)
    store.returns.answer_memo(case.id, 8, is_this_return=False, actor="Ada", now=NOW)
    store.returns.answer_memo(case.id, 7, is_this_return=False, actor="Bo", now=at(1))

    assert store.returns.case(case.id).memo_answers == {7: False, 8: False}
    assert store.journal.of(return_id=case.id)[-1].text == "credit memo 7 is something else"


def test_a_plan_is_kept_whole(store, given):
    _, case, rows = given.planned("RR-AAAAAAAAAAAAAAAA-01R", "RR-AAAAAAAAAAAAAAAA-02N")

    saved = store.returns.case(case.id)

    assert saved.plan["verdict"] == "refund"
    assert saved.plan["base_total"] == "20.20"
    assert saved.plan["fingerprint"] == saved.plan_fingerprint
    assert saved.plan["refunds"][0]["request"]["items"] == [{"order_item_id": 510, "qty": "1"}]
    assert saved.plan["refunds"][0]["body"] == {"items": [{"order_item_id": 510, "qty": 1}]}
    assert (saved.plan_verdict, saved.planned_at) == (Verdict.REFUND, NOW)
    assert (saved.order_entity_id, saved.order_increment_id) == (269, "000000264")
    assert saved.plan["refunds"][1]["request"]["marker"] == rows[1].marker


def test_notes_and_questions_are_shown_with_the_plan(store, given):
    claim, case, row = given.slot()
    asks = replace(
        plan(verdict=Verdict.PERSON),
        notes=(Note(rule="mode", subject="klarna", text="is in no list"),),
        questions=(Question(code="mode", subject="klarna", text="how?", candidates=("online", "offline")),),
    )

    store.returns.save_plan(claim, case.id, row.id, asks, bodies=(), now=NOW)

    shown = store.returns.case(case.id).plan
    assert shown["notes"] == [{"rule": "mode", "subject": "klarna", "text": "is in no list"}]
    assert shown["questions"][0]["candidates"] == ["online", "offline"]
