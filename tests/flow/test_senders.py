"""From a sender's own body, signed as that sender signs, to the credit memo."""

from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.flow.receive import receive
from service.sources import Incoming, sign
from tests.flow.world import World
from tests.sources.senders import body_of, headers_of, source_of

TEES = "000000115"
SKU = "WS12-M-Orange"


class Sender:
    """One of the presets around the sandbox store: it posts its samples."""

    def __init__(self, tmp_path, kind):
        source = source_of(kind)
        settings = ("kind", "secrets", "auth", "policy", "map", "envelope", "success_status", "success_body")
        self.kind, self.source = kind, source
        self.world = World(tmp_path, source_changes={name: getattr(source, name) for name in settings})

    def post(self, name, *replaced, delivery_id="msg_1"):
        """`replaced` are (old, new) within the sample."""
        raw = body_of(self.kind, name)
        for old, new in replaced:
            assert old.encode() in raw
            raw = raw.replace(old.encode(), new.encode())
        signed = sign(self.source, raw, self.world.clock.now, delivery_id)
        names = {header.lower() for header, _ in signed}
        sent = [pair for pair in headers_of(self.kind, name) if pair[0] not in names]
        received = receive(self.world.runtime, "warehouse", Incoming(raw=raw, headers=[*signed, *sent]))
        self.world.work()
        return received

    def memo_lines(self):
        """[(sku, units)] of every memo, parents and their parts once."""
        return [
            [(item["sku"], Decimal(str(item["qty"]))) for item in memo["items"] if item["qty"]]
            for memo in self.world.memos()
        ]


@pytest.fixture
def sender(tmp_path):
    return lambda kind: Sender(tmp_path, kind)


@pytest.mark.parametrize(
    ("kind", "name", "calls", "total"),
    [
        # Two tees at 22.00, a fifth off, 8.25 % tax: 38.11; Loop keeps its handling fee back.
        ("loop", "closed", [2], "33.16"),
        ("aftership", "resolved", [2], "38.11"),
        ("shiphero", "partly-received", [1], "19.05"),
        ("shipbob", "completed", [2], "38.11"),
        ("narvar", "delivered", [2], "38.11"),
        ("shipmonk", "graded", [2], "38.11"),
        ("returngo", "transaction", [2], "38.11"),
        ("rich-returns", "completed", [2], "33.16"),
    ],
)
def test_what_a_sender_approves_becomes_a_credit_memo(sender, kind, name, calls, total):
    there = sender(kind)

    received = there.post(name)

    assert there.world.state(received) == (DeliveryState.DONE, "refunded")
    assert there.memo_lines() == [[(SKU, Decimal(units))] for units in calls]
    assert sum(Decimal(str(memo["grand_total"])) for memo in there.world.memos()) == Decimal(total)


@pytest.mark.parametrize(
    ("kind", "name"), [("loop", "opened"), ("aftership", "approved"), ("shiphero", "test"), ("shipbob", "created")]
)
def test_what_only_announces_a_return_moves_nothing(sender, kind, name):
    there = sender(kind)

    received = there.post(name)

    assert there.world.state(received) == (DeliveryState.IGNORED, "ignored")
    assert there.world.memos() == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("loop", "closed-without-refund"),
        ("shipbob", "undelivered"),
        ("shipmonk", "blind"),
        ("rich-returns", "percentage"),
    ],
)
def test_what_is_more_than_money_back_is_a_person_s(sender, kind, name):
    there = sender(kind)

    received = there.post(name)

    assert there.world.state(received)[0] is DeliveryState.NEEDS_PERSON
    assert there.world.memos() == []


def test_more_units_received_later_are_refunded_as_the_difference(sender):
    there = sender("shiphero")
    first = there.post("expected")
    there.post("partly-received", delivery_id="msg_2")

    there.post("partly-received", ('"quantity_received": 1', '"quantity_received": 2'), delivery_id="msg_3")

    assert there.world.state(first) == (DeliveryState.DONE, "nothing-left")
    assert there.memo_lines() == [[(SKU, Decimal(1))], [(SKU, Decimal(1))]]


def test_units_that_a_warehouse_takes_back_after_the_refund_are_a_person_s(sender):
    there = sender("shiphero")
    there.post("partly-received")

    lowered = there.post("partly-received", ('"quantity_received": 1', '"quantity_received": 0'), delivery_id="msg_2")

    assert there.world.state(lowered)[0] is DeliveryState.NEEDS_PERSON


def test_a_snapshot_that_is_posted_again_moves_nothing_twice(sender):
    there = sender("loop")
    first = there.post("closed")

    again = there.post("closed")
    later = there.post("closed", ("2026-11-22T17:05:00", "2026-11-23T08:00:00"))

    assert again.duplicate
    assert again.delivery_id == first.delivery_id
    assert there.world.state(later)[0] is DeliveryState.DONE
    assert len(there.world.memos()) == 1


def test_what_the_portal_has_paid_is_not_paid_again(sender):
    there = sender("aftership")

    there.post("resolved", ('"refunds": []', '"refunds": [{"destination": "original_payment"}]'))

    assert there.world.memos() == []


def test_aftership_s_ids_are_magento_s_where_it_says_so(sender):
    there = sender("aftership")
    item = there.world.item(TEES, SKU)

    by_id = [('"5511"', f'"{item}"'), ('"5512"', f'"{item}"'), ("24-MB01", SKU)]
    there.post("resolved", ("woocommerce", "magento-2"), *by_id)

    assert there.memo_lines() == [[(SKU, Decimal(2))]]


def test_what_adobe_s_inspection_has_approved_so_far_is_refunded(sender):
    there = sender("adobe-rma")
    item = there.world.item(TEES, SKU)

    there.post(
        "approved",
        ('"order_item_id": 5511', f'"order_item_id": {item}'),
        ('"order_item_id": 5512', f'"order_item_id": {item}'),
    )

    assert there.memo_lines() == [[(SKU, Decimal(1))]]
