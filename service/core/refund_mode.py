"""Online, offline, or a person: the decision table. The first rule that applies decides; the last one always does.

The order route books a refund and moves no money, even for an order that was paid online; the invoice route with
isOnline true calls the gateway, and refuses offline methods. Magento itself checks neither.
Source: recordings/online-flag-variants.json, online-true-on-banktransfer.json.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from service.core.orders import INVOICE_PAID, Reading
from service.core.policy import PaymentRules


class RefundMode(StrEnum):
    OFFLINE = "offline"  # order route: books the refund, the merchant moves the money
    ONLINE = "online"  # invoice route, isOnline true: the gateway moves the money
    REVIEW = "review"  # a person decides
    WAIT = "wait"  # nothing to refund against yet


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentFacts:
    method: str
    listed_offline: bool
    listed_online: bool
    #: The gateway captured money, whatever the configuration says of the method.
    captured_online: bool
    costs_nothing: bool
    has_paid_invoice: bool
    #: At least one paid invoice names the gateway's transaction.
    has_transaction: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    name: str
    applies: Callable[[PaymentFacts], bool]
    mode: RefundMode
    #: Why, for the plan, the README and the console; `{method}` is filled in.
    because: str


RULES = (
    Rule(
        name="method-unknown",
        applies=lambda facts: not facts.listed_offline and not facts.listed_online,
        mode=RefundMode.REVIEW,
        because=(
            "payment method '{method}' is in neither payments.offline nor payments.online of the store; add it to the "
            "one that is true and retry, or refund by hand"
        ),
    ),
    Rule(
        name="costs-nothing",
        applies=lambda facts: facts.costs_nothing,
        mode=RefundMode.REVIEW,
        because="the order cost nothing, so there is nothing to give back",
    ),
    Rule(
        name="nothing-paid",
        applies=lambda facts: not facts.has_paid_invoice,
        mode=RefundMode.WAIT,
        because="no invoice of the order is paid yet, so there is nothing to give back",
    ),
    Rule(
        name="offline-but-captured",
        applies=lambda facts: facts.listed_offline and (facts.captured_online or facts.has_transaction),
        mode=RefundMode.REVIEW,
        because="'{method}' is configured as offline, yet the gateway captured money: booking it would move none",
    ),
    Rule(
        name="offline",
        applies=lambda facts: facts.listed_offline,
        mode=RefundMode.OFFLINE,
        because="'{method}' is an offline method: the order route books the refund",
    ),
    Rule(
        name="no-transaction",
        applies=lambda facts: not facts.has_transaction,
        mode=RefundMode.REVIEW,
        because="'{method}' is online, but no paid invoice names a transaction the gateway could refund",
    ),
    Rule(
        name="online",
        applies=lambda _: True,
        mode=RefundMode.ONLINE,
        because="paid online by '{method}': the invoice route asks the gateway to pay back",
    ),
)


def payment_facts(reading: Reading, payments: PaymentRules) -> PaymentFacts:
    """What the rules ask about one order."""
    paid = [invoice for invoice in reading.invoices if invoice.state == INVOICE_PAID]
    method = reading.order.payment_method
    return PaymentFacts(
        method=method,
        listed_offline=_matches(method, payments.offline),
        listed_online=_matches(method, payments.online),
        captured_online=reading.order.base_paid_online > 0,
        costs_nothing=reading.order.base.grand_total == 0,
        has_paid_invoice=bool(paid) or (not reading.invoices and reading.order.base.paid > 0),
        has_transaction=any(invoice.transaction_id for invoice in paid),
    )


def choose_mode(facts: PaymentFacts) -> Rule:
    return next(rule for rule in RULES if rule.applies(facts))


def needs_invoices(method: str, payments: PaymentRules) -> bool:
    """Whether the plan needs the invoices read: the order route does not look at them, and a read costs a call."""
    return not _matches(method, payments.offline)


def _matches(method: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(method, pattern) for pattern in patterns)
