"""A refund, at most once: the eight steps, in order, each committed before the next.

1 take the order's slot · 2 reconcile if it was ever sent, then read and plan · 3 commit `sending` · 4 the reading must
be fresh · 5 one POST · 6 classify · 7 unknown waits and is looked for · 8 read the memo back. A loop around them: while
the difference is not empty, its first refund is made and the order is read again, so that no plan outlives what it was
made from. The states and their moves stand in core/lifecycle.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from service.core.drift import OrderBefore
from service.core.lifecycle import DeliveryState, RefundState
from service.core.marker import markers_of, memo_with
from service.core.orders import Reading
from service.core.plan import Plan, Question, Route, Verdict
from service.core.planning import plan_refunds
from service.core.returns import ApprovedReturn, Quantities
from service.core.wording import money
from service.errors import MemoMissing
from service.flow.confirm import confirm_pending
from service.flow.outcome import Ended
from service.flow.reading import read_around, read_order
from service.flow.reconcile import resolve_unknown
from service.flow.work import Work
from service.magento import OutcomeKind, refund_body, refund_path
from service.runtime import Runtime
from service.settings import Mode, SourceSettings
from service.store import DATABASE_BEHIND, Claim, RefundRow, ReturnCase, format_id

# A return becomes at most two memos per invoice; more rounds than this mean that something goes in circles.
_ROUNDS = 20

#: How soon a stopped delivery looks whether it may go on.
_STOPPED_SECONDS = 30

# The lease outlives the call by this much, so that its outcome can be written by the one who saw it.
_AFTER_CALL_SECONDS = 60


def refund_return(runtime: Runtime, claim: Claim, source: SourceSettings, case: ReturnCase) -> Ended:
    """Plan and refund, one call at a time, until nothing is outstanding or something must be waited for.

    Raises OrderBusy, LeaseLost, and what reading from Magento raises; the store holds everything to go on from there.
    """
    for _ in range(_ROUNDS):
        work = Work(runtime=runtime, claim=claim, source=source, case=case)
        ended = _handed_back(work) or _unread_memos(work) or _next_refund(work)
        if ended is not None:
            return ended
        case = runtime.store.returns.case(case.id)
    name = format_id("return", case.id)
    text = (
        f"{_ROUNDS} refunds were planned and the return is still not settled: compare its plan with the order's credit "
        f"memos (refundry show {name}), then go on with refundry retry {name} or end it with refundry dismiss {name}"
    )
    return Ended.needs_person("going-in-circles", text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Planned:
    row: RefundRow
    reading: Reading
    plan: Plan
    read_at: datetime


def _unread_memos(work: Work) -> Ended | None:
    """Memos of an earlier round, or of a worker that died before it read them back."""
    return confirm_pending(work) if work.case.has_unread_memo else None


def _next_refund(work: Work) -> Ended | None:
    """One round of the eight steps; None: go round again."""
    row = work.store.refunds.take_slot(work.claim, work.case, work.order, work.now())
    if row.state in (RefundState.SENDING, RefundState.UNKNOWN):
        return resolve_unknown(work, row)
    planned = _read_and_plan(work, row)
    if planned is None:
        return None
    return _held_back(work, planned) or _handed_back(work) or _send(work, planned)


def _handed_back(work: Work) -> Ended | None:
    """For the next worker, at once, where this one was told to end: a call may take longer than it is given."""
    if not work.runtime.is_ending():
        return None
    return Ended.waiting("handed-back", "its worker was told to end; the next one goes on", work.now())


def _read_and_plan(work: Work, row: RefundRow) -> _Planned | None:
    """Step 2: one reading under the slot, and the plan made from it, saved. None: an earlier call turned out done."""
    read_at = work.now()
    order = read_order(work.magento, work.order)
    row = work.store.refunds.bind_order(work.claim, row.id, order.entity_id, order.increment_id, work.now())
    ours, unsettled = work.store.refunds.around(work.case.id, work.case.instance, order.entity_id)
    memos_matter = row.sends > 0 or any(other.sends > 0 for other in ours)
    reading = read_around(work.magento, work.settings, order, memos_matter=memos_matter)
    _check_ours_were_read(ours, reading)
    if row.sends and row.marker and (memo := memo_with(row.marker, reading.memos)):
        work.mark_done(row, memo.entity_id, stock_proven=False)
        return None
    approved = ApprovedReturn(
        namespace=work.case.namespace,
        instance=work.case.instance,
        source=work.case.source,
        event=work.case.event,
        known_since=work.case.first_occurred_at,
        memo_answers=work.case.memo_answers,
        memo_markers={other.memo_id: other.marker for other in ours if other.memo_id and other.marker},
        may_notify=row.sends == 0,
        approved_fingerprint=work.case.approved_fingerprint,
    )
    plan = plan_refunds(
        approved,
        reading,
        work.runtime.policy_of(work.source),
        unsettled=[other.request for other in unsettled if other.request is not None and other.id != row.id],
    )
    bodies = tuple(refund_body(refund.request) for refund in plan.refunds)
    rows = work.store.returns.save_plan(work.claim, work.case.id, row.id, plan, bodies=bodies, now=work.now())
    return _Planned(row=rows[0] if rows else row, reading=reading, plan=plan, read_at=read_at)


def _check_ours_were_read(ours: tuple[RefundRow, ...], reading: Reading) -> None:
    """MemoMissing where a memo that we know of is not in the reading: planned on it, its units would go out again."""
    read = {memo.entity_id for memo in reading.memos}
    for row in ours:
        if row.state is RefundState.DONE and row.memo_id is not None and row.memo_id not in read:
            of_return = format_id("return", row.return_id)
            raise MemoMissing(
                f"credit memo {row.memo_id} of {format_id('refund', row.id)} is not among the memos of order "
                f"#{reading.order.increment_id}. Is Magento answered from a replica or a cache that is behind? Mend "
                f"that, then refundry retry {of_return}; if the memo was deleted, refund by hand and refundry dismiss "
                f"{of_return}"
            )


# --- reasons not to send --------------------------------------------------------------------------------------------


def _held_back(work: Work, planned: _Planned) -> Ended | None:
    """What the plan, the mode, the switches or the caps say against sending; None: nothing does."""
    plan = planned.plan
    _watch_for_forgotten(work, planned.reading)
    if (behind := _receipts_missing(work, plan)) is not None:
        return behind
    if plan.verdict is Verdict.NOTHING:
        return Ended.done(plan.notes[-1].text, code="nothing-left")
    if plan.verdict is Verdict.PERSON:
        return Ended.needs_person(plan.questions[0].code, _all_said(plan.questions))
    if plan.verdict is Verdict.WAIT:
        return Ended.later("magento-not-ready", plan.notes[-1].text)
    if Mode.SHADOW in (work.settings.mode, work.source.mode):
        total = money(plan.base_total, plan.base_currency)
        return Ended(
            state=DeliveryState.SHADOWED,
            code="shadow",
            reason=f"shadow mode: {len(plan.refunds)} refund(s) of {total} planned, nothing was sent",
        )
    if plan.verdict is Verdict.APPROVAL:
        return Ended.needs_person(plan.questions[0].code, _all_said(plan.questions))
    if (switch := work.store.switches.stopped_for(work.settings.name, work.source.name)) is not None:
        due_at = work.now() + timedelta(seconds=_STOPPED_SECONDS)
        said = f"all sends for {switch.scope} were stopped by {switch.actor}: {switch.reason or 'no reason given'}"
        return Ended.waiting("stopped", said, due_at)
    return _database_behind(work, planned) or _over_cap(work, plan)


def _watch_for_forgotten(work: Work, reading: Reading) -> None:
    """Markers on this order that this database never sent: it was restored or started empty, and may have lost more.

    From the first of them on the guard holds back every refund of this Magento that moves money.
    """
    instance = work.case.instance
    in_magento = {str(marker) for memo in reading.memos for marker in markers_of(memo)}
    if not in_magento:
        return
    forgotten = sorted(in_magento - work.store.refunds.known_markers(instance, reading.order.entity_id))
    if not forgotten:
        return
    reason = (
        f"order #{reading.order.increment_id} holds {', '.join(forgotten)}, which this database does not know: "
        "was it restored from a copy, or started empty?"
    )
    if work.store.guards.set(instance, reason, work.now()):
        subject = f"store {work.settings.name}"
        work.runtime.notifier.needs_person(subject=subject, code=DATABASE_BEHIND, reason=reason)


def _receipts_missing(work: Work, plan: Plan) -> Ended | None:
    """While the guard is set, a return that is the sum of its receipts waits, even where nothing seems to be left.

    A receipt that came after the copy is not in the sum, and what was given back for it would count for this one.
    """
    if work.case.event.quantities is not Quantities.DELTA:
        return None
    guard = work.store.guards.of(work.case.instance)
    if guard is None or _is_approved_since(work.case, plan, guard.set_at):
        return None
    if not plan.refunds and work.case.approved_at is not None and work.case.approved_at > guard.set_at:
        return None  # what somebody said yes to has been given back
    text = (
        f"{guard.reason}. Source {work.source.name} reports each receipt once, and some may be missing: have it "
        "deliver again what it sent since the copy was made, then run refundry reconcile, and reconcile --accept"
    )
    return Ended.needs_person(DATABASE_BEHIND, text)


def _database_behind(work: Work, planned: _Planned) -> Ended | None:
    """While the guard is set, a refund that moves money waits for a yes, to itself or to all that was forgotten.

    The memos alone are no proof then, because a gateway can have paid twice and left one memo. Offline nothing can
    have been paid.
    """
    if all(refund.request.route is not Route.INVOICE for refund in planned.plan.refunds):
        return None
    guard = work.store.guards.of(work.case.instance)
    if guard is None or _is_approved_since(work.case, planned.plan, guard.set_at):
        return None
    text = (
        f"{guard.reason}. Run refundry reconcile, compare what it shows with the gateway, then refundry reconcile "
        "--accept; or approve this plan alone"
    )
    return Ended.needs_person(DATABASE_BEHIND, text)


def _is_approved_since(case: ReturnCase, plan: Plan, moment: datetime) -> bool:
    """An older yes may stand in the copy that was restored, and have been paid out since that copy was made."""
    return plan.is_approved_by(case.approved_fingerprint) and case.approved_at is not None and case.approved_at > moment


def _all_said(questions: tuple[Question, ...]) -> str:
    return "; ".join(question.text for question in questions)


def _over_cap(work: Work, plan: Plan) -> Ended | None:
    """The day's limits of the store: a leaked secret equals money, so above them a person must say yes."""
    if plan.is_approved_by(work.case.approved_fingerprint):
        return None
    midnight = work.now().replace(hour=0, minute=0, second=0, microsecond=0)
    sent_since, store, source = work.store.refunds.sent_since, work.settings, work.source
    for owner, caps, count in (
        (f"store {store.name}", store.caps, partial(sent_since, midnight, store=store.name)),
        (f"source {source.name}", source.caps, partial(sent_since, midnight, source=source.name)),
    ):
        if caps.refunds is None and caps.amount is None:
            continue
        sent, first = count(), plan.refunds[0].predicted.base_grand_total
        if caps.refunds is not None and sent.refunds + 1 > caps.refunds:
            return Ended.needs_person("daily-cap", f"{owner} has made its {caps.refunds} refunds today; approve it")
        if caps.amount is not None and sent.base_total + first > caps.amount:
            limit, total = money(caps.amount, plan.base_currency), money(sent.base_total + first)
            return Ended.needs_person("daily-cap", f"{owner} would reach {total} today, over its {limit}; approve it")
    return None


