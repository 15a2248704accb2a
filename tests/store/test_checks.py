"""Later looks: planned with the refund, claimed once, and an alarm that is on the refund with the look's end."""

from decimal import Decimal

import pytest

from service.core.drift import Drift, OrderBefore
from service.errors import LeaseLost
from service.store import Settlement
from tests.store.examples import LEASE_SECONDS, NOW, at, plan
from tests.store.test_guards import FORGOTTEN

DRIFT = Drift(code="drift-second-memo", subject="memos", expected="none", found="21 of 34.00 USD")


@pytest.fixture
def done(store, given):
    """A refund that is done, with two looks to come."""
    claim, _, row = given.sending()
    return store.refunds.mark_done(claim, row.id, 20, NOW, stock_proven=True, look_again_at=(at(300), at(86_400)))


def on_the_order(store):
    return store.checks.ours("shop", 269)


def test_memos_are_ours_by_their_number_once_their_refund_is_done(store, given, done):
    given.planned("RR-AAAAAAAAAAAAAAAA-02N", return_id="R2", event_id="e2")

    assert on_the_order(store) == (frozenset({20}), frozenset())
    assert store.checks.ours("other shop", 269) == (frozenset(), frozenset())
    assert store.checks.ours("shop", 270) == (frozenset(), frozenset())


def in_flight(_refunds, _claim, _row):
    pass


def not_known(refunds, claim, row):
    refunds.mark_unknown(claim, row.id, NOW, at(300), "time-out")


def to_be_sent_again(refunds, claim, row):
    not_known(refunds, claim, row)
    refunds.mark_resend(claim, row.id, NOW, "not found")


def paid_without_a_memo(refunds, claim, row):
    not_known(refunds, claim, row)
    refunds.settle(row.id, Settlement.PAID_NO_MEMO, memo_id=None, actor="Ada", text="", now=NOW)


def refused(refunds, claim, row):
    refunds.mark_refused(claim, row.id, NOW, "no")


def not_sent(refunds, claim, row):
    refunds.mark_not_sent(claim, row.id, NOW, "no connection")


@pytest.mark.parametrize(
    ("became", "is_awaited"),
    [
        (in_flight, True),
        (not_known, True),
        (to_be_sent_again, True),
        (paid_without_a_memo, True),
        (refused, False),
        (not_sent, False),
    ],
)
def test_a_marker_is_awaited_while_its_memo_may_still_be_found(store, given, became, is_awaited):
    claim, _, row = given.sending()

    became(store.refunds, claim, row)

    assert on_the_order(store) == (frozenset(), frozenset({row.marker} if is_awaited else ()))


def test_what_was_put_aside_for_another_refund_is_not_awaited(store, given):
    claim, case, row = given.unknown()
    store.refunds.mark_resend(claim, row.id, NOW, "not found")
    slot = store.refunds.take_slot(claim, case, case.order, NOW)

    store.returns.save_plan(claim, case.id, slot.id, plan("RR-AAAAAAAAAAAAAAAA-02N"), bodies=({},), now=NOW)

    assert store.refunds.row(row.id).superseded
    assert on_the_order(store) == (frozenset(), frozenset())


def test_what_was_forgotten_is_ours_once_somebody_accepts_it(store):
    store.guards.set("shop", "restored", NOW)
    store.guards.keep_found("shop", [FORGOTTEN], "Ada", NOW)
    before = on_the_order(store)

    store.guards.accept("shop", "Ada", NOW)

    assert (before.memos, on_the_order(store).memos) == (frozenset(), {FORGOTTEN.memo_id})


def test_looks_are_due_in_their_order_and_not_before_their_time(store, done):
    early = store.checks.claim(at(299), LEASE_SECONDS)
    first = store.checks.claim(at(300), LEASE_SECONDS)
    none = store.checks.claim(at(300), LEASE_SECONDS)

    assert (early, none) == (None, None)
    assert (first.refund_id, first.due_at, first.tries) == (done.id, at(300), 1)
    assert store.checks.next_due() == at(300)


def test_a_look_that_a_clock_that_ran_ahead_holds_is_not_waited_for(store, done):
    first = store.checks.claim(at(30 * 86_400), LEASE_SECONDS)

    assert store.checks.claim(at(300), LEASE_SECONDS).id == first.id


def test_a_look_that_was_made_does_not_come_again(store, done):
    store.checks.finish(store.checks.claim(at(300), LEASE_SECONDS), (), at(301))

    first, second = store.checks.of(done.id)

    assert (first.due_at, first.looked_at, first.drifts) == (None, at(301), ())
    assert second.due_at == at(86_400)
    assert store.checks.claim(at(400), LEASE_SECONDS) is None


def test_a_look_that_could_not_be_made_comes_again_and_counts_its_tries(store, done):
    store.checks.postpone(store.checks.claim(at(300), LEASE_SECONDS), at(310), "maintenance")

    again = store.checks.claim(at(310), LEASE_SECONDS)

    assert (again.tries, again.said) == (2, "maintenance")


def test_a_worker_that_died_over_a_look_loses_it_when_its_lease_ends(store, done):
    died = store.checks.claim(at(300), LEASE_SECONDS)
    taken_over = store.checks.claim(at(300 + LEASE_SECONDS), LEASE_SECONDS)

    assert taken_over.id == died.id
    with pytest.raises(LeaseLost):
        store.checks.alarm(died, (DRIFT,), at(400), code=DRIFT.code, text=str(DRIFT))
    assert not store.refunds.row(done.id).needs_person


def test_an_alarm_is_on_the_refund_and_in_the_journal(store, done):
    check = store.checks.claim(at(300), LEASE_SECONDS)

    store.checks.alarm(check, (DRIFT,), at(301), code=DRIFT.code, text=str(DRIFT))

    row = store.refunds.row(done.id)
    assert (row.needs_person, row.reason_code, row.reason) == (True, DRIFT.code, str(DRIFT))
    assert store.checks.of(done.id)[0].drifts == (DRIFT,)
    assert store.journal.of(refund_id=done.id)[-1].what == "refund.drifted"


def test_what_the_order_said_before_the_call_is_kept_with_the_refund(store, given):
    before = OrderBefore(read_at=NOW, memo_ids=(10, 11), refunded=Decimal("5.00"), offline_refunded=Decimal(0))
    claim, _, (row, *_) = given.planned()

    store.refunds.mark_sending(claim, row.id, NOW, "/V1/order/269/refund", before=before)

    assert store.refunds.row(row.id).order_before == before
