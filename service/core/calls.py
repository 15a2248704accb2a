"""From units to money: the calls that give back what is outstanding, and what their memos will total.

One call per stock decision, and online one per invoice; the shipping that goes with them, and what is deducted or added
for fees or by the sender's own figure. Whether the calls may be sent is planning's to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from service.core.allocation import allocate, refundable_invoices, shipping_left_on, units_left_on
from service.core.amounts import Prediction, predict
from service.core.counters import after_memo
from service.core.given_back import GivenBack, units_left
from service.core.line_matching import Outstanding
from service.core.lines import LineKind, is_dummy, kind_of, units_per_parent
from service.core.marker import Marker, comment_for, markers_in
from service.core.orders import Reading
from service.core.plan import Note, PlannedRefund, Question, RefundRequest, RequestItem, Route
from service.core.policy import Policy
from service.core.portal_amounts import Figure, Settlement, Sums, rounding_play, settle
from service.core.returns import ApprovedReturn
from service.core.rounding import CENT
from service.core.shipping_policy import choose_shipping, shipping_left
from service.core.wording import money, units

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What every step of one planning shares."""

    approved: ApprovedReturn
    reading: Reading
    policy: Policy
    unsettled: tuple[RefundRequest, ...]
    stem: str
    given: GivenBack
    #: The sender's own, where it is to be gone by.
    figure: Figure | None


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Priced:
    """Refunds as they would be sent. `questions` hold them; `asks` is for a yes to them, from the sender's figure."""

    refunds: tuple[PlannedRefund, ...]
    notes: tuple[Note, ...]
    questions: tuple[Question, ...]
    asks: tuple[Question, ...]


def price(draft: Draft, outstanding: tuple[Outstanding, ...], *, online: bool) -> Priced:
    """Calls for what is outstanding, their shipping and fees, and what their memos will total.

    Raises WouldBeRefused where Magento would refuse such a call whatever its amounts.
    """
    calls, unplaced = _calls(draft, outstanding, online=online)
    calls, shipping_note, shipping_questions = _with_shipping(draft, calls)
    asks: tuple[Question, ...] = ()
    if draft.figure is None:
        calls, amount_notes, amount_questions = _with_fees(draft, calls)
    else:
        settlement = settlement_of(draft, draft.figure, _predictions(draft, calls))
        calls, amount_notes, amount_questions = _with_adjustment(draft, calls, settlement)
        asks = settlement.asks
    questions = (*unplaced, *shipping_questions, *amount_questions)
    return Priced(
        refunds=() if questions else _refunds(draft, calls),
        notes=(shipping_note, *amount_notes),
        questions=questions,
        asks=asks,
    )


# --- calls: by stock decision, by invoice ---------------------------------------------------------------------------


def _calls(
    draft: Draft, outstanding: tuple[Outstanding, ...], *, online: bool
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


def _with_shipping(draft: Draft, calls: tuple[_Call, ...]) -> tuple[tuple[_Call, ...], Note, list[Question]]:
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


def _returned_units(draft: Draft, calls: tuple[_Call, ...]) -> Decimal:
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


def _invoice_shipping(draft: Draft, call: _Call) -> Decimal:
    invoice = draft.reading.invoice(call.invoice_id) if call.invoice_id is not None else None
    if invoice is None:
        return ZERO
    return shipping_left_on(invoice, draft.reading, includes_tax=draft.policy.store.shipping_includes_tax)


def _is_full_return(draft: Draft, calls: tuple[_Call, ...]) -> bool:
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


def _with_fees(draft: Draft, calls: tuple[_Call, ...]) -> tuple[tuple[_Call, ...], list[Note], list[Question]]:
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


def _note_fee(draft: Draft, outstanding: Decimal, base_fee: Decimal) -> Note:
    order, before = draft.reading.order, draft.given.fees
    types = ", ".join(f"{fee.type} {money(fee.amount)}" for fee in draft.approved.event.fee_items if fee.type)
    text = f"fees of {money(outstanding, order.currency)} are deducted" + (f" ({types})" if types else "")
    if order.currency != order.base_currency:
        text += f", in the books {money(base_fee, order.base_currency)}"
    if before:
        text += f"; {money(before, order.currency)} were deducted before"
    return Note(rule="fee.deducted", subject="fees", text=text)


# --- the sender's figure --------------------------------------------------------------------------------------------


def settlement_of(draft: Draft, figure: Figure, predictions: Sequence[Prediction]) -> Settlement:
    """The sender's figure for all so far against these calls, and the memos before them."""
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
    draft: Draft, calls: tuple[_Call, ...], settlement: Settlement
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


# --- requests, and what their memos will total ----------------------------------------------------------------------


def _request(draft: Draft, call: _Call, part: int) -> RefundRequest:
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


def _refunds(draft: Draft, calls: tuple[_Call, ...]) -> tuple[PlannedRefund, ...]:
    """The calls as requests with what their memos will total, each as if those before it had been made."""
    requests = _requests(draft, calls)
    predictions = _predictions(draft, calls)
    return tuple(
        PlannedRefund(request=request, predicted=prediction.totals)
        for request, prediction in zip(requests, predictions, strict=True)
    )


def _requests(draft: Draft, calls: tuple[_Call, ...]) -> tuple[RefundRequest, ...]:
    return tuple(_request(draft, call, part) for part, call in enumerate(calls, start=draft.given.next_part))


def _predictions(draft: Draft, calls: tuple[_Call, ...]) -> tuple[Prediction, ...]:
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
