"""A later look at a refund that is done: read its order again, and raise an alarm where it no longer says so.

Two reads a look and no delivery behind it, so it comes last: a worker looks only when no delivery is due. What may
have happened to a refund, and what of it is an alarm, is in core/drift.py.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from service.core.drift import Drift, RefundFacts, find_drift
from service.core.marker import memo_with
from service.core.orders import CreditMemo, Reading
from service.errors import LeaseLost, MagentoError, NotFound, StoreUnavailable
from service.flow.backoff import pause_after
from service.runtime import Runtime
from service.settings import StoreSettings
from service.store import DriftCheck, RefundRow, ReturnCase, format_id, settle_command
from service.store.content import rebuild

_log = logging.getLogger("refundry.drift")

#: A look that was never possible is said as well, because nobody else looks.
NOT_LOOKED = "drift-not-looked"

#: Paid without a memo, a person said; Magento's memo of that very call came after all.
MEMO_LATE = "drift-memo-late"


def looks_after(settings: StoreSettings, now: datetime) -> tuple[datetime, ...]:
    """When the order of a refund that is done now is to be read again."""
    after = (settings.drift_check_after_seconds, settings.drift_check_again_after_seconds)
    return tuple(now + timedelta(seconds=seconds) for seconds in after if seconds)


def check_once(runtime: Runtime, worker: str) -> bool:
    """Take one due look at a refund; False when none is due. Only StoreUnavailable gets out."""
    check = claim_check(runtime)
    if check is None:
        return False
    take_look(runtime, check, worker)
    return True


def claim_check(runtime: Runtime) -> DriftCheck | None:
    """The look that has been due longest, for this caller alone."""
    return runtime.store.checks.claim(runtime.clock(), runtime.settings.service.lease_seconds)


def take_look(runtime: Runtime, check: DriftCheck, worker: str) -> None:
    """Only StoreUnavailable gets out."""
    extra = {"refund": format_id("refund", check.refund_id), "worker": worker, "attempt": check.tries}
    try:
        _look(runtime, check)
    except LeaseLost as error:
        _log.warning("lease lost, another worker looks", extra={**extra, "reason": error.message})
    except StoreUnavailable:
        raise
    except Exception:  # noqa: BLE001 -- a fault of ours over one refund must not end the looks at all others
        _log.exception("fault while looking for drift", extra=extra)
        _later(runtime, check, "this service failed; its log says how")


def _look(runtime: Runtime, check: DriftCheck) -> None:
    row = runtime.store.refunds.row(check.refund_id)
    case = runtime.store.returns.case(row.return_id)
    magento = runtime.magento.get(case.store)
    if magento is None:
        _later(runtime, check, f"store '{case.store}' is not configured any more")
        return
    assert row.order_entity_id is not None, "a refund is sent for a known order"
    try:
        # The memos first: one that is made between the two reads makes the order say more than they do, never less.
        memos = magento.read_memos(row.order_entity_id)
        order = magento.read_order(row.order_entity_id)
    except (MagentoError, NotFound) as error:
        _later(runtime, check, error.message)
        return
    if row.memo_id is None:
        drifts = _memo_after_all(row, memos)
    else:
        drifts = find_drift(_facts_of(runtime, row, case), Reading(order=order, invoices=(), memos=memos))
    _write_down(runtime, check, row, drifts)


def _memo_after_all(row: RefundRow, memos: tuple[CreditMemo, ...]) -> tuple[Drift, ...]:
    """Told, not taken: whether the gateway paid once or twice, only a person can see there."""
    memo = None if row.marker is None else memo_with(row.marker, memos)
    if memo is None:
        return ()
    remedy = f"see that the gateway paid once, then {settle_command(row, f'--memo {memo.entity_id}')}"
    subject, found = f"memos that carry {row.marker}", f"{memo.entity_id} ({remedy})"
    return (Drift(code=MEMO_LATE, subject=subject, expected="none", found=found),)


def _facts_of(runtime: Runtime, row: RefundRow, case: ReturnCase) -> RefundFacts:
    assert row.request is not None, "a refund with a memo was asked for"
    assert row.memo_id is not None, "only a refund with a memo is looked at"
    assert row.order_entity_id is not None, "a refund is sent for a known order"
    # After the memos were read: a refund that is in flight in between has its marker on disk already.
    ours = runtime.store.checks.ours(row.instance, row.order_entity_id)
    return RefundFacts(
        request=row.request,
        memo_id=row.memo_id,
        memo_then=None if row.memo is None else rebuild(CreditMemo, row.memo),
        before=row.order_before,
        our_memos=ours.memos,
        awaited=ours.awaited,
        explained=runtime.store.returns.answered_memos(case.instance, row.order_entity_id),
    )


def _write_down(runtime: Runtime, check: DriftCheck, row: RefundRow, drifts: tuple[Drift, ...]) -> None:
    """An alarm only for what an earlier look has not raised already: once told, a second time is noise."""
    told = {drift for earlier in runtime.store.checks.of(row.id) for drift in earlier.drifts}
    new = [drift for drift in drifts if drift not in told]
    now = runtime.clock()
    if not new:
        runtime.store.checks.finish(check, drifts, now, said="as told before" if drifts else "as it was")
        return
    name = format_id("refund", row.id)
    text = f"order #{row.order_increment_id} has changed since {name} was done: " + "; ".join(map(str, new))
    runtime.store.checks.alarm(check, drifts, now, code=new[0].code, text=text)
    _log.warning("drift", extra={"refund": name, "codes": [drift.code for drift in new]})
    runtime.notifier.needs_person(subject=name, code=new[0].code, reason=text)


def _later(runtime: Runtime, check: DriftCheck, reason: str) -> None:
    service = runtime.settings.service
    now = runtime.clock()
    if now - check.planned_for > timedelta(seconds=service.retry_give_up_after_seconds):
        text = f"nobody could look whether it still stands, {check.tries} times: {reason}"
        runtime.store.checks.alarm(check, (), now, code=NOT_LOOKED, text=text)
        runtime.notifier.needs_person(subject=format_id("refund", check.refund_id), code=NOT_LOOKED, reason=text)
        return
    runtime.store.checks.postpone(check, now + pause_after(service, check.tries), reason)
