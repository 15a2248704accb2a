"""What tests of the store begin with: a delivery, an event, a plan, and a return in any of its states."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from service.core.plan import (
    Plan,
    PlannedRefund,
    PredictedTotals,
    RefundRequest,
    RequestItem,
    Route,
    Verdict,
)
from service.core.returns import OrderReference, ReturnedPart, ReturnEvent, ReturnLine
from service.store import NewDelivery

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEASE_SECONDS = 60


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def delivery(key="d1", *, body=b'{"id": 1}', source="warehouse", received_at=NOW):
    return NewDelivery(
        source=source,
        delivery_key=key,
        body=body,
        headers={"content-type": "application/json"},
        received_at=received_at,
    )


def event(event_id="evt_1", *, return_id="RMA-1001", order=None, occurred_at=NOW, quantity="1"):
    return ReturnEvent(
        event_id=event_id,
        type="return.approved",
        return_id=return_id,
        order=order or OrderReference(increment_id="000000264"),
        lines=(
            ReturnLine(
                sku="WS12-M-Orange",
                parts=(ReturnedPart(quantity=Decimal(quantity), disposition="sellable"),),
                reason="did not like the fit",
            ),
        ),
        fees=Decimal("2.50"),
        currency="USD",
        occurred_at=occurred_at,
    )


def request(marker="RR-AAAAAAAAAAAAAAAA-01R", *, qty="1"):
    return RefundRequest(
        route=Route.ORDER,
        order_id=269,
        items=(RequestItem(order_item_id=510, qty=Decimal(qty)),),
        shipping_amount=Decimal(0),
        return_to_stock=(510,),
        notify=True,
        marker=marker,
        comment=f"Return RMA-1001 (warehouse) {marker}",
    )


def plan(*markers, verdict=Verdict.REFUND, order_id=269, increment_id="000000264"):
    return Plan(
        return_id="RMA-1001",
        order_id=order_id,
        increment_id=increment_id,
        currency="EUR",
        base_currency="USD",
        refunds=tuple(
            PlannedRefund(
                request=request(marker),
                predicted=PredictedTotals(base_grand_total=Decimal("10.10"), grand_total=Decimal("9.05")),
            )
            for marker in markers
        ),
        verdict=verdict,
    )


class Given:
    """What a test starts from, in one line each."""

    def __init__(self, store):
        self.store = store
        self._keys = 0

    def claim(self, *, received_at=NOW, worker="w1", now=NOW):
        """A delivery of its own, claimed."""
        self._keys += 1
        received = self.store.inbox.receive(delivery(f"given-{self._keys}", received_at=received_at))
        claim = self.store.inbox.claim(worker, now, LEASE_SECONDS)
        assert claim.delivery.id == received.delivery_id
        return claim

    def case(self, claim, said=None, *, instance="shop", store="main"):
        return self.store.returns.record_event(
            claim, said or event(), namespace="warehouse", instance=instance, store=store, now=NOW
        )

    def slot(self, *, order_id=269, increment_id="000000264", return_id="RMA-1001", event_id="evt_1", **where):
        """(claim, case, row): a return that holds its order's slot, bound to both names."""
        claim = self.claim()
        said = event(event_id, return_id=return_id, order=OrderReference(increment_id=increment_id))
        case = self.case(claim, said, **where)
        row = self.store.refunds.take_slot(claim, case, case.order, NOW)
        return claim, case, self.store.refunds.bind_order(claim, row.id, order_id, increment_id, NOW)

    def planned(self, *markers, **slot):
        """(claim, case, rows): the same, with a plan saved for it."""
        claim, case, row = self.slot(**slot)
        whole = plan(
            *(markers or ("RR-AAAAAAAAAAAAAAAA-01R",)),
            order_id=row.order_entity_id,
            increment_id=row.order_increment_id,
        )
        bodies = tuple({"items": [{"order_item_id": 510, "qty": 1}]} for _ in whole.refunds)
        return claim, case, self.store.returns.save_plan(claim, case.id, row.id, whole, bodies=bodies, now=NOW)

    def sending(self, **slot):
        """(claim, case, row): the same, with the call committed."""
        claim, case, (row, *_) = self.planned(**slot)
        self.store.refunds.mark_sending(claim, row.id, NOW, "/V1/order/269/refund")
        return claim, case, self.store.refunds.row(row.id)

    def unknown(self, **slot):
        claim, case, row = self.sending(**slot)
        return claim, case, self.store.refunds.mark_unknown(claim, row.id, NOW, at(300), "time-out")
