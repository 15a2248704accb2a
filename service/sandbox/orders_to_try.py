"""The orders that a sandbox store starts with, one for each thing about refunds that is easy to get wrong.

Their increment ids never change, so that a demo, a test and a curious operator can name them. `why` says what each
shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from service.sandbox.documents import Document
from service.sandbox.order_documents import build_documents
from service.sandbox.order_specs import LineSpec, OrderSpec, Override
from service.sandbox.store import SandboxStore

#: Units of every SKU before its first order; only differences mean anything.
_UNITS_AT_FIRST = Decimal(100)

_KIT_PARTS = ("24-WG082-blue", "24-WG084", "24-WG086", "24-WG088")

ORDERS_TO_TRY = (
    OrderSpec(
        increment_id="000000101",
        why="The order of Magento's own refund tutorial: a tee, a download, a kit and a hoodie, paid by bank transfer",
        lines=(
            LineSpec(sku="WS12-M-Orange"),
            LineSpec(sku="240-LV08"),
            LineSpec(sku="24-WG080", parts=_KIT_PARTS),
            LineSpec(sku="MH01", variant="MH01-S-Gray"),
        ),
    ),
    OrderSpec(
        increment_id="000000102",
        why="Paid online: only the invoice route with isOnline gives the money back",
        lines=(LineSpec(sku="24-MB01", qty=3),),
        payment="sandboxpay",
        shipping="flatrate_flatrate",
        shipping_amount=15,
    ),
    OrderSpec(
        increment_id="000000103",
        why="Two hoodies: the parent line takes the money, its hidden child the stock",
        lines=(LineSpec(sku="MH01", variant="MH01-XL-Gray", qty=2), LineSpec(sku="WS12-M-Orange")),
        payment="checkmo",
    ),
    OrderSpec(
        increment_id="000000104",
        why="A kit priced by its parts: refunded part by part, never by the kit's own line",
        lines=(LineSpec(sku="24-WG080", parts=_KIT_PARTS, qty=2), LineSpec(sku="24-WG085")),
    ),
    OrderSpec(
        increment_id="000000105",
        why="A kit at a fixed price: refunded by the kit's line, restocked by its parts",
        lines=(LineSpec(sku="FIXB-1", parts=("24-WG081-blue", "24-WG085")),),
        shipping_amount=10,
    ),
    OrderSpec(
        increment_id="000000106",
        why="Three straps captured in two invoices, 1 + 2: returning two or three of them takes two calls",
        lines=(LineSpec(sku="24-WG085", qty=3),),
        payment="sandboxauth",
        shipping="flatrate_flatrate",
        shipping_amount=15,
        invoices=((1,), (2,)),
    ),
    OrderSpec(
        increment_id="000000107",
        why="Three bags invoiced, one shipped: stock moves differently for the two still on the shelf",
        lines=(LineSpec(sku="24-MB01", qty=3),),
        shipping="flatrate_flatrate",
        shipping_amount=15,
        shipped=(1,),
    ),
    OrderSpec(
        increment_id="000000108",
        why="Paid online and never shipped: naming the line makes its units salable again",
        lines=(LineSpec(sku="24-WG085", qty=2),),
        payment="sandboxpay",
        shipping="flatrate_flatrate",
        shipping_amount=10,
        shipped=False,
    ),
    OrderSpec(
        increment_id="000000109",
        why="For a damaged return: the money goes back, the bottle does not go back to stock",
        lines=(LineSpec(sku="24-UG06", qty=4),),
        payment="cashondelivery",
    ),
    OrderSpec(
        increment_id="000000110",
        why="One SKU on two lines at two prices: only a person can say which pen came back",
        lines=(LineSpec(sku="OPT-2", qty=2, option="plain"), LineSpec(sku="OPT-2", qty=2, option="initials")),
    ),
    OrderSpec(
        increment_id="000000111",
        why="A payment method named nowhere in the configuration: a person decides",
        lines=(LineSpec(sku="24-MB01"),),
        payment="acmepay",
    ),
    OrderSpec(
        increment_id="000000112",
        why="On hold: Magento refuses every refund until somebody releases it",
        lines=(LineSpec(sku="24-WG085", qty=2),),
        shipping="flatrate_flatrate",
        shipping_amount=10,
        shipped=False,
        override=Override.HELD,
    ),
    OrderSpec(
        increment_id="000000113",
        why="The customer saw euros: requests and the books are in dollars",
        lines=(LineSpec(sku="24-MB01", qty=2),),
        shipping_amount=10,
        currency="EUR",
        base_to_order_rate=Decimal("0.7067"),
    ),
    OrderSpec(
        increment_id="000000114",
        why="Cloth by the metre, 2.5 of it: fractions of a unit, and of a cent",
        lines=(LineSpec(sku="DEC-1", qty=Decimal("2.5")),),
        shipping_amount=15,
    ),
    OrderSpec(
        increment_id="000000115",
        why="Three tees, 20 % off, 8.25 % tax: one at a time the cents still add up",
        lines=(LineSpec(sku="WS12-M-Orange", qty=3),),
        shipping_amount=10,
        tax_percent=Decimal("8.25"),
        discount_percent=20,
    ),
    OrderSpec(
        increment_id="000000116",
        why="Flat rate, 5.00 for each unit: a shop can choose to give it back per unit",
        lines=(LineSpec(sku="WS12-M-Orange"), LineSpec(sku="24-MB01", qty=2)),
        shipping="flatrate_flatrate",
        shipping_amount=15,
    ),
    OrderSpec(
        increment_id="000000117",
        why="Partly paid by store credit: REST cannot give that part back, so a person does",
        lines=(LineSpec(sku="MH01", variant="MH01-L-Orange"),),
        store_credit=20,
    ),
    OrderSpec(
        increment_id="000000118",
        why="For a return that is delivered twice and refunded once",
        lines=(LineSpec(sku="24-WG086", qty=2),),
    ),
    OrderSpec(
        increment_id="000000119",
        why="One SKU on two lines at one price: either line will do",
        lines=(LineSpec(sku="24-WG088", qty=1), LineSpec(sku="24-WG088", qty=2)),
        payment="purchaseorder",
    ),
    OrderSpec(
        increment_id="000000120",
        why="Members of a grouped product: ordinary lines by another name",
        lines=(LineSpec(sku="24-WG085", grouped=True), LineSpec(sku="24-WG086", qty=2, grouped=True)),
    ),
    OrderSpec(
        increment_id="000000121",
        why="Nothing to ship: a service and a download",
        lines=(LineSpec(sku="VIRT-1", qty=2), LineSpec(sku="240-LV08")),
        shipping="",
        shipping_amount=0,
    ),
    OrderSpec(
        increment_id="000000122",
        why="Not invoiced yet: there is no money to give back, the return waits",
        lines=(LineSpec(sku="24-WG085", qty=2),),
        payment="checkmo",
        invoices=(),
        shipped=False,
    ),
    OrderSpec(
        increment_id="000000123",
        why="The same tee bought on its own and as a variant, an engraved pen under its own SKU: kind tells them apart",
        lines=(
            LineSpec(sku="WS12-M-Orange"),
            LineSpec(sku="WS12", variant="WS12-M-Orange", qty=2),
            LineSpec(sku="OPT-2", option="full name"),
        ),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltOrder:
    increment_id: str
    entity_id: int
    why: str


def build(store: SandboxStore, specs: Iterable[OrderSpec] = ORDERS_TO_TRY, *, now: datetime) -> tuple[BuiltOrder, ...]:
    """Puts the described orders into the store, with their invoices and what they did to its stock."""
    return tuple(_build(store, spec, now) for spec in specs)


def _build(store: SandboxStore, spec: OrderSpec, now: datetime) -> BuiltOrder:
    documents = build_documents(spec, ids=store, now=now, magento_version=store.shop.quirks.magento_version)
    stock = {
        sku: _take(store, sku, gone=gone, reserved=documents.reserved_units[sku])
        for sku, gone in documents.gone_units.items()
    }
    store.add_order(documents.order, documents.invoices, stock)
    return BuiltOrder(increment_id=spec.increment_id, entity_id=documents.order["entity_id"], why=spec.why)


def _take(store: SandboxStore, sku: str, *, gone: Decimal, reserved: Decimal) -> Document:
    stock = store.shop.stock
    on_hand, salable = (
        (stock.on_hand(sku), stock.salable(sku)) if stock.knows(sku) else (_UNITS_AT_FIRST, _UNITS_AT_FIRST)
    )
    return {
        "source_items": [{"source_code": "default", "quantity": on_hand - gone}],
        "salable": salable - gone - reserved,
    }
