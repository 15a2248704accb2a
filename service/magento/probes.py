"""What a store can be asked before the first refund: which rights we have, and whether its answers are as we need them.

Source: recordings/auth-missing-and-bad-token.json, unknown-order.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from service.core.plan import RefundRequest, RequestItem, Route
from service.errors import MagentoUnauthorized, NotFound
from service.magento.client import MagentoClient
from service.magento.outcomes import OutcomeKind
from service.magento.search import Filter

# The largest number that Magento's entity_id columns hold: no shop gets there, so nothing can be found by it.
_NO_SUCH_ID = 4_294_967_295

_ENGLISH = "The entity that was requested doesn't exist"


@dataclass(frozen=True, kw_only=True, slots=True)
class RightCheck:
    """Whether one right is there; `said` is what Magento answered when it is not."""

    resource: str
    granted: bool
    said: str = ""


#: Right → the cheapest read that needs it.
READ_RIGHTS = {
    "Magento_Sales::actions_view": "/V1/orders",
    "Magento_Sales::sales_invoice": "/V1/invoices",
    "Magento_Sales::sales_creditmemo": "/V1/creditmemos",
}

REFUND_RIGHTS = {
    Route.ORDER: "Magento_Sales::creditmemo",
    Route.INVOICE: "Magento_Sales::sales_invoice",
}


def read_rights(client: MagentoClient) -> tuple[RightCheck, ...]:
    """The rights to read, each tried by one search that finds nothing. Refund rights are not tried: see send_probe."""
    return tuple(_read_right(client, resource, path) for resource, path in READ_RIGHTS.items())


def read_whether_comments_are_shown(client: MagentoClient) -> bool | None:
    """Whether the newest memo comes with its comments, where the marker is looked for; None: there is no memo yet."""
    items, _ = client.read_search("/V1/creditmemos", Filter(field="entity_id", value="0", condition="gt"))
    return isinstance(items[0].get("comments"), list) if items else None


def read_whether_messages_are_english(client: MagentoClient) -> bool:
    """Whether the store view's language is the one that refusals are told apart by."""
    try:
        client.read_memo(_NO_SUCH_ID)
    except NotFound as error:
        return _ENGLISH in error.message
    return False


def send_probe(client: MagentoClient, route: Route) -> RightCheck:
    """Try a refund right by refunding an order (or invoice) that cannot exist: 404 with the right, 401 without.

    Harmless twice over: rights are checked first, and the request names one line that no order has. Still a POST to a
    refund address, so only on a person's explicit wish.
    """
    outcome = client.send_refund(
        RefundRequest(
            route=route,
            order_id=_NO_SUCH_ID,
            invoice_id=_NO_SUCH_ID if route is Route.INVOICE else None,
            items=(RequestItem(order_item_id=_NO_SUCH_ID, qty=Decimal(1)),),
            shipping_amount=Decimal(0),
            notify=False,
            marker="RR-PROBE",
            comment="RR-PROBE",
        )
    )
    granted = outcome.kind is OutcomeKind.NOT_SENT and outcome.rule == "no-such-document"
    return RightCheck(resource=REFUND_RIGHTS[route], granted=granted, said="" if granted else outcome.message)


def _read_right(client: MagentoClient, resource: str, path: str) -> RightCheck:
    try:
        client.read_search(path, Filter(field="entity_id", value="0"))
    except MagentoUnauthorized as error:
        return RightCheck(resource=resource, granted=False, said=error.message)
    return RightCheck(resource=resource, granted=True)
