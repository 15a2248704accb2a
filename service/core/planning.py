"""A return, a reading of its order, and the merchant's choices → the Plan: what is still to be given back, and why.

The idea of the whole service stands here: an event says what was approved so far, the memos say what was given back so
far, the plan is the difference. A duplicate, a replay or a late addition needs no case of its own: the second time, the
difference is empty. Reads as a table of contents of the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from service.core.allocation import money_left_on
from service.core.calls import Draft, price, settlement_of
from service.core.discrepancies import judge_discrepancies
from service.core.given_back import foreign_memos, given_back, without_memo
from service.core.line_matching import Matching, match_lines
from service.core.marker import markers_in, markers_of, stem_of
from service.core.memo_lines import WouldBeRefused
from service.core.orders import Reading
from service.core.plan import Note, Plan, PlannedRefund, Question, RefundRequest, Verdict
from service.core.policy import Policy
from service.core.portal_amounts import figure_of
from service.core.refund_mode import RefundMode, choose_mode, payment_facts
from service.core.resolution import resolve_lines
from service.core.returns import ApprovedReturn, ReturnEvent
from service.core.rounding import CENT, to_cent
from service.core.wording import money

ZERO = Decimal(0)

#: States that pass by themselves; the others in which Magento refuses are final.
_PASSING_STATES = {"holded": "on hold", "payment_review": "in payment review"}


def plan_refunds(
    approved: ApprovedReturn, reading: Reading, policy: Policy, *, unsettled: Sequence[RefundRequest] = ()
) -> Plan:
    """What is still to be given back to a return, as of this reading.

    `unsettled` are refunds of this order that may have paid without a memo we know: their units count as given back.
    The same arguments give the same plan, to the byte.
    """
    order = reading.order
    stem = stem_of(
        namespace=approved.namespace,
        instance=approved.instance,
        order_id=order.entity_id,
        return_id=approved.event.return_id,
    )
    unsettled = without_memo(unsettled, reading)
    given = given_back(approved, reading, unsettled, stem=stem)
    resolved = resolve_lines(approved.event, policy.source)
    approved = replace(approved, event=replace(approved.event, lines=resolved.lines))
    figure, amount_notes, amount_questions = figure_of(approved.event, policy.source)
    draft = Draft(
        approved=approved,
        reading=reading,
        policy=policy,
        unsettled=unsettled,
        stem=stem,
        given=given,
        figure=figure,
    )
    if approved.event.already_refunded:
        return _paid_by_sender(draft)

    matching = match_lines(approved.event, reading, given, unsettled, policy=policy.source)
    told, held = judge_discrepancies(approved.event)
    notes = (*_note_receipts(approved.event), *told, *resolved.notes, *matching.notes, *amount_notes)
    questions = [
        *_question_event(draft),
        *_question_order(draft, matching),
        *held,
        *resolved.questions,
        *matching.questions,
        *amount_questions,
    ]
    waits = list(matching.waits)
    if not questions and not matching.outstanding and not waits:
        return _plan(draft, Verdict.NOTHING, notes=(*notes, _nothing_left(draft, matching, resolved.notes)))

    rule = choose_mode(payment_facts(reading, policy.store.payments))
    because = rule.because.format(method=order.payment_method)
    mode_note = Note(rule=f"mode.{rule.name}", subject=order.payment_method, text=because)
    if rule.mode is RefundMode.REVIEW:
        questions.append(Question(code=rule.name, subject=order.payment_method, text=because))
    waits += _not_ready(draft)
    notes = (*notes, mode_note)
    if questions:
        return _plan(draft, Verdict.PERSON, notes=notes, questions=tuple(questions))
    if waits or rule.mode is RefundMode.WAIT:
        return _plan(draft, Verdict.WAIT, notes=(*notes, *waits))

    try:
        priced = price(draft, matching.outstanding, online=rule.mode is RefundMode.ONLINE)
    except WouldBeRefused as refusal:
        question = Question(code="would-be-refused", subject=order.increment_id, text=str(refusal))
        return _plan(draft, Verdict.PERSON, notes=notes, questions=(question,))
    notes = (*notes, *priced.notes)
    if priced.questions:
        return _plan(draft, Verdict.PERSON, notes=notes, questions=priced.questions)
    return _judged(draft, priced.refunds, notes, priced.asks)


def _plan(
    draft: Draft,
    verdict: Verdict,
    *,
    refunds: tuple[PlannedRefund, ...] = (),
    notes: tuple[Note, ...] = (),
    questions: tuple[Question, ...] = (),
) -> Plan:
    order = draft.reading.order
    return Plan(
        return_id=draft.approved.event.return_id,
        order_id=order.entity_id,
        increment_id=order.increment_id,
        currency=order.currency,
        base_currency=order.base_currency,
        refunds=refunds,
        notes=notes,
        questions=questions,
        verdict=verdict,
    )


def _nothing_left(draft: Draft, matching: Matching, not_refunded: tuple[Note, ...]) -> Note:
    if not draft.approved.event.lines:
        text = "; ".join(dict.fromkeys(note.text for note in not_refunded)) or "nothing is approved"
        return Note(rule="plan.nothing_left", subject="return", text=text)
    memos = ", ".join(memo.increment_id for memo in draft.given.memos)
    said = "everything that was approved has been given back" + (f" (credit memo {memos})" if memos else "")
    excess = [note.text for note in matching.notes if note.rule == "given.more"]
    return Note(rule="plan.nothing_left", subject="return", text="; ".join([said, *excess]))


def _note_receipts(event: ReturnEvent) -> Iterable[Note]:
    if event.receipts:
        text = f"{len(event.receipts)} receipt(s) make up what came back: {', '.join(r.id for r in event.receipts)}"
        yield Note(rule="receipts.summed", subject="return", text=text)


def _paid_by_sender(draft: Draft) -> Plan:
    """Nothing is sent where the sender has paid; a refund of ours besides is one too many, and a person's to undo."""
    ours = [memo.increment_id for memo in draft.given.memos if any(m.stem == draft.stem for m in markers_of(memo))]
    ours += [ask.marker for ask in draft.unsettled if any(m.stem == draft.stem for m in markers_in(ask.marker))]
    text = "the sender has given the money back itself"
    if not ours:
        note = Note(rule="amounts.already_refunded", subject="return", text=f"{text}: nothing is sent")
        return _plan(draft, Verdict.NOTHING, notes=(note,))
    text += f", and we have too ({', '.join(ours)}): find out which stands, and get one of them back"
    question = Question(code="refunded-twice", subject=draft.approved.event.return_id, text=text)
    return _plan(draft, Verdict.PERSON, questions=(question,))


