"""A database that forgot what it sent: nothing moves twice, and online nothing moves before a person has compared."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.core.policy import SourcePolicy
from service.core.returns import Quantities
from service.errors import Conflict
from service.flow import answers
from service.flow.forgotten import accept_forgotten, search_forgotten
from service.store import backup, open_store, restore
from tests.flow.world import MONDAY, World, dollars

OFFLINE, ONLINE, TWO_INVOICES = "000000101", "000000102", "000000106"
BAG = "24-MB01"
BEHIND = (DeliveryState.NEEDS_PERSON, "database-behind")
NOTHING_LEFT = (DeliveryState.DONE, "nothing-left")
REFUNDED = (DeliveryState.DONE, "refunded")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


#: Three returns: before the copy, after it, and never heard of by the service that made the copy.
BEFORE = {"order": ONLINE, "line": (BAG, 1), "return_id": "RMA-1"}
SINCE = {"order": ONLINE, "line": (BAG, 1), "return_id": "RMA-2"}
SINCE_OFFLINE = {"order": OFFLINE, "line": ("WS12-M-Orange", 1), "return_id": "RMA-3"}
NEW = {"order": TWO_INVOICES, "line": ("24-WG085", 1), "return_id": "RMA-4"}


def say(world, said):
    """As the sender says it, and says it again: the same delivery, event and time."""
    name = said.get("name", said["return_id"])
    return world.say(
        said["order"],
        said["line"],
        return_id=said["return_id"],
        event_id=f"evt-{name}",
        delivery_id=f"msg-{name}",
        occurred_at=MONDAY.isoformat(),
        **said.get("more", {}),
    )


def go_back(world, *, hours=2, since=(SINCE, SINCE_OFFLINE)):
    """Copy, refund some more, lose the disk, and begin again from the copy; the store remembers everything."""
    say(world, BEFORE)
    world.work()
    copy = world.tmp_path / "copy.db"
    backup(world.url, copy)
    for said in since:
        say(world, said)
    world.work()
    world.clock.advance(hours * 3600)
    world.runtime.store.close()
    world.url = f"sqlite:///{world.tmp_path}/again/refundry.db"
    world.settings = replace(world.settings, service=replace(world.settings.service, database_url=world.url))
    instances = [store.instance for store in world.settings.stores.values()]
    restore(world.url, copy, actor="anna", now=world.clock(), instances=instances)
    world.runtime = world.new_process()
    world.requests.clear()


def test_an_old_copy_and_everything_said_again_moves_nothing_twice(world):
    go_back(world)

    again = [say(world, said) for said in (BEFORE, SINCE, SINCE_OFFLINE)]
    for received in again:
        answers.replay(world.runtime, received.delivery_id, "anna")
    world.work()

    assert world.posts() == []
    assert [world.state(each) for each in again] == [NOTHING_LEFT] * 3
    assert world.paid_back(ONLINE) == dollars(34, 34)
    assert len(world.memos(OFFLINE)) == 1


def test_online_refunds_wait_until_what_was_forgotten_is_accepted(world):
    go_back(world)
    new = say(world, NEW)
    world.work()
    before = world.state(new)

    (search,) = search_forgotten(world.runtime, "anna")
    world.work()
    searched = world.state(new)
    (accepted,) = accept_forgotten(world.runtime, "anna")
    world.work()

    assert (before, searched, world.state(new)) == (BEHIND, BEHIND, REFUNDED)
    assert accepted.woken == 1
    assert world.runtime.store.guards.all() == ()
    assert [each.what for each in world.runtime.store.journal.of()].count("guard.accepted") == 1
    assert (search.memos, len(search.forgotten), search.missing) == (3, 2, ())


def test_after_it_was_accepted_the_order_prevents_doubles_by_itself(world):
    go_back(world)
    search_forgotten(world.runtime, "anna")
    accept_forgotten(world.runtime, "anna")

    again = [say(world, said) for said in (BEFORE, SINCE, SINCE_OFFLINE)]
    world.work()

    assert [world.state(each) for each in again] == [REFUNDED, NOTHING_LEFT, NOTHING_LEFT]
    assert world.posts() == []
    assert world.runtime.store.guards.all() == ()


def test_more_of_a_forgotten_return_is_refunded_and_no_more_than_that(world):
    go_back(world)
    search_forgotten(world.runtime, "anna")
    accept_forgotten(world.runtime, "anna")

    more = world.say(ONLINE, (BAG, 2), return_id="RMA-2", event_id="evt-more")
    world.work()

    assert world.state(more) == REFUNDED
    assert world.paid_back(ONLINE) == dollars(34, 34, 34)
    assert [body["items"][0]["qty"] for _, body in world.posts()] == [1]


def test_offline_refunds_do_not_wait(world):
    go_back(world)

    offline = world.say("000000103", ("MH01-XL-Gray", 1), return_id="RMA-5")
    world.work()

    assert world.state(offline) == REFUNDED


def test_one_refund_can_be_approved_by_itself(world):
    go_back(world)
    new = say(world, NEW)
    world.work()
    case = world.runtime.store.returns.case(world.delivery(new).return_id)

    world.clock.advance(1)
    answers.approve(world.runtime, case.id, case.plan_fingerprint, "anna")
    world.work()

    assert world.state(new) == REFUNDED
    assert len(world.runtime.store.guards.all()) == 1


def test_a_yes_of_the_same_moment_is_none_since(world):
    go_back(world)
    new = say(world, NEW)
    world.work()
    case = world.runtime.store.returns.case(world.delivery(new).return_id)

    assert [guard.set_at for guard in world.runtime.store.guards.all()] == [world.clock()]
    world.runtime.store.returns.approve(case.id, case.plan_fingerprint, "anna", world.clock())
    answers.retry(world.runtime, case.id, "anna")
    world.work()

    assert world.state(new) == BEHIND


def test_a_yes_that_the_copy_remembers_is_no_yes_to_sending_again(tmp_path):
    """Approved, copied, paid without a memo, restored: the copy would send it a second time."""
    world = World(tmp_path, policy_changes={"review_amount_over": Decimal(10)})
    waiting = say(world, NEW)
    world.work()
    case = world.runtime.store.returns.case(world.delivery(waiting).return_id)
    world.runtime.store.returns.approve(case.id, case.plan_fingerprint, "anna", world.clock())
    go_back(world)

    answers.retry(world.runtime, case.id, "anna")
    world.work()

    assert world.state(waiting) == BEHIND
    assert world.paid_back(TWO_INVOICES) == []


def test_an_empty_database_is_found_out_by_the_first_order_it_reads(world):
    say(world, BEFORE)
    say(world, SINCE_OFFLINE)
    world.work()
    world.runtime.store.close()
    start_empty(world)

    offline = say(world, SINCE_OFFLINE)
    online = say(world, NEW)
    world.work()

    assert world.state(offline) == NOTHING_LEFT
    assert world.state(online) == BEHIND
    assert [(subject, code) for subject, code, _ in world.people.told] == [
        ("store main", "database-behind"),
        (f"del_{online.delivery_id}", "database-behind"),
    ]
    (search,) = search_forgotten(world.runtime, "anna")
    assert (search.since, len(search.forgotten)) == (None, 2)


def start_empty(world):
    from service.store import migrate  # noqa: PLC0415 -- stands beside its only use

    world.url = f"sqlite:///{world.tmp_path}/empty/refundry.db"
    migrate(world.url)
    world.settings = replace(world.settings, service=replace(world.settings.service, database_url=world.url))
    world.runtime = world.new_process()


def test_a_search_finds_out_by_itself_that_something_was_forgotten(world):
    say(world, BEFORE)
    world.work()
    start_empty(world)

    search_forgotten(world.runtime, "anna")

    assert len(world.runtime.store.guards.all()) == 1


def test_a_forgotten_memo_is_shown_with_the_return_that_the_copy_knows(world):
    """A part that was refunded since the copy belongs to a return that stands in it."""
    go_back(world)
    knows = say(world, SINCE)
    world.work()

    (search,) = search_forgotten(world.runtime, "anna")

    assert {each.return_id for each in search.forgotten} == {world.delivery(knows).return_id, None}


def test_a_search_shows_what_magento_lost(world):
    say(world, BEFORE)
    world.work()
    (row,) = world.refunds()
    del world.sandbox.shop.memos[row.memo_id]

    (search,) = search_forgotten(world.runtime, "anna")

    assert [missing.id for missing in search.missing] == [row.id]
    assert search.guard is None


def test_a_database_that_knows_everything_holds_nothing_back(world):
    say(world, BEFORE)
    world.work()

    (search,) = search_forgotten(world.runtime, "anna")

    assert (search.memos, search.forgotten, search.guard) == (1, (), None)
    with pytest.raises(Conflict, match="nothing to accept"):
        accept_forgotten(world.runtime, "anna")


def test_nothing_is_accepted_unseen(world):
    go_back(world)

    with pytest.raises(Conflict, match="run refundry reconcile"):
        accept_forgotten(world.runtime, "anna")


def test_a_store_that_cannot_be_read_leaves_the_guard_and_says_so(world):
    go_back(world)
    world.fault("GET * maintenance")

    (search,) = search_forgotten(world.runtime, "anna")

    assert search.problem
    with pytest.raises(Conflict):
        accept_forgotten(world.runtime, "anna")


def test_what_turns_up_after_the_acceptance_holds_everything_back_again(world):
    go_back(world)
    search_forgotten(world.runtime, "anna")
    accept_forgotten(world.runtime, "anna")
    an_old_service_is_still_running(world)

    new = say(world, NEW)
    late = world.say("000000101", ("WS12-M-Orange", 1), return_id="RMA-3", event_id="evt-late")
    world.work()
    answers.replay(world.runtime, new.delivery_id, "anna")
    world.work()

    assert world.state(late)[0] is DeliveryState.DONE
    assert len(world.runtime.store.guards.all()) == 1


def an_old_service_is_still_running(world):
    memo = world.memos(OFFLINE)[0]
    for comment in memo["comments"]:
        comment["comment"] = comment["comment"].replace("-01R", "-07R")


def test_the_restored_database_keeps_what_was_known_at_the_copy(world):
    go_back(world)

    store = open_store(world.url)

    assert [row.state for row in store.refunds.list()] == ["done"]
    store.close()


# --- receipts, each of which is told once -----------------------------------------------------------------------------


def receipt(order, line, number):
    """Receipt `number` of one return."""
    more = {"receipt_id": f"rec-{number}"}
    return {"order": order, "line": line, "return_id": "RMA-7", "name": f"receipt-{number}", "more": more}


@pytest.mark.parametrize(("order", "sku"), [(ONLINE, BAG), ("000000103", "MH01-XL-Gray")], ids=["online", "offline"])
def test_a_return_of_receipts_waits_until_those_that_were_forgotten_are_there_again(tmp_path, order, sku):
    world = World(tmp_path, source_changes={"policy": SourcePolicy(quantities=Quantities.DELTA)})
    forgotten, new = receipt(order, (sku, 1), 1), receipt(order, (sku, 1), 2)
    go_back(world, since=(forgotten,))

    received = say(world, new)
    world.work()
    waits, reason = world.state(received), world.delivery(received).reason
    say(world, forgotten)
    world.work()
    search_forgotten(world.runtime, "anna")
    accept_forgotten(world.runtime, "anna")
    world.work()

    assert waits == BEHIND
    assert "have it deliver again what it sent since the copy" in reason
    assert [body["items"][0]["qty"] for _, body in world.posts()] == [1]
    assert sum(item["qty"] for memo in world.memos(order) for item in memo["items"] if item["sku"] == sku) >= 2


def test_a_return_of_receipts_that_somebody_said_yes_to_is_done_once_it_is_given_back(tmp_path):
    world = World(tmp_path, source_changes={"policy": SourcePolicy(quantities=Quantities.DELTA)})
    go_back(world, since=())
    received = say(world, receipt(TWO_INVOICES, ("24-WG085", 1), 1))
    world.work()
    case = world.runtime.store.returns.case(world.delivery(received).return_id)
    world.clock.advance(1)
    world.fault("POST */invoice/*/refund lost-after times=1")

    answers.approve(world.runtime, case.id, case.plan_fingerprint, "anna")
    world.work_until_idle()

    assert world.state(received) == NOTHING_LEFT
    assert len(world.paid_back(TWO_INVOICES)) == 1
