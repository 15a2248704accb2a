"""A return, a reading of its order, and the merchant's choices → the Plan: what is still to be given back, and why.

The idea of the whole service stands here: an event says what was approved so far, the memos say what was given back so
far, the plan is the difference. A duplicate, a replay or a late addition needs no case of its own: the second time, the
difference is empty. Reads as a table of contents of the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from service.core.allocation import (
    allocate,
    money_left_on,
    refundable_invoices,
    shipping_left_on,
    units_left_on,
)
from service.core.amounts import Prediction, predict
from service.core.counters import after_memo
from service.core.discrepancies import judge_discrepancies
from service.core.given_back import GivenBack, foreign_memos, given_back, units_left
from service.core.line_matching import Matching, Outstanding, match_lines
from service.core.lines import LineKind, is_dummy, kind_of, units_per_parent
from service.core.marker import Marker, comment_for, markers_in, markers_of, stem_of
from service.core.memo_lines import WouldBeRefused
from service.core.orders import Reading
from service.core.plan import (
    Note,
    Plan,
    PlannedRefund,
    Question,
    RefundRequest,
    RequestItem,
    Route,
    Verdict,
)
from service.core.policy import Policy
from service.core.portal_amounts import Figure, Settlement, Sums, figure_of, rounding_play, settle
from service.core.refund_mode import RefundMode, choose_mode, payment_facts
from service.core.resolution import resolve_lines
from service.core.returns import ApprovedReturn, ReturnEvent
from service.core.rounding import CENT, to_cent
from service.core.shipping_policy import choose_shipping, shipping_left
from service.core.wording import money, units

ZERO = Decimal(0)

#: States that pass by themselves; the others in which Magento refuses are final.
_PASSING_STATES = {"holded": "on hold", "payment_review": "in payment review"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """One call in the making: what it names, before shipping, adjustments and marker are known."""

    items: tuple[Outstanding, ...]
    invoice_id: int | None = None
    shipping: Decimal = ZERO
    #: Deducted: fees, or what brings the memo down to the sender's figure.
    deduction: Decimal = ZERO
    addition: Decimal = ZERO

    @property
    def shipped_units(self) -> Decimal:
        """Units that can have cost shipping."""
        return sum((item.quantity for item in self.items if not item.line.is_virtual), ZERO)


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
    given = given_back(approved, reading, unsettled, stem=stem)
    resolved = resolve_lines(approved.event, policy.source)
    approved = replace(approved, event=replace(approved.event, lines=resolved.lines))
    figure, amount_notes, amount_questions = figure_of(approved.event, policy.source)
    draft = _Draft(
        approved=approved,
        reading=reading,
        policy=policy,
        unsettled=tuple(unsettled),
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
        return _with_amounts(draft, matching.outstanding, notes, online=rule.mode is RefundMode.ONLINE)
    except WouldBeRefused as refusal:
        question = Question(code="would-be-refused", subject=order.increment_id, text=str(refusal))
        return _plan(draft, Verdict.PERSON, notes=notes, questions=(question,))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Draft:
    """What every step of one planning shares."""

    approved: ApprovedReturn
    reading: Reading
    policy: Policy
    unsettled: tuple[RefundRequest, ...]
    stem: str
    given: GivenBack
    #: The sender's own, where it is to be gone by.
    figure: Figure | None


def _plan(
    draft: _Draft,
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


def _nothing_left(draft: _Draft, matching: Matching, not_refunded: tuple[Note, ...]) -> Note:
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


def _paid_by_sender(draft: _Draft) -> Plan:
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


def _question_event(draft: _Draft) -> Iterable[Question]:
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


def _question_order(draft: _Draft, matching: Matching) -> Iterable[Question]:
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
        yield Question(code="order-canceled", subject=order.increment_id, text="the order was cancelled in Magento")
    if matching.outstanding or matching.questions:
        for memo in foreign_memos(draft.approved, draft.reading, matching.touched):
            yield _question_foreign(memo.entity_id, memo.increment_id)
    if order.state == "closed" and matching.outstanding:
        text = "the order is closed in Magento, which refuses further refunds; see who closed it"
        yield Question(code="order-closed", subject=order.increment_id, text=text)
    if draft.figure is None:
        yield from _question_fees(draft, matching)
    elif draft.given.memos and not matching.outstanding and not matching.questions and not matching.waits:
        yield from _settlement(draft, draft.figure, ()).questions


def _question_fees(draft: _Draft, matching: Matching) -> Iterable[Question]:
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


def _not_ready(draft: _Draft) -> Iterable[Note]:
    order = draft.reading.order
    if order.state in _PASSING_STATES:
        text = f"the order is {_PASSING_STATES[order.state]}; Magento refuses refunds until it is released"
        yield Note(rule=f"wait.{order.state}", subject=order.increment_id, text=text)


# --- from units to money --------------------------------------------------------------------------------------------


def _with_amounts(
    draft: _Draft, outstanding: tuple[Outstanding, ...], notes: tuple[Note, ...], *, online: bool
) -> Plan:
    """The plan of what is outstanding: calls, their shipping and fees, and what their memos will total."""
    calls, unplaced = _calls(draft, outstanding, online=online)
    calls, shipping_note, shipping_questions = _with_shipping(draft, calls)
    asks: tuple[Question, ...] = ()
    if draft.figure is None:
        calls, amount_notes, amount_questions = _with_fees(draft, calls)
    else:
        settlement = _settlement(draft, draft.figure, _predictions(draft, calls))
        calls, amount_notes, amount_questions = _with_adjustment(draft, calls, settlement)
        asks = settlement.asks
    notes = (*notes, shipping_note, *amount_notes)
    questions = (*unplaced, *shipping_questions, *amount_questions)
    if questions:
        return _plan(draft, Verdict.PERSON, notes=notes, questions=questions)
    return _judged(draft, _refunds(draft, calls), notes, asks)


# --- calls: by stock decision, by invoice ---------------------------------------------------------------------------


def _calls(
    draft: _Draft, outstanding: tuple[Outstanding, ...], *, online: bool
) -> tuple[tuple[_Call, ...], list[Question]]:
    """One call per stock decision, and online one per invoice."""
    questions: list[Question] = []
    calls: list[_Call] = []
    left = {
        invoice.entity_id: {
            item.line.item_id: units_left_on(invoice, item.line.item_id, draft.reading, draft.unsettled)
            for item in outstanding
        }
        for invoice in refundable_invoices(draft.reading)
    }
    for restocks in (True, False):
        group = tuple(item for item in outstanding if bool(item.restock) is restocks)
        if not group:
            continue
        if not online:
            calls.append(_Call(items=group))
            continue
        by_invoice: dict[int, list[Outstanding]] = {}
        for item in group:
            item_id = item.line.item_id
            parts, rest = allocate(item.quantity, [(invoice_id, held[item_id]) for invoice_id, held in left.items()])
            for invoice_id, taken in parts:
                left[invoice_id][item_id] -= taken
                by_invoice.setdefault(invoice_id, []).append(replace(item, quantity=taken))
            if rest > 0:
                text = f"{units(rest)} of '{item.line.sku}' fit on no paid invoice with a transaction; refund by hand"
                questions.append(Question(code="no-invoice-holds-it", subject=item.line.sku, text=text))
        calls += [_Call(items=tuple(by_invoice[key]), invoice_id=key) for key in sorted(by_invoice)]
    return tuple(calls), questions


# --- shipping and fees ----------------------------------------------------------------------------------------------


def _with_shipping(draft: _Draft, calls: tuple[_Call, ...]) -> tuple[tuple[_Call, ...], Note, list[Question]]:
    """Calls with their explicit shipping amounts, never more than the order and each call's invoice hold."""
    order, store = draft.reading.order, draft.policy.store
    amount, note = choose_shipping(
        store.shipping_rule(order.shipping_method),
        order,
        returned_units=_returned_units(draft, calls),
        is_full_return=_is_full_return(draft, calls),
        # In the sense of the rule's amount: without this a later call would give the tax once more.
        given=draft.given.shipping + (draft.given.shipping_tax if store.shipping_includes_tax else ZERO),
        left=shipping_left(draft.reading, includes_tax=store.shipping_includes_tax),
    )
    rest = amount
    shipped: list[_Call] = []
    on_invoice: dict[int | None, Decimal] = {}
    for index, call in enumerate(calls):
        # Online no call takes more than its invoice charged; offline each takes its share, and the last the rest.
        room = rest if call.invoice_id is None else on_invoice.get(call.invoice_id, _invoice_shipping(draft, call))
        is_last = index == len(calls) - 1
        wish = rest if is_last or call.invoice_id is not None else _share(amount, call, calls)
        taken = min(wish, room, rest)
        on_invoice[call.invoice_id] = room - taken
        rest -= taken
        shipped.append(replace(call, shipping=taken))
    questions = []
    if rest > 0:
        text = (
            f"{money(rest, order.base_currency)} of shipping fit on none of the invoices refunded; give it back by hand"
        )
        questions.append(Question(code="shipping-does-not-fit", subject=order.shipping_method, text=text))
    return tuple(shipped), note, questions


