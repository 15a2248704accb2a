"""Returns as portals and warehouses tell them, against the sandbox: in parts, late, twice, and against themselves."""

from datetime import timedelta
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState
from service.core.policy import Amounts, Quantities, SourcePolicy, StockOwner
from tests.flow.world import MONDAY, World, a_line

#: 3 × 24-MB01 at 34.00, paid by card.
ONLINE, TUTORIAL = "000000102", "000000101"
BAG = "24-MB01"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def with_policy(tmp_path, **policy):
    return World(tmp_path, source_changes={"policy": SourcePolicy(**policy)})


def units(world):
    return [body["items"][0]["qty"] for _, body in world.posts()]


def at(minutes):
    return (MONDAY + timedelta(minutes=minutes)).isoformat()


class TestSeveralEvents:
    """One return whose goods come in parts; the source refunds what was received, or completed."""

    @pytest.fixture
    def world(self, tmp_path):
        return with_policy(tmp_path, refund_on=("return.received", "return.completed"))

    def say(self, world, event_id, event_type, minutes, **line):
        line = {"sku": BAG, "qty_authorized": "2", **line}
        return world.say(ONLINE, line, event_id=event_id, type=event_type, occurred_at=at(minutes))

    def test_the_table_of_what_each_event_causes(self, world):
        story = [
            # event, type, minute, the line's quantities, calls so far, how the delivery ends
            ("e1", "return.authorized", 1, {}, [], "ignored"),
            ("e2", "return.received", 2, {"qty_received": "1"}, [1], "refunded"),
            ("e2", "return.received", 2, {"qty_received": "1"}, [1], "nothing-left"),
            ("e4", "return.received", 4, {"qty_received": "2"}, [1, 1], "refunded"),
            ("e5", "return.received", 2, {"qty_received": "1"}, [1, 1], "older"),
            ("e6", "return.completed", 5, {"qty_received": "2", "qty_accepted": "1"}, [1, 1], "over-refunded"),
        ]
        for event_id, event_type, minutes, line, calls, code in story:
            received = self.say(world, event_id, event_type, minutes, **line)
            world.work()
            assert (event_id, units(world), world.state(received)[1]) == (event_id, calls, code)

    def test_what_another_return_wants_of_the_same_line_is_limited_by_all_of_them(self, world):
        self.say(world, "e1", "return.received", 1, qty_received="2")
        world.work()

        more = world.say(
            ONLINE, {"sku": BAG, "qty_received": "2"}, return_id="RMA-2", type="return.received", occurred_at=at(2)
        )
        world.work()

        assert units(world) == [2]
        assert world.state(more) == (DeliveryState.NEEDS_PERSON, "more-than-left")

    def test_a_snapshot_of_nothing_yet_asks_magento_nothing(self, world):
        received = self.say(world, "e1", "return.received", 1, qty_received="0")

        world.work()

        assert (world.calls(), world.state(received)) == ([], (DeliveryState.DONE, "nothing-left"))

    def test_a_quantity_lowered_to_nothing_after_its_refund_is_asked_about(self, world):
        self.say(world, "e1", "return.received", 1, qty_received="1")
        world.work()

        received = self.say(world, "e2", "return.received", 2, qty_received="0")
        world.work()

        assert world.state(received) == (DeliveryState.NEEDS_PERSON, "over-refunded")


