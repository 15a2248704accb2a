"""The person: answers what the machine may not decide, by looking where the machine cannot, into the gateway's ledger.

Only refunds of unknown outcome are answered. Any other question in this load would be a defect, and stays open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from service.core.lifecycle import RefundState
from service.core.marker import memo_with
from service.core.orders import CreditMemo
from service.flow import answers
from service.magento import MagentoClient
from service.runtime import Runtime
from service.store import RefundRow, Settlement
from tests.torture.shop import Shop

_MOST = 1000


def answer_questions(runtime: Runtime, client: MagentoClient, shop: Shop) -> Counter[str]:
    """Settle every refund that waits for a person; how often each answer was given."""
    given: Counter[str] = Counter()
    waiting = runtime.store.refunds.list(state=RefundState.UNKNOWN, needs_person=True, limit=_MOST)
    paid_back = shop.read_paid_back() if waiting else {}
    for row in waiting:
        assert row.order_entity_id is not None
        memos = client.read_memos(row.order_entity_id)
        memo = memo_with(row.marker or "", memos)
        decision = _decide(row, memo, memos, paid_back.get(row.order_increment_id or "", ()))
        memo_id = None if memo is None else memo.entity_id
        answers.settle(runtime, row.id, decision, "torture", memo_id=memo_id, text="looked into the gateway's ledger")
        given[f"{row.reason_code} → {decision}"] += 1
    return given


def _decide(
    row: RefundRow, memo: CreditMemo | None, memos: Sequence[CreditMemo], paid_back: Sequence[Decimal]
) -> Settlement:
    if memo is not None:
        return Settlement.MEMO
    unexplained = Counter(paid_back) - Counter(each.base.grand_total for each in memos)
    return Settlement.PAID_NO_MEMO if unexplained[row.predicted_base_total or Decimal(0)] else Settlement.NOT_PAID
