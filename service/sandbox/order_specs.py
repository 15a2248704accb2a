"""The words in which an order for the sandbox store is described: lines, payment, shipping, tax, invoices, state.

A description holds what a customer and a shop did; `order_pricing` works out the cents and `order_documents` what
Magento would say about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

Number = Decimal | int


class Charge(StrEnum):
    """What placing an order does at the gateway."""

    NOTHING = "nothing"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentMethod:
    title: str
    charge: Charge = Charge.NOTHING


#: `sandboxpay` captures when the order is placed, `sandboxauth` when it is invoiced.
#: `acmepay` stands for any method that nobody has told the service about.
PAYMENT_METHODS = {
    "banktransfer": PaymentMethod(title="Bank Transfer Payment"),
    "checkmo": PaymentMethod(title="Check / Money order"),
    "purchaseorder": PaymentMethod(title="Purchase Order"),
    "cashondelivery": PaymentMethod(title="Cash On Delivery"),
    "free": PaymentMethod(title="No Payment Information Required"),
    "acmepay": PaymentMethod(title="Acme Pay"),
    "sandboxpay": PaymentMethod(title="Sandbox Pay", charge=Charge.CAPTURE),
    "sandboxauth": PaymentMethod(title="Sandbox Auth", charge=Charge.AUTHORIZE),
}

SHIPPING_TITLES = {
    "tablerate_bestway": "Best Way - Table Rate",
    "flatrate_flatrate": "Flat Rate - Fixed",
    "freeshipping_freeshipping": "Free Shipping - Free",
}


class Override(StrEnum):
    """A state that invoices and shipments do not explain, in Magento's spelling.

    CLOSED and CANCELED are given without the memos and counters that led there: enough to be refused, no more.
    """

    HELD = "holded"
    PAYMENT_REVIEW = "payment_review"
    CANCELED = "canceled"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class LineSpec:
    """One thing in the cart. `variant` is for configurables, `parts` for bundles (part SKUs, one of each per kit)."""

    sku: str
    qty: Number = 1
    variant: str = ""
    parts: tuple[str, ...] = ()
    #: A word of the product's custom options, such as "initials".
    option: str = ""
    #: Bought as a member of a grouped product: an ordinary line with another product_type.
    grouped: bool = False
    #: None: the catalogue's price. Otherwise a sale price per unit, the catalogue's staying the original one.
    price: Number | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderSpec:
    """An order, as it was placed, invoiced and shipped. Amounts are in the base currency, without tax."""

    increment_id: str
    #: One line for people: what this order shows.
    why: str
    lines: tuple[LineSpec, ...]
    payment: str = "banktransfer"
    shipping: str = "tablerate_bestway"
    shipping_amount: Number = 5
    tax_percent: Number = 0
    taxes_shipping: bool = False
    discount_percent: Number = 0
    currency: str = "USD"
    base_to_order_rate: Number = 1
    #: Units per line of `lines`, invoice by invoice. None: one invoice over everything. (): not invoiced.
    invoices: tuple[tuple[Number, ...], ...] | None = None
    #: False: invoiced without telling the gateway, so the invoice has no transaction.
    is_captured: bool = True
    #: True, False, or units per line of `lines`.
    shipped: bool | tuple[Number, ...] = True
    override: Override | None = None
    #: Part of the total paid by store credit, as Adobe Commerce does.
    store_credit: Number = 0

    def __post_init__(self) -> None:
        if self.payment not in PAYMENT_METHODS:
            known = ", ".join(PAYMENT_METHODS)
            raise ValueError(f"order {self.increment_id}: payment {self.payment!r} is none of {known}")
        if self.shipping and self.shipping not in SHIPPING_TITLES:
            known = ", ".join(SHIPPING_TITLES)
            raise ValueError(f"order {self.increment_id}: shipping {self.shipping!r} is none of {known}")
        shares = [*(self.invoices or ()), *([] if isinstance(self.shipped, bool) else [self.shipped])]
        if any(len(share) != len(self.lines) for share in shares):
            raise ValueError(
                f"order {self.increment_id} has {len(self.lines)} lines: invoices and `shipped` name units for each"
            )
        for line, shares_of_line in zip(self.lines, zip(*(self.invoices or ()), strict=True), strict=False):
            if sum(shares_of_line) > line.qty:
                raise ValueError(
                    f"order {self.increment_id}: {line.sku} is invoiced {sum(shares_of_line)} times, ordered {line.qty}"
                )

    @property
    def method(self) -> PaymentMethod:
        return PAYMENT_METHODS[self.payment]

    @property
    def units_by_invoice(self) -> tuple[tuple[Decimal, ...], ...]:
        if self.invoices is None:
            return (tuple(Decimal(line.qty) for line in self.lines),)
        return tuple(tuple(map(Decimal, units)) for units in self.invoices)

    @property
    def shipped_units(self) -> tuple[Decimal, ...]:
        if isinstance(self.shipped, bool):
            return tuple(Decimal(line.qty) * self.shipped for line in self.lines)
        return tuple(map(Decimal, self.shipped))
