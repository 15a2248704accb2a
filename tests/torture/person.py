"""The person: answers what the machine may not decide, by looking where the machine cannot, into the gateway's ledger.

Only refunds of unknown outcome are answered. Any other question in this load would be a defect, and stays open; whether
these had to be asked is judged in verdict.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from service.core.lifecycle import RefundState
from service.core.marker import memo_with
from service.core.orders import CreditMemo
from service.flow import answers
from service.magento import MagentoClient
from service.runtime import Runtime
from service.store import RefundRow, Settlement

_MOST = 1_000_000


class Question(NamedTuple):
    """Why a person was asked about a refund, and what they found."""

    code: str
    settlement: Settlement

    def __str__(self) -> str:
        return f"{self.code} → {self.settlement}"


class Gateway(Protocol):
    """Where a person looks: the store's gateway, by its own ledger."""

    def read_paid_back(self) -> Mapping[str, Sequence[Decimal]]: ...


def answer_questions(runtime: Runtime, client: MagentoClient, gateway: Gateway) -> Counter[Question]:
    """Settle every refund that waits for a person; how often each question was asked."""
    asked: Counter[Question] = Counter()
    waiting = runtime.store.refunds.list(state=RefundState.UNKNOWN, needs_person=True, limit=_MOST)
    paid_back = gateway.read_paid_back() if waiting else {}
    for row in waiting:
        assert row.order_entity_id is not None
        memos = client.read_memos(row.order_entity_id)
        memo = memo_with(row.marker or "", memos)
        paid = paid_back.get(row.order_increment_id or "", ())
        decision = _decide(row, memo, paid, [*_booked(memos), *_settled(runtime, row.order_entity_id)])
        memo_id = None if memo is None else memo.entity_id
        said = "looked into the gateway's ledger"
        answers.settle(runtime, row.id, decision, "torture", memo_id=memo_id, text=said, sends=row.sends)
        asked[Question(row.reason_code, decision)] += 1
    return asked


def _decide(
    row: RefundRow, memo: CreditMemo | None, paid_back: Iterable[Decimal], explained: Iterable[Decimal]
) -> Settlement:
    if memo is not None:
        return Settlement.MEMO
    unexplained = Counter(paid_back) - Counter(explained)
    return Settlement.PAID_NO_MEMO if unexplained[row.predicted_base_total or Decimal(0)] else Settlement.NOT_PAID


def _booked(memos: Iterable[CreditMemo]) -> list[Decimal]:
    return [memo.base.grand_total for memo in memos]


def _settled(runtime: Runtime, order_entity_id: int) -> list[Decimal]:
    """Payments without a memo that were found before: each explains one refund, not the next of the same amount."""
    return [
        row.predicted_base_total or Decimal(0)
        for row in runtime.store.refunds.list(state=RefundState.DONE, limit=_MOST)
        if row.memo_id is None and row.order_entity_id == order_entity_id
    ]