# --- the call -------------------------------------------------------------------------------------------------------


def _send(work: Work, planned: _Planned) -> Ended | None:
    """Steps 3 to 6. None: it is done; go round again for what is left."""
    refunds, settings = work.store.refunds, work.settings
    request = planned.plan.refunds[0].request
    send_by = planned.read_at + timedelta(seconds=settings.send_deadline_seconds)
    lease_seconds = settings.refund_read_timeout_seconds + settings.send_deadline_seconds + _AFTER_CALL_SECONDS
    # A lease that is long enough as it was claimed, which is the usual one, saves a commit before the call.
    is_long_enough = work.claim.lease_until >= work.now() + timedelta(seconds=lease_seconds)
    claim = work.claim if is_long_enough else work.store.inbox.extend(work.claim, work.now(), lease_seconds)
    if work.now() > send_by:
        seconds = settings.send_deadline_seconds
        return Ended.later("store-slow", f"reading the order took more than {seconds} s, too old a plan to be sent")

    attempt_id = refunds.mark_sending(
        claim, planned.row.id, work.now(), refund_path(request), before=_order_before(planned)
    )
    outcome = work.magento.send_refund(request, may_send=lambda: work.now() <= send_by)
    refunds.record_answer(attempt_id, work.now(), outcome.kind, outcome.status, outcome.message)

    now = work.now()
    if outcome.kind is OutcomeKind.DONE and outcome.memo_id is not None:
        work.mark_done(planned.row, outcome.memo_id, stock_proven=True)
        return _handed_back(work) or confirm_pending(work) or _finished(work, planned)
    if outcome.kind is OutcomeKind.REFUSED:
        refunds.mark_refused(claim, planned.row.id, now, outcome.message)
        return Ended.needs_person("refused", _refused(work, outcome.message))
    if outcome.kind is OutcomeKind.NOT_SENT:
        refunds.mark_not_sent(claim, planned.row.id, now, outcome.message)
        return Ended.later("not-sent", outcome.message, at_least_seconds=outcome.retry_after_seconds or 0)
    settle_at = now + timedelta(seconds=settings.settle_seconds)
    refunds.mark_unknown(claim, planned.row.id, now, settle_at, outcome.message)
    return Ended.later("unknown", f"whether Magento refunded is not known yet ({outcome.message})")


def _refused(work: Work, message: str) -> str:
    name = format_id("return", work.case.id)
    return (
        f"Magento refused: {message}. Mend the order there, then: refundry retry {name}; or refund by hand there, "
        f"then: refundry dismiss {name}"
    )


def _order_before(planned: _Planned) -> OrderBefore:
    """What the order said when this call was decided on; a later look for drift compares with it."""
    totals = planned.reading.order.base
    return OrderBefore(
        read_at=planned.read_at,
        memo_ids=tuple(memo.entity_id for memo in planned.reading.memos),
        refunded=totals.refunded,
        offline_refunded=totals.offline_refunded,
    )


def _finished(work: Work, planned: _Planned) -> Ended | None:
    """Done without another reading where the plan held this one refund only."""
    if len(planned.plan.refunds) > 1:
        return None
    made = [row for row in work.store.refunds.of_return(work.case.id) if row.memo_id is not None]
    total = sum((row.predicted_base_total or Decimal(0) for row in made), Decimal(0))
    memos = ", ".join(str(row.memo_id) for row in made)
    return Ended.done(f"{money(total, planned.plan.base_currency)} given back (credit memo {memos})")
