"""The judge of a schedule finds what it is there to find: each kind of finding, once it has been made to happen."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.settings import Mode
from tests.simulation.history import check
from tests.simulation.shop import BAG, OFFLINE, ONLINE
from tests.simulation.story import HandRefund, Message, Story
from tests.simulation.world import Paid, World


def played(lab, order):
    said = Message(
        at_seconds=0, key="msg_1", event_id="evt_1", return_id="RMA-1", order=order, lines=((BAG, 1, "sellable"),)
    )
    world = World(lab, Story(name="plain", seed="plain", magento_version="2.4.1", messages=(said,)))
    world.run()
    return world


def found(world):
    return [finding.what for finding in check(world)]


@pytest.mark.parametrize("order", [OFFLINE, ONLINE])
def test_nothing_is_found_where_nothing_is_wrong(lab, order):
    assert check(played(lab, order)) == ()


def test_a_second_memo_with_our_marker_is_doubled(lab):
    world = played(lab, OFFLINE)
    shop = world.sandbox.shop
    ours = shop.memos[max(shop.memos)]

    shop.memos[99] = {**ours, "entity_id": 99}

    assert found(world) == ["doubled"]


def test_a_second_payment_without_a_memo_is_doubled(lab):
    world = played(lab, ONLINE)

    world.log.paid.append(Paid(order=ONLINE, amount=Decimal(34), client="worker-1.1"))

    assert found(world) == ["doubled", "books"]


def test_an_acknowledged_message_that_is_not_kept_is_lost(lab):
    world = played(lab, OFFLINE)

    world.log.acknowledged.append(replace(world.story.messages[0], key="msg_2"))

    assert found(world) == ["lost"]


def test_a_memo_that_is_gone_while_nobody_is_asked_is_lost(lab):
    world = played(lab, OFFLINE)
    shop = world.sandbox.shop

    del shop.memos[max(shop.memos)]

    assert found(world) == ["lost", "books"]


def test_a_delivery_that_ends_neither_done_nor_with_a_person_is_stuck(lab):
    before = lab.settings
    lab.settings = replace(before, stores={"main": replace(before.stores["main"], mode=Mode.SHADOW)})
    try:
        world = played(lab, OFFLINE)
    finally:
        lab.settings = before

    assert "stuck" in found(world)


def test_a_call_after_a_readable_memo_made_by_hand_is_doubled(lab):
    world = played(lab, OFFLINE)
    world.story = replace(world.story, hand_refunds=(HandRefund(order=OFFLINE, sku=BAG),))
    (call,) = world.log.calls

    world.log.hand_memos.append((call.order, call.read - 1))

    assert call.sent > call.read
    assert found(world) == ["doubled"]


def test_a_memo_made_by_hand_since_the_reading_wants_an_alarm(lab):
    world = played(lab, OFFLINE)
    world.story = replace(world.story, hand_refunds=(HandRefund(order=OFFLINE, sku=BAG),))
    (call,) = world.log.calls
    row = world.refunds[0]

    world.log.hand_memos.append((call.order, call.read + 0.5))
    unseen = found(world)
    world.refunds = (replace(row, needs_person=True, reason_code="drift-at-once"),)

    assert unseen == ["doubled"]
    assert found(world) == []


@pytest.mark.parametrize(
    ("change", "text"), [({"base_grand_total": Decimal(500)}, "gives 500"), ({"comments": []}, "no return's marker")]
)
def test_a_memo_of_ours_that_is_worth_something_else_or_is_nobodys_is_found(lab, change, text):
    world = played(lab, OFFLINE)
    memo = world.sandbox.shop.memos[world.log.calls[0].memo_id]

    memo.update(change)

    assert any(finding.what == "books" and text in finding.text for finding in check(world))