class TestWithdrawals:
    ON_HOLD = "000000112"

    def test_what_waited_is_not_refunded_any_more(self, world):
        waits = world.say(self.ON_HOLD, ("24-WG085", 1))
        world.work()
        assert world.state(waits)[0] is DeliveryState.WAITING

        withdrawn = world.say(self.ON_HOLD, type="return.cancelled", occurred_at=at(5))
        world.work_until_idle(at_most_seconds=20_000)

        assert world.state(withdrawn) == (DeliveryState.DONE, "nothing-left")
        assert world.state(waits) == (DeliveryState.DONE, "older")

    def test_what_was_refunded_is_asked_about(self, world):
        world.say(ONLINE, (BAG, 1))
        world.work()

        withdrawn = world.say(ONLINE, type="return.cancelled", occurred_at=at(5))
        world.work()

        assert world.state(withdrawn) == (DeliveryState.NEEDS_PERSON, "over-refunded")

    def test_a_question_that_waited_is_withdrawn_with_it(self, world):
        world.say(ONLINE, (BAG, 9))
        world.work()
        assert [case.needs_person for case in world.runtime.store.returns.list()] == [True]

        world.say(ONLINE, type="return.cancelled", occurred_at=at(5))
        world.work()

        assert [case.needs_person for case in world.runtime.store.returns.list()] == [False]

    def test_of_a_return_that_nobody_approved_magento_is_not_asked(self, world):
        withdrawn = world.say(ONLINE, type="return.expired")

        world.work()

        assert (world.calls(), world.state(withdrawn)) == ([], (DeliveryState.DONE, "nothing-left"))


class TestReceipts:
    """A warehouse that tells each receipt."""

    @pytest.fixture
    def world(self, tmp_path):
        return with_policy(tmp_path, quantities=Quantities.DELTA)

    def receive(self, world, receipt_id, quantity, *, event_id=None, minutes=0):
        more = {"receipt_id": receipt_id} if receipt_id else {}
        return world.say(ONLINE, (BAG, quantity), event_id=event_id, occurred_at=at(minutes), **more)

    def test_receipts_add_up_and_a_repeat_adds_nothing(self, world):
        self.receive(world, "rec-1", 1)
        world.work()
        again = self.receive(world, "rec-1", 1)
        world.work()
        self.receive(world, "rec-2", 1)
        world.work()

        assert units(world) == [1, 1]
        assert world.state(again) == (DeliveryState.DONE, "nothing-left")

    def test_a_receipt_that_arrives_late_still_counts(self, world):
        self.receive(world, "rec-2", 1, minutes=5)
        world.work()
        late = self.receive(world, "rec-1", 1, minutes=1)
        world.work()

        assert units(world) == [1, 1]
        assert world.state(late) == (DeliveryState.DONE, "refunded")

    def test_a_late_repeat_of_an_event_adds_nothing(self, world):
        self.receive(world, "rec-1", 1, event_id="e1", minutes=1)
        self.receive(world, "rec-2", 1, event_id="e2", minutes=2)
        world.work()
        self.receive(world, "rec-1", 1, event_id="e1", minutes=1)
        world.work()

        assert sum(units(world)) == 2

    @pytest.mark.parametrize(
        ("receipt_id", "quantity", "code"), [(None, 1, "receipt-without-id"), ("rec-1", 2, "receipt-clash")]
    )
    def test_a_receipt_that_cannot_be_told_apart_is_kept_and_raised(self, world, receipt_id, quantity, code):
        self.receive(world, "rec-1", 1)
        world.work()

        received = self.receive(world, receipt_id, quantity)
        world.work()

        assert units(world) == [1]
        assert world.state(received) == (DeliveryState.NEEDS_PERSON, code)
        assert len(world.runtime.store.returns.events(1)) == 2

    def test_sums_after_receipts_are_raised(self, world):
        self.receive(world, "rec-1", 1)
        world.work()

        received = world.say(ONLINE, (BAG, 3), quantities="cumulative")
        world.work()

        assert units(world) == [1]
        assert world.state(received) == (DeliveryState.NEEDS_PERSON, "quantities-mixed")


