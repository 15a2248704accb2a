"""One reading of an order with the fewest calls that the decision needs: Magento's answers are the scarce thing."""

from __future__ import annotations

from service.core.orders import Order, Reading
from service.core.refund_mode import needs_invoices
from service.core.returns import OrderReference
from service.errors import NotFound
from service.magento import MagentoClient
from service.settings import StoreSettings


class SeveralOrders(NotFound):
    """One increment id, several orders: each store view may number its orders from its own sequence."""

    kind = "several-orders"


def read_order(magento: MagentoClient, reference: OrderReference) -> Order:
    """The order that a sender means; NotFound (an unknown one) and SeveralOrders are for a person."""
    if reference.entity_id is not None:
        return magento.read_order(reference.entity_id)
    assert reference.increment_id is not None
    orders = magento.read_order_by_increment(reference.increment_id)
    if not orders:
        raise NotFound(
            f"Magento has no order {reference}; correct the number at the sender, or retry when the order is there",
            order=str(reference),
        )
    if len(orders) > 1:
        ids = ", ".join(str(order.entity_id) for order in orders)
        raise SeveralOrders(
            f"{len(orders)} orders are numbered {reference} (entity ids {ids}); have the sender name the entity_id",
            order=str(reference),
        )
    return orders[0]


def read_around(magento: MagentoClient, store: StoreSettings, order: Order, *, memos_matter: bool) -> Reading:
    """The order with its invoices and memos, each read only if the plan looks at it.

    Memos are left out while neither totals nor history show a refund and nothing of ours was ever sent
    (`memos_matter`); invoices while the payment method is offline.
    """
    invoices = (
        magento.read_invoices(order.entity_id) if needs_invoices(order.payment_method, store.policy.payments) else ()
    )
    memos = magento.read_memos(order.entity_id) if memos_matter or order.shows_a_refund else ()
    return Reading(order=order, invoices=invoices, memos=memos)
