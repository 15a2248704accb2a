"""The pretend payment gateway: it authorizes, captures and refunds, keeps a ledger, can be slow and can decline.

The ledger is the truth about money: Magento rolls its own documents back when something fails after the gateway has
paid, the ledger keeps the line. Source: recordings/gateway-decline.json, concurrent-identical-online.json.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from service.sandbox.documents import Document

#: Methods that never reach a gateway: money moves outside the shop.
OFFLINE_METHODS = frozenset({"banktransfer", "cashondelivery", "checkmo", "free", "purchaseorder"})


class DeclinedError(Exception):
    """The gateway says no; a caller of Magento's REST never learns why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """`amount` is in the base currency, `at` in seconds since 1970, `order` an increment_id."""

    at: float
    what: str
    method: str
    order: str
    amount: Decimal
    txn: str


@dataclass(slots=True, eq=False)
class Gateway:
    #: How long a refund takes; read when the call is made.
    latency_seconds: float = 0.0
    #: Also makes each store's transaction ids its own.
    seed: str = "sandbox"
    _ledger: list[LedgerLine] = field(default_factory=list)
    _to_decline: int = 0
    _to_roll_back: int = 0

    @property
    def ledger(self) -> tuple[LedgerLine, ...]:
        return tuple(self._ledger)

    def decline_next(self, n: int) -> None:
        """The next `n` refunds are declined."""
        self._to_decline += n

    def roll_back_next(self, n: int) -> None:
        """After each of the next `n` refunds that are paid, Magento fails to save its documents."""
        self._to_roll_back += n

    def takes_rollback(self) -> bool:
        """Whether Magento fails after the payment that was just made."""
        rolls_back = self._to_roll_back > 0
        self._to_roll_back -= rolls_back
        return rolls_back

    def note(self, lines: Iterable[LedgerLine]) -> None:
        """Takes over what happened before the sandbox was there."""
        self._ledger.extend(lines)

    def refund(self, *, at: float, method: str, order: str, amount: Decimal) -> str:
        """Pays back, whatever the sign of `amount`, and returns the transaction id."""
        declined = self._to_decline > 0
        self._to_decline -= declined
        what = "refund-declined" if declined else "refund"
        txn = self._next_txn("refund")
        self._ledger.append(LedgerLine(at=at, what=what, method=method, order=order, amount=amount, txn=txn))
        if declined:
            raise DeclinedError(f"refund of {amount} for order {order} declined")
        return txn

    def capture(self, *, at: float, method: str, order: str, amount: Decimal) -> str:
        txn = self._next_txn("capture")
        self._ledger.append(LedgerLine(at=at, what="capture", method=method, order=order, amount=amount, txn=txn))
        return txn

    def _next_txn(self, what: str) -> str:
        digest = hashlib.sha256(f"{self.seed} {what} {len(self._ledger)}".encode()).hexdigest()
        return f"sbx-{what}-{digest[:12]}"


def is_online(payment: Document) -> bool:
    return payment.get("method") not in OFFLINE_METHODS
