"""What became of a call that we lost sight of: look for its marker, and never guess with money.

An early look may find the memo; only a look after `settle_seconds` proves that there is none, because a client that
gives up does not stop Magento. Not found and offline: nothing moved, it may be sent again. Not found and online: the
gateway may have paid before Magento rolled back, and no answer tells the two apart, so a person looks there.
Source: recordings/gateway-slow-client-timeout.json, concurrent-identical-online.json.
"""

from __future__ import annotations

from datetime import timedelta

from service.core.lifecycle import RefundState
from service.core.marker import memo_with
from service.core.plan import Route
from service.flow.outcome import Ended
from service.flow.work import Work
from service.store import LONGEST_SETTLING, UNKNOWN_LEFT, RefundRow, format_id, settle_command, told_moment

#: Offline, the same refund is sent at most this often; then something is wrong that repeating does not mend.
MAX_SENDS = 3

_NO_WORD = "the worker that sent it did not say what came back"


def resolve_unknown(work: Work, row: RefundRow) -> Ended | None:
    """Find out what became of a call whose outcome is not known. None: found out, go on from there."""
    refunds = work.store.refunds
    if row.state is RefundState.SENDING:
        row = _found_sending(work, row)
    elif row.reason_code == UNKNOWN_LEFT or _is_of_no_setting(work, row):
        row = _looked_for_again(work, row)
    assert row.order_entity_id is not None, "a refund is sent for a known order"
    assert row.marker is not None, "a refund is sent with a marker"
    # Before the look: its answer may be as old as its question.
    looked_at = work.now()
    memo = memo_with(row.marker, work.magento.read_memos(row.order_entity_id))
    if memo is not None:
        work.mark_done(row, memo.entity_id, stock_proven=False)
        return None
    if row.settle_at is None or looked_at < row.settle_at:
        settled = "" if row.settle_at is None else f"; settled at {told_moment(row.settle_at, looked_at)}"
        return Ended.later("unknown", f"not found in Magento yet{settled}: {_what_came_back(work, row)}")
    if row.route is Route.ORDER and row.sends < MAX_SENDS:
        refunds.mark_resend(work.claim, row.id, work.now(), "offline, and no memo carries its marker: nothing happened")
        return None
    return _ask_a_person(work, row)


def _found_sending(work: Work, row: RefundRow) -> RefundRow:
    """A row left in `sending` by a worker that died, or was too slow: from here on its outcome is unknown.

    Settled from now, not from when it was sent: a clock that was put on meanwhile would make that long ago, and the
    call may still be on its way.
    """
    now = work.now()
    settle_at = now + timedelta(seconds=work.settings.settle_seconds)
    return work.store.refunds.mark_unknown(work.claim, row.id, now, settle_at, _NO_WORD)


def _is_of_no_setting(work: Work, row: RefundRow) -> bool:
    """Further ahead than settle_seconds can be: a clock that ran ahead wrote it, and was put right since."""
    return row.settle_at is not None and row.settle_at > work.now() + LONGEST_SETTLING


def _looked_for_again(work: Work, row: RefundRow) -> RefundRow:
    """Settled by this store's settle_seconds from now, which is after the call, where that is sooner than it says."""
    now = work.now()
    soonest = now + timedelta(seconds=work.settings.settle_seconds)
    settle_at = soonest if row.settle_at is None else min(row.settle_at, soonest)
    return work.store.refunds.settle_anew(work.claim, row.id, now, settle_at, _what_came_back(work, row))


def _what_came_back(work: Work, row: RefundRow) -> str:
    """What the call of unknown outcome was answered; the reason of a row with a question is the question itself."""
    if not row.needs_person:
        return row.reason
    attempts = work.store.refunds.attempts(row.id)
    return (attempts[-1].detail if attempts else "") or _NO_WORD


def _ask_a_person(work: Work, row: RefundRow) -> Ended:
    name, came_back = format_id("refund", row.id), _what_came_back(work, row)
    if row.route is Route.INVOICE:
        code = "unknown-online"
        text = (
            f"{name}: no memo carries {row.marker}, but the gateway may have paid ({came_back}). Look there for "
            f"{row.predicted_base_total} {row.base_currency} and say: {settle_command(row)}, with --memo N, "
            "--paid-no-memo or --not-paid"
        )
    else:
        code = "unknown-offline"
        text = (
            f"{name}: sent {row.sends} times and no memo carries {row.marker} ({came_back}). See Magento's logs for "
            f"why and say: {settle_command(row)}, with --memo N or --not-paid; until then its order takes no other "
            "refund"
        )
    work.store.refunds.flag(row.id, work.claim, needs_person=True, reason_code=code, reason=text, now=work.now())
    return Ended.needs_person(code, text)
