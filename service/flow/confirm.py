"""Step 8: the memo is read back and compared with what was asked; afterwards, online, the e-mail is asked for once.

A 200 is not trusted by itself: the invoice route gives less than was asked and says nothing. The e-mail of an online
refund is a call of its own, so that its failure cannot roll back what the gateway has paid.
"""

from __future__ import annotations

import logging

from service.core.lifecycle import RefundState
from service.core.orders import CreditMemo
from service.core.plan import PredictedTotals, Route
from service.core.receipt import compare
from service.errors import MagentoError, MagentoUnreadable, NotFound
from service.flow.outcome import Ended
from service.flow.work import Work
from service.store import RefundRow, format_id

_log = logging.getLogger(__name__)


def confirm_pending(work: Work) -> Ended | None:
    """Read back every memo of this return that has not been; a difference goes to a person, with both sides shown."""
    for row in work.store.refunds.of_return(work.case.id):
        if row.state is RefundState.DONE and row.memo_id is not None and row.differences is None:
            ended = _confirm(work, row, row.memo_id)
            if ended is not None:
                return ended
    return None


def _confirm(work: Work, row: RefundRow, memo_id: int) -> Ended | None:
    assert row.request is not None, "a refund with a memo was asked for"
    assert row.predicted_base_total is not None, "a refund is planned with its total"
    assert row.predicted_total is not None, "a refund is planned with its total"
    memo = _read_made(work, memo_id)
    predicted = PredictedTotals(base_grand_total=row.predicted_base_total, grand_total=row.predicted_total)
    was_named = work.case.memo_answers.get(memo_id) is True
    differences = compare(row.request, predicted, memo, was_named_by_person=was_named)
    work.store.refunds.save_receipt(row.id, memo, differences, work.now())
    if row.request.route is Route.INVOICE and work.source.policy.notify_customer and not row.email_state:
        _ask_for_email(work, row, memo_id)
    name = format_id("refund", row.id)
    if differences:
        text = f"credit memo {memo.increment_id} of {name} is not what was asked: " + "; ".join(map(str, differences))
        work.store.refunds.flag(
            row.id, None, needs_person=True, reason_code="receipt-differs", reason=text, now=work.now()
        )
        return Ended.needs_person("receipt-differs", text)
    work.runtime.notifier.refunded(subject=name, memo_id=memo_id, order=row.order_increment_id or "")
    return None


def _read_made(work: Work, memo_id: int) -> CreditMemo:
    try:
        return work.magento.read_memo(memo_id)
    except NotFound as error:
        # Magento has said that it made it: a replica that lags behind, or a page of a proxy, and worth another try.
        raise MagentoUnreadable(f"{error.message}, though Magento made it", memo_id=memo_id) from error


def _ask_for_email(work: Work, row: RefundRow, memo_id: int) -> None:
    """Once: committed before the call, because two e-mails about one refund alarm a customer more than none."""
    refunds = work.store.refunds
    refunds.set_email_state(row.id, "asked", work.now())
    try:
        sent = work.magento.ask_email(memo_id)
    except MagentoError as error:
        _log.warning("e-mail not sent", extra={"refund": row.id, "memo_id": memo_id, "reason": error.kind})
        refunds.set_email_state(row.id, "failed", work.now())
        return
    refunds.set_email_state(row.id, "sent" if sent else "refused", work.now())
