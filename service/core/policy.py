"""The merchant's choices that a plan depends on, as values: one store's and one source's, put together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


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


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePolicy:
    """What a source's words mean. Words are compared in lower case."""

    refund_on: tuple[str, ...] = ("return.approved",)
    #: Dispositions that go back to stock. A word that is not here never does.
    restock: tuple[str, ...] = ("sellable",)
    notify_customer: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    store: StorePolicy
    source: SourcePolicy
