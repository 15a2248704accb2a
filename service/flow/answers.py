"""What people do: approve, retry, settle, replay, answer, stop. Each with a named actor, each in the journal.

Command line and API call these and nothing below, so that both can do the same and neither more.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.core.folding import fold
from service.core.marker import markers_of
from service.core.orders import CreditMemo, Reading
from service.core.plan import Plan, PredictedTotals
from service.core.planning import plan_refunds
from service.core.receipt import compare
from service.core.returns import ApprovedReturn, ReturnEvent
from service.errors import BadRequest, Conflict
from service.flow.drift import looks_after
from service.flow.reading import read_around, read_order
from service.magento import refund_body
from service.runtime import Runtime
from service.settings import SourceSettings
from service.store import ReadBack, RefundRow, ReturnCase, Settlement, format_id, settle_command


def approve(runtime: Runtime, return_id: int, fingerprint: str, actor: str) -> None:
    """Say yes to exactly the plan that was shown; Conflict if planning has given another since."""
    now = runtime.clock()
    runtime.store.returns.approve(return_id, fingerprint, _named(actor), now)
    runtime.store.inbox.wake(return_id=return_id, now=now, actor=actor)


def retry(runtime: Runtime, return_id: int, actor: str) -> None:
    """Plan and carry on now, without waiting for the back-off."""
    runtime.store.inbox.wake(return_id=return_id, now=runtime.clock(), actor=_named(actor))


def replay(runtime: Runtime, delivery_id: int, actor: str) -> None:
    """Read a stored delivery again, from its bytes. Harmless: what was given back stays given back."""
    runtime.store.inbox.wake(delivery_id=delivery_id, now=runtime.clock(), actor=_named(actor))


def settle(
    runtime: Runtime,
    refund_id: int,
    settlement: Settlement,
    actor: str,
    *,
    memo_id: int | None = None,
    text: str = "",
    sends: int | None = None,
    is_further: bool = False,
) -> RefundRow:
    """Say what became of a call that nobody could find out about; Conflict unless it is unknown.

    Conflict too where it was sent more often than the `sends` times that were looked at (None: once), and where it is
    said that nothing was paid while Magento may still be working on it. BadRequest for a memo that cannot be this
    refund's: `done` is final, so that a slip of the pen would stay.

    A refund that was said to be paid without a memo can be given the memo that books it later. `is_further`: it was
    paid besides a memo that somebody has answered for; without it Conflict says which, because one of the two answers
    may be about the other's money.
    """
    refunds, name = runtime.store.refunds, _named(actor)
    row = refunds.row(refund_id)
    case = runtime.store.returns.case(row.return_id)
    memo = None if memo_id is None else _memo_of_refund(runtime, case, row, memo_id)
    if settlement is Settlement.PAID_NO_MEMO and not is_further:
        _check_no_memo_may_book(runtime, case, row)
    now = runtime.clock()
    store = runtime.settings.stores.get(case.store)
    return refunds.settle(
        refund_id,
        settlement,
        memo_id=memo_id,
        actor=name,
        text=text,
        now=now,
        sends=sends,
        look_again_at=() if store is None else looks_after(store, now),
        if_booked=None if memo is None else _compared_as_booking(row, memo),
    )


def acknowledge(runtime: Runtime, refund_id: int, alarm: str, actor: str, text: str) -> RefundRow:
    """Say that this alarm about a refund that is done was seen to; Conflict where it has none, or another by now."""
    return runtime.store.refunds.acknowledge(refund_id, alarm, actor=_named(actor), text=text, now=runtime.clock())


def dismiss(
    runtime: Runtime, actor: str, text: str, *, delivery_id: int | None = None, return_id: int | None = None
) -> int:
    """Say that nothing is to be done about a delivery, or about all of a return that waits for a person; how many."""
    if delivery_id is None and return_id is not None:
        case = runtime.store.returns.case(return_id)
        ids = runtime.store.inbox.waiting_for_person(case.id)
        if not ids:
            raise Conflict(f"nothing of {format_id('return', return_id)} waits for a person")
    else:
        ids = () if delivery_id is None else (delivery_id,)
    return runtime.store.inbox.dismiss(ids, now=runtime.clock(), actor=_named(actor), reason=text)


def answer_memo(
    runtime: Runtime, return_id: int, memo_id: int, actor: str, *, is_this_return: bool, is_further: bool = False
) -> None:
    """Say whether somebody else's credit memo gave back this very return; BadRequest for one that nobody asked about.

    An answer about another number would lie in wait for the memo that gets it one day. `is_further`: it gave back more
    than the return's refund that was paid without a memo; without it Conflict asks whether the memo books that one.
    """
    case = runtime.store.returns.case(return_id)
    memo = _memo_of_return(runtime, case, memo_id)
    if is_this_return and not is_further:
        _check_books_nothing(runtime, case, memo)
    now = runtime.clock()
    runtime.store.returns.answer_memo(return_id, memo_id, is_this_return=is_this_return, actor=_named(actor), now=now)
    runtime.store.inbox.wake(return_id=return_id, now=now, actor=actor)


def stop(runtime: Runtime, scope: str, actor: str, reason: str) -> None:
    """Stop all sends, those of "store:NAME" or those of "source:NAME"; intake and planning go on."""
    runtime.store.switches.stop(_scope(runtime, scope), _named(actor), reason, runtime.clock())


def go(runtime: Runtime, scope: str, actor: str) -> None:
    runtime.store.switches.go(_scope(runtime, scope), _named(actor), runtime.clock())


@dataclass(frozen=True, kw_only=True, slots=True)
class DryRun:
    """A plan that nothing came of, and the exact bodies and addresses that would have been sent."""

    plan: Plan
    reading: Reading
    urls: tuple[str, ...]
    bodies: tuple[dict[str, object], ...]


def dry_run(runtime: Runtime, source: SourceSettings, event: ReturnEvent) -> DryRun:
    """Plan an event against the real store as if it had just arrived; nothing is stored or sent.

    All of invoices and memos is read, so the plan is the one that a careful look gives.
    """
    store, magento = runtime.store_of(source), runtime.magento[source.store]
    order = read_order(magento, event.order)
    reading = read_around(magento, store, order, memos_matter=True)
    now = runtime.clock()
    approved = ApprovedReturn(
        namespace=source.namespace,
        instance=store.instance,
        source=source.name,
        event=fold([event]),
        known_since=min(event.occurred_at or now, now),
    )
    unsettled = runtime.store.refunds.unsettled(store.instance, order.entity_id)
    asked = [row.request for row in unsettled if row.request is not None]
    plan = plan_refunds(approved, reading, runtime.policy_of(source), unsettled=asked)
    requests = [refund.request for refund in plan.refunds]
    return DryRun(
        plan=plan,
        reading=reading,
        urls=tuple(magento.refund_url(request) for request in requests),
        bodies=tuple(refund_body(request) for request in requests),
    )


def _memo_of_refund(runtime: Runtime, case: ReturnCase, row: RefundRow, memo_id: int) -> CreditMemo:
    """A memo on the refund's own order; one without a marker of ours may have been made by hand."""
    name = format_id("refund", row.id)
    memo = _memo_of_order(runtime, case, row.order_entity_id, name, memo_id)
    markers = [str(marker) for marker in markers_of(memo)]
    if markers and row.marker not in markers:
        raise BadRequest(
            f"credit memo {memo_id} carries {', '.join(markers)}, another refund's marker; {name} has {row.marker}",
            memo_id=memo_id,
        )
    return memo