# --- what a person must decide, and what passes by itself -----------------------------------------------------------


def _question_event(draft: Draft) -> Iterable[Question]:
    """What the sender said that no plan can get past."""
    event, order = draft.approved.event, draft.reading.order
    for doubt in event.doubts:
        yield Question(code=doubt.code, subject=event.return_id, text=doubt.text)
    for said in event.unsupported:
        yield Question(code="unsupported", subject=event.return_id, text=f"{said}: refund by hand, or mend the source")
    if event.currency is not None and event.currency != order.currency:
        yield Question(
            code="currency-mismatch",
            subject=event.currency,
            text=(
                f"the sender speaks of {event.currency}, the order is in {order.currency}; amounts cannot be compared. "
                "Have the sender say the order's currency, or refund by hand"
            ),
        )


def _question_order(draft: Draft, matching: Matching) -> Iterable[Question]:
    """Facts of the order, and of the return's memos, that no plan can get past."""
    order = draft.reading.order
    if order.other_tenders:
        tenders = ", ".join(order.other_tenders)
        yield Question(
            code="paid-partly-otherwise",
            subject=tenders,
            text=f"paid partly by {tenders}, which Magento's refund calls cannot give back. Refund by hand",
        )
    if any(item.line.has_fixed_product_tax for item in matching.outstanding):
        text = "a fixed product tax is on these items, and what Magento gives back of it cannot be foretold. By hand"
        yield Question(code="fixed-product-tax", subject=order.increment_id, text=text)
    if order.state == "canceled":
        text = (
            "the order was cancelled in Magento, which then refuses refunds: have the sender correct the order, or, if "
            "this one was paid, refund by hand at the gateway"
        )
        yield Question(code="order-canceled", subject=order.increment_id, text=text)
    if matching.outstanding or matching.questions:
        for memo in foreign_memos(draft.approved, draft.reading, matching.touched):
            yield _question_foreign(memo.entity_id, memo.increment_id)
    if order.state == "closed" and matching.outstanding:
        text = "the order is closed in Magento, which refuses further refunds; see who closed it"
        yield Question(code="order-closed", subject=order.increment_id, text=text)
    if draft.figure is None:
        yield from _question_fees(draft, matching)
    elif draft.given.memos and not matching.outstanding and not matching.questions and not matching.waits:
        yield from settlement_of(draft, draft.figure, ()).questions


