"""What the demo plays, and what must come of it: each row is a return of an order that the sandbox store starts with.

The amounts were worked out by hand from the prices in sandbox/catalog.py, not read off a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from service.core.lifecycle import DeliveryState
from service.core.plan import Route

WAREHOUSE = "warehouse"
PORTAL = "portal"

#: Sources of the demo → how they sign, for people.
SOURCES = {WAREHOUSE: "Standard Webhooks", PORTAL: "HMAC-SHA256"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    sku: str
    quantity: str = "1"
    disposition: str = "sellable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One event of a return: what has been approved so far. Delivered `times` times, byte for byte the same."""

    lines: tuple[Line, ...]
    fee: str = ""
    times: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Memo:
    """A credit memo that must be in Magento afterwards; `to_stock` is what came back to the shelf with it."""

    total: Decimal
    route: Route = Route.ORDER
    to_stock: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    title: str
    return_id: str
    order: str
    source: str = WAREHOUSE
    events: tuple[Said, ...]
    memos: tuple[Memo, ...] = ()
    state: DeliveryState = DeliveryState.DONE
    #: The question's code, where a person is needed.
    code: str = ""
    #: A rule of the sandbox's faults, in force for this order's refund.
    fault: str = ""


def _one(sku: str, quantity: str = "1", disposition: str = "sellable", *, fee: str = "", times: int = 1) -> Said:
    return Said(lines=(Line(sku=sku, quantity=quantity, disposition=disposition),), fee=fee, times=times)


SCENARIOS = (
    Scenario(
        title="one tee, paid by bank transfer, back on the shelf",
        return_id="RMA-1001",
        order="000000101",
        events=(_one("WS12-M-Orange"),),
        memos=(Memo(total=Decimal("22.00"), to_stock={"WS12-M-Orange": 1}),),
    ),
    Scenario(
        title="paid online: the gateway pays back, with 5.00 shipping per unit",
        return_id="PORTAL-2001",
        order="000000102",
        source=PORTAL,
        events=(_one("24-MB01"),),
        memos=(Memo(total=Decimal("39.00"), route=Route.INVOICE, to_stock={"24-MB01": 1}),),
    ),
    Scenario(
        title="a variant: the parent line is refunded, its child restocked",
        return_id="PORTAL-2002",
        order="000000103",
        source=PORTAL,
        events=(_one("MH01-XL-Gray"),),
        memos=(Memo(total=Decimal("52.00"), to_stock={"MH01-XL-Gray": 1}),),
    ),
    Scenario(
        title="a kit priced by its parts",
        return_id="RMA-1002",
        order="000000104",
        events=(_one("24-WG080"),),
        memos=(
            Memo(
                total=Decimal("68.00"),
                to_stock={"24-WG082-blue": 1, "24-WG084": 1, "24-WG086": 1, "24-WG088": 1},
            ),
        ),
    ),
    Scenario(
        title="a kit at a fixed price, less a restocking fee of 5.00",
        return_id="RMA-1003",
        order="000000105",
        events=(_one("FIXB-1", fee="5.00"),),
        memos=(Memo(total=Decimal("58.00"), to_stock={"24-WG081-blue": 1, "24-WG085": 1}),),
    ),
    Scenario(
        title="captured in two invoices: two calls to the gateway",
        return_id="PORTAL-2003",
        order="000000106",
        source=PORTAL,
        events=(_one("24-WG085", "3"),),
        memos=(
            Memo(total=Decimal("29.00"), route=Route.INVOICE, to_stock={"24-WG085": 1}),
            Memo(total=Decimal("28.00"), route=Route.INVOICE, to_stock={"24-WG085": 2}),
        ),
    ),
    Scenario(
        title="damaged: the money goes back, the bottles do not",
        return_id="RMA-1004",
        order="000000109",
        events=(_one("24-UG06", "2", "damaged"),),
        memos=(Memo(total=Decimal("14.00")),),
    ),
    Scenario(
        title="one good tee and one torn, discounted and taxed: two memos",
        return_id="RMA-1005",
        order="000000115",
        events=(Said(lines=(Line(sku="WS12-M-Orange"), Line(sku="WS12-M-Orange", disposition="torn"))),),
        # 22.00 less 20 %, and a third of 4.36 tax: what rounding kept of the first goes to the second.
        memos=(
            Memo(total=Decimal("19.05"), to_stock={"WS12-M-Orange": 1}),
            Memo(total=Decimal("19.06")),
        ),
    ),
    Scenario(
        title="delivered three times, refunded once",
        return_id="RMA-1006",
        order="000000118",
        events=(_one("24-WG086", times=3),),
        memos=(Memo(total=Decimal("17.00"), to_stock={"24-WG086": 1}),),
    ),
    Scenario(
        title="one bag first, a second one later: only the difference",
        return_id="RMA-1007",
        order="000000116",
        events=(_one("24-MB01"), _one("24-MB01", "2")),
        memos=(
            Memo(total=Decimal("39.00"), to_stock={"24-MB01": 1}),
            Memo(total=Decimal("39.00"), to_stock={"24-MB01": 1}),
        ),
    ),
    Scenario(
        title="Magento's answer is lost: found by its marker, not paid twice",
        return_id="RMA-1008",
        order="000000120",
        events=(_one("24-WG085"),),
        memos=(Memo(total=Decimal("14.00"), to_stock={"24-WG085": 1}),),
        fault="POST */refund lost-after order=000000120 times=1",
    ),
    Scenario(
        title="a payment method nobody configured: a person decides",
        return_id="PORTAL-2004",
        order="000000111",
        source=PORTAL,
        events=(_one("24-MB01"),),
        state=DeliveryState.NEEDS_PERSON,
        code="method-unknown",
    ),
    Scenario(
        title="one SKU at two prices: a person says which pen came back",
        return_id="PORTAL-2005",
        order="000000110",
        source=PORTAL,
        events=(_one("OPT-2"),),
        state=DeliveryState.NEEDS_PERSON,
        code="same-sku-different-price",
    ),
)