class TestPaidBySender:
    def test_a_return_that_the_sender_has_paid_is_recorded_and_nothing_is_sent(self, world):
        received = world.say(ONLINE, (BAG, 1), already_refunded=True)

        world.work()

        assert world.posts() == []
        assert world.state(received) == (DeliveryState.DONE, "nothing-left")
        assert "the sender has given the money back itself" in world.delivery(received).reason

    @pytest.mark.parametrize("minutes", [-60, 60])
    def test_a_payment_besides_ours_is_raised_even_when_it_is_told_late(self, world, minutes):
        world.say(ONLINE, (BAG, 1))
        world.work()

        received = world.say(ONLINE, (BAG, 1), already_refunded=True, occurred_at=at(minutes))
        world.work()

        assert len(world.posts()) == 1
        assert world.state(received) == (
            DeliveryState.NEEDS_PERSON,
            "refunded-twice" if minutes > 0 else "portal-paid-before",
        )

    def test_an_event_after_a_payment_of_theirs_moves_no_money(self, world):
        world.say(ONLINE, (BAG, 1), already_refunded=True, type="return.resolved")
        world.work()

        received = world.say(ONLINE, (BAG, 2), occurred_at=at(5))
        world.work()

        assert world.posts() == []
        assert world.state(received) == (DeliveryState.NEEDS_PERSON, "portal-paid-before")


class TestIdsOfContent:
    """A sender that gives its events no ids."""

    def say(self, world, quantity, minutes):
        return world.say(ONLINE, (BAG, quantity), id=None, occurred_at=at(minutes))

    def test_the_same_statement_later_is_the_same_event(self, world):
        self.say(world, 1, 1)
        world.work()
        again = self.say(world, 1, 2)
        world.work()

        assert units(world) == [1]
        assert world.state(again) == (DeliveryState.DONE, "nothing-left")
        assert len(world.runtime.store.returns.events(1)) == 1

    def test_a_statement_that_is_made_again_after_another_holds_again(self, world):
        self.say(world, 1, 1)
        self.say(world, 2, 2)
        world.work()

        lowered = self.say(world, 1, 3)
        world.work()

        assert sum(units(world)) == 2
        assert world.state(lowered) == (DeliveryState.NEEDS_PERSON, "over-refunded")

    def test_an_old_statement_that_arrives_again_changes_nothing(self, world):
        self.say(world, 1, 1)
        self.say(world, 2, 2)
        world.work()

        late = self.say(world, 1, 1)
        world.work()

        assert sum(units(world)) == 2
        assert world.state(late) == (DeliveryState.DONE, "older")


class TestWordsAndFigures:
    def test_an_exchange_is_kept_and_nothing_is_sent(self, world):
        received = world.say(ONLINE, (BAG, 1), resolution="exchange")

        world.work()

        assert (world.posts(), world.state(received)[0]) == ([], DeliveryState.DONE)
        assert "other goods instead" in world.delivery(received).reason

    def test_what_the_customer_keeps_is_refunded_and_not_restocked(self, world):
        world.say(ONLINE, a_line(BAG, "1") | {"keep_item": True})

        world.work()

        ((_, body),) = world.posts()
        assert body["items"][0]["qty"] == 1
        assert body["arguments"].get("extension_attributes", {}).get("return_to_stock_items", []) == []

    def test_a_blind_return_is_a_person_s(self, world):
        received = world.say(None, (BAG, 1))

        world.work()

        assert world.state(received) == (DeliveryState.NEEDS_PERSON, "blind-return")

    @pytest.mark.parametrize(("amounts", "figure", "given"), [("cap", "30.00", 30), ("exact", "29.99", "29.99")])
    def test_the_sender_s_figure_is_what_the_memo_says(self, tmp_path, amounts, figure, given):
        world = with_policy(tmp_path, amounts=Amounts(amounts), amounts_include_tax=True)

        received = world.say(ONLINE, a_line(BAG, "1") | {"refund_amount": figure}, currency="USD")
        world.work()

        assert world.paid_back(ONLINE) == [Decimal(given)]
        assert world.state(received) == (DeliveryState.DONE, "refunded")

    def test_where_the_warehouse_owns_the_stock_magento_restocks_nothing(self, tmp_path):
        world = with_policy(tmp_path, stock_owner=StockOwner.WMS)

        world.say(TUTORIAL, ("WS12-M-Orange", 1))
        world.work()

        ((_, body),) = world.posts()
        assert body["arguments"].get("extension_attributes", {}).get("return_to_stock_items", []) == []
