"""The official tutorial's last step, and its flat-rate variant, on the very orders that were recorded from a Magento.

The canonical event for the recorded order must make exactly the recorded call; only our comment is added.
"""

import json
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.core.policy import ShippingRule, ShippingRuleKind
from service.sandbox.store import SandboxStore
from tests.flow.world import World
from tests.recordings import FOLDER

PER_UNIT = {"shipping": {"flatrate_flatrate": ShippingRule(kind=ShippingRuleKind.PER_UNIT, amount=Decimal("5.00"))}}

CASES = [
    ("public/tutorial-refund-simple.json", {}),
    ("public-2.4.6/tutorial-refund-simple.json", {}),
    ("public/shipping-flatrate-5.json", PER_UNIT),
]


def world_of(recording, tmp_path, policy):
    world = World(tmp_path, policy_changes=policy, specs=())
    world.sandbox = SandboxStore.from_documents(
        recording["before"],
        recording["store"],
        recording["setup"],
        recording["magento_version"],
        now=world.seconds,
    )
    return world


@pytest.mark.parametrize(("file", "policy"), CASES, ids=[file for file, _ in CASES])
def test_the_canonical_event_makes_exactly_the_recorded_call(file, policy, tmp_path):
    if not (FOLDER / file).is_file():
        pytest.skip(f"not run: there is no {file} at {FOLDER} (REFUNDRY_RECORDINGS)")
    recording = json.loads((FOLDER / file).read_text(), parse_float=Decimal)
    order = recording["before"]["orders"][0]
    recorded = next(each["request"] for each in recording["exchanges"] if each["request"]["method"] == "POST")
    (asked,) = recorded["body"]["items"]
    sku = next(item["sku"] for item in order["items"] if item["item_id"] == asked["order_item_id"])
    goes_back = "extension_attributes" in recorded["body"]["arguments"]
    world = world_of(recording, tmp_path, policy)
    world.clock.advance(86_400)

    received = world.say(
        order["increment_id"], (sku, asked["qty"], "sellable" if goes_back else "damaged"), currency="USD"
    )
    world.work()

    ((path, body),) = world.posts()
    (memo,) = [memo for memo in world.memos() if memo["order_id"] == order["entity_id"]]
    comment = body.pop("comment")
    assert path == f"/rest/default/V1/order/{order['entity_id']}/refund"
    assert body == recorded["body"]
    assert comment == {"comment": f"Return RMA-1001 (warehouse) {world.refunds()[0].marker}", "is_visible_on_front": 0}
    assert world.state(received)[0] is DeliveryState.DONE
    assert world.refunds()[0].memo_id == memo["entity_id"]
