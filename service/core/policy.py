"""The merchant's choices that a plan depends on, as values: one store's and one source's, put together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from service.core.returns import Quantities


class ShippingRuleKind(StrEnum):
    NONE = "none"
    REMAINING_ON_FULL_RETURN = "remaining_on_full_return"
    PER_UNIT = "per_unit"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShippingRule:
    """How much shipping a return gives back; `amount` is per returned unit, in the base currency (PER_UNIT only)."""

    kind: ShippingRuleKind = ShippingRuleKind.NONE
    amount: Decimal = Decimal(0)

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount}" if self.kind is ShippingRuleKind.PER_UNIT else str(self.kind)


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentRules:
    """Method codes, `*` matching any run of characters. A method in neither goes to a person; in both is refused."""

    offline: tuple[str, ...] = ()
    online: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StorePolicy:
    payments: PaymentRules = PaymentRules()
    #: carrier_method → rule; `default` for the rest.
    shipping: dict[str, ShippingRule]
    #: True: `shipping_amount` in requests includes tax, as the store is set (Sales > Tax). REST cannot tell.
    shipping_includes_tax: bool = False
    #: False for Magento before 2.4.3, whose memo of an invoice's last units takes the rest of the order's tax.
    tax_limited_by_invoice: bool = True
    #: A return whose memos come to more than this (base currency) waits for a person's yes; None: no limit.
    review_amount_over: Decimal | None = None
    ignore_returns_before: datetime | None = None

    def shipping_rule(self, method: str) -> ShippingRule:
        return self.shipping.get(method) or self.shipping.get("default") or ShippingRule()


class Amounts(StrEnum):
    """What the sender's own figures are good for; docs/semantics.md has the table."""

    COMPUTE = "compute"  # nothing: Magento computes
    CAP = "cap"  # less than Magento computes is deducted, more is asked about
    EXACT = "exact"  # met to the cent, up or down


class StockOwner(StrEnum):
    """Who puts returned goods back on the shelf, and so whether Magento may."""

    MAGENTO = "magento"
    WMS = "wms"
    NONE = "none"


class StoreCredit(StrEnum):
    """What becomes of goods that the customer gets store credit or a gift card for."""

    PERSON = "person"
    IGNORE = "ignore"


class SharedFees(StrEnum):
    """Whose the fees are of a return of several orders."""

    PERSON = "person"
    LARGEST = "largest"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePolicy:
    """What a source's words mean. Words are compared in lower case."""

    refund_on: tuple[str, ...] = ("return.approved",)
    #: Event types that take back all that was approved.
    withdraw_on: tuple[str, ...] = ("return.cancelled", "return.rejected", "return.expired")
    #: Where an event does not say it itself.
    quantities: Quantities = Quantities.CUMULATIVE
    #: Dispositions that go back to stock. A word that is not here never does.
    restock: tuple[str, ...] = ("sellable",)
    stock_owner: StockOwner = StockOwner.MAGENTO
    amounts: Amounts = Amounts.COMPUTE
    #: Where an event does not say it of its figures; None: then they cannot be used where there is tax.
    amounts_include_tax: bool | None = None
    store_credit: StoreCredit = StoreCredit.PERSON
    shared_fees: SharedFees = SharedFees.PERSON
    notify_customer: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    store: StorePolicy
    source: SourcePolicy