def _returned_units(draft: _Draft, calls: tuple[_Call, ...]) -> Decimal:
    """Units that shipping was charged for, given back before or now: a kit is one unit, once all its parts are back."""
    order = draft.reading.order
    back = {line.item_id: draft.given.units(line.item_id) for line in order.lines}
    for item in (item for call in calls for item in call.items):
        back[item.line.item_id] += item.quantity
    count = ZERO
    for line in order.lines:
        kind = kind_of(order, line)
        if kind is LineKind.DYNAMIC_BUNDLE:
            parts = order.children_of(line)
            count += min(back[part.item_id] // units_per_parent(order, part) for part in parts)
        elif kind is not LineKind.DYNAMIC_BUNDLE_CHILD and not is_dummy(order, line) and not line.is_virtual:
            count += back[line.item_id]
    return count


def _share(amount: Decimal, call: _Call, calls: tuple[_Call, ...]) -> Decimal:
    """A call's part of the shipping by its units, in whole cents, so that a second planning finds the same rest."""
    all_units = sum((each.shipped_units for each in calls), ZERO)
    return (amount * call.shipped_units / all_units).quantize(CENT, ROUND_HALF_UP) if all_units else ZERO


def _invoice_shipping(draft: _Draft, call: _Call) -> Decimal:
    invoice = draft.reading.invoice(call.invoice_id) if call.invoice_id is not None else None
    if invoice is None:
        return ZERO
    return shipping_left_on(invoice, draft.reading, includes_tax=draft.policy.store.shipping_includes_tax)


def _is_full_return(draft: _Draft, calls: tuple[_Call, ...]) -> bool:
    """Whether after these calls no unit of the order is left to give back or to deliver."""
    order = draft.reading.order
    returned: dict[int, Decimal] = {}
    for item in (item for call in calls for item in call.items):
        returned[item.line.item_id] = returned.get(item.line.item_id, ZERO) + item.quantity
    return all(
        line.qty_invoiced >= line.qty_ordered - line.qty_canceled
        and units_left(line, draft.reading, draft.unsettled) <= returned.get(line.item_id, ZERO)
        for line in order.lines
        if not is_dummy(order, line)
    )


def _with_fees(draft: _Draft, calls: tuple[_Call, ...]) -> tuple[tuple[_Call, ...], list[Note], list[Question]]:
    """The fees that this return's memos have not deducted yet, off the largest call: fees are cumulative."""
    order = draft.reading.order
    outstanding = draft.approved.event.fees - draft.given.fees
    if outstanding <= 0 or not calls:
        return calls, [], []
    base_fee = (outstanding / order.base_to_order_rate).quantize(CENT, ROUND_HALF_UP)
    totals = [refund.predicted.base_grand_total for refund in _refunds(draft, calls)]
    largest = totals.index(max(totals))
    if totals[largest] <= base_fee:
        text = (
            f"fees of {money(outstanding, order.currency)} are not less than the largest refund, "
            f"{money(totals[largest], order.base_currency)}; settle them by hand"
        )
        return calls, [], [Question(code="fee-does-not-fit", subject="fees", text=text)]
    with_fee = tuple(replace(call, deduction=base_fee) if i == largest else call for i, call in enumerate(calls))
    return with_fee, [_note_fee(draft, outstanding, base_fee)], []


def _note_fee(draft: _Draft, outstanding: Decimal, base_fee: Decimal) -> Note:
    order, before = draft.reading.order, draft.given.fees
    types = ", ".join(f"{fee.type} {money(fee.amount)}" for fee in draft.approved.event.fee_items if fee.type)
    text = f"fees of {money(outstanding, order.currency)} are deducted" + (f" ({types})" if types else "")
    if order.currency != order.base_currency:
        text += f", in the books {money(base_fee, order.base_currency)}"
    if before:
        text += f"; {money(before, order.currency)} were deducted before"
    return Note(rule="fee.deducted", subject="fees", text=text)


# --- the sender's figure --------------------------------------------------------------------------------------------


def _settlement(draft: _Draft, figure: Figure, predictions: Sequence[Prediction]) -> Settlement:
    order, event = draft.reading.order, draft.approved.event
    settlement = settle(
        figure,
        fees=event.fees,
        before=Sums.of(memo.shown for memo in draft.given.memos),
        now=Sums.of(prediction.shown for prediction in predictions),
        policy=draft.policy.source,
        currency=order.currency,
        tolerance=rounding_play(len(event.lines), is_converted=order.base_to_order_rate != 1),
    )
    if any(marker.stem == draft.stem for ask in draft.unsettled for marker in markers_in(ask.marker)):
        text = "a refund of this return has no memo, so that nobody can say what it gave: settle the amounts by hand"
        question = Question(code="amounts-without-memo", subject="amounts", text=text)
        return replace(settlement, questions=(*settlement.questions, question))
    return settlement


def _with_adjustment(
    draft: _Draft, calls: tuple[_Call, ...], settlement: Settlement
) -> tuple[tuple[_Call, ...], list[Note], list[Question]]:
    """The adjustment on the largest call; one that it brings to nothing would be sent to the gateway all the same."""
    order = draft.reading.order
    questions = list(settlement.questions)
    base = (abs(settlement.adjustment) / order.base_to_order_rate).quantize(CENT, ROUND_HALF_UP)
    if questions or not base or not calls:
        return calls, [settlement.note], questions
    totals = [refund.predicted.base_grand_total for refund in _refunds(draft, calls)]
    largest = totals.index(max(totals))
    if settlement.adjustment < 0 and totals[largest] <= base:
        text = (
            f"{money(base, order.base_currency)} are to be deducted, which is not less than the largest refund, "
            f"{money(totals[largest], order.base_currency)}; refund by hand"
        )
        questions.append(Question(code="deduction-does-not-fit", subject="amounts", text=text))
    call = calls[largest]
    adjusted = replace(call, deduction=base) if settlement.adjustment < 0 else replace(call, addition=base)
    return (*calls[:largest], adjusted, *calls[largest + 1 :]), [settlement.note], questions


# --- requests and the last checks -----------------------------------------------------------------------------------


def _request(draft: _Draft, call: _Call, part: int) -> RefundRequest:
    event = draft.approved.event
    marker = Marker(stem=draft.stem, part=part, restocks=any(item.restock for item in call.items))
    quantities: dict[int, Decimal] = {}
    for item in call.items:
        quantities[item.line.item_id] = quantities.get(item.line.item_id, ZERO) + item.quantity
    online = call.invoice_id is not None
    return RefundRequest(
        route=Route.INVOICE if online else Route.ORDER,
        order_id=draft.reading.order.entity_id,
        invoice_id=call.invoice_id,
        items=tuple(RequestItem(order_item_id=item_id, qty=quantities[item_id]) for item_id in sorted(quantities)),
        shipping_amount=call.shipping,
        adjustment_positive=call.addition,
        adjustment_negative=call.deduction,
        return_to_stock=tuple(sorted({item_id for item in call.items for item_id in item.restock})),
        # Online the e-mail is asked for afterwards: its failure must not roll back a refund that the gateway has paid.
        notify=draft.policy.source.notify_customer and draft.approved.may_notify and not online,
        marker=str(marker),
        comment=comment_for(marker, return_id=event.return_id, source=draft.approved.source),
    )


def _refunds(draft: _Draft, calls: tuple[_Call, ...]) -> tuple[PlannedRefund, ...]:
    """The calls as requests with what their memos will total, each as if those before it had been made."""
    requests = _requests(draft, calls)
    predictions = _predictions(draft, calls)
    return tuple(
        PlannedRefund(request=request, predicted=prediction.totals)
        for request, prediction in zip(requests, predictions, strict=True)
    )


def _requests(draft: _Draft, calls: tuple[_Call, ...]) -> tuple[RefundRequest, ...]:
    return tuple(_request(draft, call, part) for part, call in enumerate(calls, start=draft.given.next_part))


def _predictions(draft: _Draft, calls: tuple[_Call, ...]) -> tuple[Prediction, ...]:
    reading = draft.reading
    predictions: list[Prediction] = []
    for request in _requests(draft, calls):
        prediction = predict(
            reading.order,
            reading.invoices,
            reading.memos,
            request,
            shipping_includes_tax=draft.policy.store.shipping_includes_tax,
            tax_limited_by_invoice=draft.policy.store.tax_limited_by_invoice,
        )
        predictions.append(prediction)
        memo = prediction.as_memo(
            entity_id=0,
            order_id=reading.order.entity_id,
            invoice_id=request.invoice_id,
            created_at=draft.approved.known_since,
        )
        reading = after_memo(reading, memo)
    return tuple(predictions)


def _judged(
    draft: _Draft, refunds: tuple[PlannedRefund, ...], notes: tuple[Note, ...], asks: tuple[Question, ...]
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


def _question_totals(draft: _Draft, refunds: tuple[PlannedRefund, ...]) -> Iterable[Question]:
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


def _question_invoices(draft: _Draft, refunds: tuple[PlannedRefund, ...]) -> Iterable[Question]:
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