def _question_fees(draft: Draft, matching: Matching) -> Iterable[Question]:
    """Fees that changed after they could have been deducted; fees are cumulative, in the order's currency."""
    event, order = draft.approved.event, draft.reading.order
    rounding = ZERO if order.base_to_order_rate == 1 else CENT
    if draft.given.fees > event.fees + rounding:
        yield Question(
            code="fee-lowered",
            subject="fees",
            text=(
                f"{money(draft.given.fees, order.currency)} of fees were deducted before, the sender now says "
                f"{money(event.fees)}; give the difference back by hand"
            ),
        )
    is_late = not matching.outstanding and not matching.questions and not matching.waits and draft.given.memos
    if is_late and event.fees > draft.given.fees + rounding:
        yield Question(
            code="fee-too-late",
            subject="fees",
            text=f"a fee of {money(event.fees, order.currency)} came after everything had been given back",
        )


def _question_foreign(memo_id: int, increment_id: str) -> Question:
    return Question(
        code="foreign-memo",
        subject=str(memo_id),
        text=f"somebody else made credit memo {increment_id} on these lines: is it this return's refund?",
        candidates=("this return", "something else"),
    )


def _not_ready(draft: Draft) -> Iterable[Note]:
    order = draft.reading.order
    if order.state in _PASSING_STATES:
        text = f"the order is {_PASSING_STATES[order.state]}; Magento refuses refunds until it is released"
        yield Note(rule=f"wait.{order.state}", subject=order.increment_id, text=text)


# --- the last checks ------------------------------------------------------------------------------------------------


def _judged(
    draft: Draft, refunds: tuple[PlannedRefund, ...], notes: tuple[Note, ...], asks: tuple[Question, ...]
) -> Plan:
    """The plan refuses itself where its money does not fit, and asks where it is more than the merchant lets pass."""
    questions = [*_question_totals(draft, refunds), *_question_invoices(draft, refunds)]
    if questions:
        return _plan(draft, Verdict.PERSON, refunds=refunds, notes=notes, questions=tuple(questions))
    plan = _plan(draft, Verdict.REFUND, refunds=refunds, notes=notes)
    limit = draft.policy.store.review_amount_over
    if limit is not None and plan.base_total > limit:
        currency = draft.reading.order.base_currency
        text = f"{money(plan.base_total, currency)} is more than {money(limit, currency)}: somebody must say yes"
        asks = (*asks, Question(code="amount-over-limit", subject=plan.return_id, text=text))
    if asks and not plan.is_approved_by(draft.approved.approved_fingerprint):
        return replace(plan, verdict=Verdict.APPROVAL, questions=asks)
    return plan


def _question_totals(draft: Draft, refunds: tuple[PlannedRefund, ...]) -> Iterable[Question]:
    order = draft.reading.order
    for refund in refunds:
        if min(refund.predicted.base_grand_total, refund.predicted.grand_total) <= 0:
            # Magento 2.4.6 would accept it and call the gateway with zero, or with a negative amount.
            text = f"the memo would total {money(refund.predicted.base_grand_total, order.base_currency)}; never sent"
            yield Question(code="nothing-to-pay", subject=refund.request.marker, text=text)
    given = max(order.base.refunded, sum((memo.base.grand_total for memo in draft.reading.memos), ZERO))
    total = sum((refund.predicted.base_grand_total for refund in refunds), ZERO)
    # Magento rounds its counter with every memo, which tells where amounts have four places, and compares to the cent.
    after = given
    for refund in refunds:
        after = to_cent(after + refund.predicted.base_grand_total)
    if after > to_cent(order.base.paid):
        text = (
            f"{money(total, order.base_currency)} would be given back, and {money(order.base.paid - given)} "
            "of what was paid is left; an adjustment or a refund by hand has used it up"
        )
        yield Question(code="more-than-paid", subject=order.increment_id, text=text)


def _question_invoices(draft: Draft, refunds: tuple[PlannedRefund, ...]) -> Iterable[Question]:
    """No invoice gives back more money than it holds; Magento itself checks the order's total only."""
    asked: dict[int, Decimal] = {}
    for refund in refunds:
        invoice_id = refund.request.invoice_id
        if invoice_id is not None:
            asked[invoice_id] = asked.get(invoice_id, ZERO) + refund.predicted.base_grand_total
    for invoice_id, total in asked.items():
        invoice = draft.reading.invoice(invoice_id)
        left = money_left_on(invoice, draft.reading) if invoice is not None else ZERO
        if total > left:
            text = f"invoice {invoice_id} holds {money(left)}, and {money(total)} would be asked of it. Refund by hand"
            yield Question(code="invoice-holds-less", subject=str(invoice_id), text=text)
