"""Later looks: planned with the refund, claimed once, and an alarm that is on the refund with the look's end."""

from decimal import Decimal

import pytest

from service.core.drift import Drift, OrderBefore
from service.errors import LeaseLost
from tests.store.examples import LEASE_SECONDS, NOW, at

DRIFT = Drift(code="drift-second-memo", subject="memos", expected="none", found="21 of 34.00 USD")


@pytest.fixture
def done(store, given):
    """A refund that is done, with two looks to come."""
    claim, _, row = given.sending()
    return store.refunds.mark_done(claim, row.id, 20, NOW, stock_proven=True, look_again_at=(at(300), at(86_400)))


def test_looks_are_due_in_their_order_and_not_before_their_time(store, done):
    early = store.checks.claim(at(299), LEASE_SECONDS)
    first = store.checks.claim(at(300), LEASE_SECONDS)
    none = store.checks.claim(at(300), LEASE_SECONDS)

    assert (early, none) == (None, None)
    assert (first.refund_id, first.due_at, first.tries) == (done.id, at(300), 1)
    assert store.checks.next_due() == at(300)


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