def _memo_of_return(runtime: Runtime, case: ReturnCase, memo_id: int) -> CreditMemo:
    memo = _memo_of_order(runtime, case, case.order_entity_id, format_id("return", case.id), memo_id)
    if markers_of(memo):
        raise BadRequest(f"credit memo {memo_id} carries the marker of a refund of ours: whose it is, is known already")
    row = runtime.store.refunds.with_memo(case.instance, memo.order_id, memo_id)
    if row is not None:
        refund, of_return = format_id("refund", row.id), format_id("return", row.return_id)
        raise Conflict(f"credit memo {memo_id} is the one of {refund}, of {of_return}: whose it is, is known already")
    return memo


def _check_books_nothing(runtime: Runtime, case: ReturnCase, memo: CreditMemo) -> None:
    """Staff make a memo for what the gateway paid without one: counted beside that, it would keep what is owed."""
    for row in runtime.store.refunds.of_return(case.id):
        if row.is_paid_without_memo and _may_book(memo, row):
            refund, of_return, number = format_id("refund", row.id), format_id("return", case.id), memo.entity_id
            raise Conflict(
                f"{refund} was paid without a memo, on lines of credit memo {number}. If {number} books that payment: "
                f"{settle_command(row, f'--memo {number}')}. If it gave back more besides: "
                f"refundry answer {of_return} --memo {number} --this-return --further",
                refund_id=refund,
                memo_id=number,
            )


