"""Lost answers: when a look proves that there is no memo, and what a person's word about one is worth."""

import json

import pytest

from service.core.lifecycle import DeliveryState, RefundState
from service.flow import answers
from service.sandbox.http import Request
from service.store import Settlement
from tests.flow.world import World, dollars

ONLINE = "000000102"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def refund_by_hand(world, quantity):
    """Staff give back units of the online order's only line, and the money with them; the memo's id."""
    order_id = world.orders[ONLINE]
    invoice = next(each for each in world.sandbox.shop.invoices.values() if each["order_id"] == order_id)
    body = {
        "isOnline": True,
        "items": [{"order_item_id": world.item(ONLINE, "24-MB01"), "qty": quantity}],
        "arguments": {"shipping_amount": 0},
    }
    path = f"/rest/default/V1/invoice/{invoice['entity_id']}/refund"
    answer = world.sandbox.handle(
        Request(method="POST", path=path, headers=world.sandbox.bearer(), body=json.dumps(body).encode())
    )
    assert answer.status == 200, answer.body
    return int(json.loads(answer.body))


def test_a_look_that_began_too_early_proves_nothing_however_late_it_is_answered(world):
    sent_to_settled = world.settings.stores["main"].refund_read_timeout_seconds + 300
    world.answer_late(sent_to_settled - 5)
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work()
    settle_at = world.refunds()[0].settle_at

    world.clock.now = settle_at
    world.clock.advance(-10)
    answers.replay(world.runtime, received.delivery_id, "night shift")
    world.fault("GET */creditmemos latency seconds=20 times=1")
    world.work()

    assert world.clock.now > settle_at
    assert world.state(received) == (DeliveryState.WAITING, "unknown")
    world.work_until_idle()
    assert world.state(received)[0] is DeliveryState.DONE
    assert world.paid_back(ONLINE) == dollars(68)


def test_a_memo_that_a_person_names_is_this_returns_and_is_not_asked_about_again(world):
    world.fault("POST */invoice/*/refund lost-before times=1")
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()
    memo_id = refund_by_hand(world, 2)

    row = world.refunds()[0]
    answers.settle(world.runtime, row.id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()

    assert world.refunds()[0].state is RefundState.DONE
    assert world.state(received) == (DeliveryState.DONE, "nothing-left")
    assert world.paid_back(ONLINE) == dollars(68)


def test_a_memo_that_a_person_names_is_still_compared(world):
    world.fault("POST */invoice/*/refund lost-before times=1")
    received = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()
    memo_id = refund_by_hand(world, 1)

    answers.settle(world.runtime, world.refunds()[0].id, Settlement.MEMO, "anna", memo_id=memo_id)
    world.work_until_idle()

    assert world.state(received) == (DeliveryState.NEEDS_PERSON, "receipt-differs")
    assert "quantity" in world.delivery(received).reason