def _check_no_memo_may_book(runtime: Runtime, case: ReturnCase, row: RefundRow) -> None:
    """The same question the other way round: the memo was answered for first."""
    known = {other.memo_id for other in runtime.store.refunds.of_return(case.id)}
    named = [
        memo_id for memo_id, is_this_return in case.memo_answers.items() if is_this_return and memo_id not in known
    ]
    name = format_id("refund", row.id)
    for memo_id in named:
        if _may_book(_memo_of_order(runtime, case, row.order_entity_id, name, memo_id), row):
            raise Conflict(
                f"credit memo {memo_id}, which is this return's, is on lines of {name}. If it books this payment: "
                f"{settle_command(row, f'--memo {memo_id}')}. If both were paid: --paid-no-memo --further",
                refund_id=name,
                memo_id=memo_id,
            )


def _may_book(memo: CreditMemo, row: RefundRow) -> bool:
    """On a line of the refund, or on none at all."""
    asked = row.request.items if row.request is not None else ()
    return not memo.lines or any(memo.qty_of(item.order_item_id) > 0 for item in asked)


def _compared_as_booking(row: RefundRow, memo: CreditMemo) -> ReadBack | None:
    """What the gateway paid before, the memo only books: it has neither invoice nor transaction."""
    if row.request is None or row.predicted_base_total is None or row.predicted_total is None:
        return None
    predicted = PredictedTotals(base_grand_total=row.predicted_base_total, grand_total=row.predicted_total)
    differences = compare(row.request, predicted, memo, was_named_by_person=True, was_paid_before=True)
    text = f"credit memo {memo.increment_id} is not what was asked: " + "; ".join(map(str, differences))
    return ReadBack(memo=memo, differences=differences, reason=text if differences else "")


def _memo_of_order(runtime: Runtime, case: ReturnCase, order_id: int | None, subject: str, memo_id: int) -> CreditMemo:
    """The memo of an order by its entity id; BadRequest says which there are, as people see the other number."""
    magento = runtime.magento.get(case.store)
    if magento is None:
        raise Conflict(f"store '{case.store}' is not configured any more: its credit memos cannot be read")
    memos = magento.read_memos(order_id) if order_id is not None else ()
    found = next((memo for memo in memos if memo.entity_id == memo_id), None)
    if found is not None:
        return found
    numbers = ", ".join(f"{memo.entity_id} (number {memo.increment_id})" for memo in memos) or "none yet"
    meant = next((memo for memo in memos if memo.increment_id.lstrip("0") == str(memo_id)), None)
    hint = (
        "" if meant is None else f"; {memo_id} looks like the number of {meant.entity_id}: say --memo {meant.entity_id}"
    )
    raise BadRequest(
        f"the order of {subject} has no credit memo with the entity id {memo_id}; it has: {numbers}{hint}",
        memo_id=memo_id,
    )


def _named(actor: str) -> str:
    if not actor.strip():
        raise BadRequest("an action needs the name of who does it (--actor NAME)")
    return actor.strip()


def _scope(runtime: Runtime, scope: str) -> str:
    kind, _, name = scope.partition(":")
    known = {"store": runtime.settings.stores, "source": runtime.settings.sources}
    if scope == "all" or (kind in known and name in known[kind]):
        return scope
    names = ["all", *(f"store:{name}" for name in known["store"]), *(f"source:{name}" for name in known["source"])]
    raise BadRequest(f"'{scope}' can't be stopped; one of: {', '.join(names)}", scope=scope)
